/* chip_score: the static ranking of compiled kernels, as chip.h states it. It predicts no time: instruction counts are of
 * the code, not of a run, and the weights are guesses after the throughput table of the CUDA C++ Programming Guide. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "attune/chip.h"

#define LAUNCH_SLOTS 1000.0 /* about the 0.56 us that an empty kernel took in a graph on an H200, in cycles */
#define SPILL_BYTES 64.0
#define LATENCY_WARPS 2.0
#define SCHEDULERS 4.0

struct weight {
	const char *mnemonic;
	double slots; /* of one scheduler, for one warp's instruction */
	double flops; /* that a warp's instruction does */
	bool tensor;
};

/* FFMA is the unit. Products: m16n8k16 for HMMA; a quarter of m64n64k16, a warp's share, for HGMMA. */
static const struct weight weights[] = {
	{ "HMMA", 8, 4096, true }, { "HGMMA", 32, 32768, true }, { "UTCHMMA", 64, 131072, true },
	{ "QMMA", 8, 8192, true }, { "IMMA", 8, 8192, true }, { "DMMA", 32, 512, true },
	{ "FFMA", 1, 64, false }, { "FFMA2", 1, 128, false }, { "HFMA2", 1, 128, false },
	{ "IMAD", 2, 0, false }, { "MUFU", 8, 0, false }, { "DFMA", 32, 64, false }, { "DADD", 32, 0, false },
	{ "DMUL", 32, 0, false }, { "F2F", 8, 0, false }, { "LDS", 4, 0, false }, { "STS", 4, 0, false },
	{ "LDSM", 8, 0, false }, { "STSM", 8, 0, false }, { "LDG", 8, 0, false }, { "STG", 8, 0, false },
	{ "LD", 8, 0, false }, { "ST", 8, 0, false }, { "LDGSTS", 8, 0, false }, { "LDL", 32, 0, false },
	{ "STL", 32, 0, false }, { "SHFL", 4, 0, false }, { "BAR", 8, 0, false }, { "ATOMG", 32, 0, false },
	{ "ATOMS", 16, 0, false }, { "RED", 32, 0, false }, { "MEMBAR", 32, 0, false },
	{ "CALL", 16, 0, false },
};

/* One pass over a kernel's code, by one warp. */
struct pass {
	double slots, tensor_flops, scalar_flops;
};

static struct pass pass_of(const json_t *mix)
{
	struct pass p = { 0 };
	const char *mnemonic;
	json_t *v;

	json_object_foreach((json_t *)mix, mnemonic, v) {
		double n = json_number_value(v), slots = 1;

		for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
			if (strcmp(weights[i].mnemonic, mnemonic) != 0)
				continue;
			slots = weights[i].slots;
			*(weights[i].tensor ? &p.tensor_flops : &p.scalar_flops) += n * weights[i].flops;
		}
		p.slots += n * slots;
	}
	return p;
}

static const json_t *mix_of(const json_t *resources, const char *entry)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(resources, "kernels"), i, v) {
		const char *name = json_string_value(json_object_get(v, "name"));

		if (name && strcmp(name, entry) == 0)
			return json_object_get(v, "mix");
	}
	return json_object_get(resources, "mix");
}

static double product(const json_t *numbers)
{
	double p = 1;
	size_t i;
	json_t *v;

	json_array_foreach(numbers, i, v)
		p *= json_number_value(v);
	return p;
}

static double flops_of(struct pass p)
{
	return p.tensor_flops > 0 ? p.tensor_flops : p.scalar_flops;
}

/* The step that does the problem's operations: the one whose launch does the most in one pass; tensor cores before others. */
static size_t main_step(const json_t *resources, const json_t *steps)
{
	size_t i, best = 0;
	double most = -1;
	json_t *step;

	json_array_foreach(steps, i, step) {
		const char *entry = json_string_value(json_object_get(step, "entry"));
		struct pass p;
		double work;

		if (!entry)
			continue;
		p = pass_of(mix_of(resources, entry));
		work = (p.tensor_flops > 0 ? 1e6 : 1) * flops_of(p) * product(json_object_get(step, "grid")) *
		       product(json_object_get(step, "block"));
		if (work > most) {
			most = work;
			best = i;
		}
	}
	return best;
}

static double step_score(const json_t *device, const json_t *resources, const json_t *step, double flops)
{
	struct pass p = pass_of(mix_of(resources, json_string_value(json_object_get(step, "entry"))));
	double threads = product(json_object_get(step, "block")), ctas = product(json_object_get(step, "grid"));
	double warps = ceil(threads / 32), sms = json_number_value(json_object_get(device, "sms")), repeats = 1;
	double smem = json_number_value(json_object_get(step, "smem")) +
		      json_number_value(json_object_get(resources, "smem_static_bytes"));
	double occupancy = chip_occupancy(device, (long)threads, (long)json_integer_value(json_object_get(resources, "regs")),
					  (long)smem, NULL);
	double busiest, resident, slots;

	if (occupancy < 1 || ctas < 1 || sms < 1)
		return INFINITY;
	if (flops_of(p) > 0)
		repeats = fmax(1, flops / (ctas * warps * flops_of(p)));
	busiest = ceil(ctas / sms);
	resident = fmin(occupancy, busiest) * warps;
	slots = busiest * warps * p.slots * repeats / fmin(SCHEDULERS, resident);
	return slots * (1 + LATENCY_WARPS * SCHEDULERS / resident);
}

double chip_score(const json_t *device, const json_t *resources, const json_t *launch, const json_t *spec)
{
	const json_t *steps = json_object_get(launch, "steps");
	double spills = json_number_value(json_object_get(resources, "spill_store_bytes")) +
			json_number_value(json_object_get(resources, "spill_load_bytes"));
	double flops = json_number_value(json_object_get(spec, "flops")), score = 0;
	size_t i, at = main_step(resources, steps);
	json_t *step;

	json_array_foreach(steps, i, step) {
		score += LAUNCH_SLOTS;
		if (json_object_get(step, "memset"))
			continue;
		if (!json_object_get(step, "entry"))
			return INFINITY; /* a library's product: nothing is known of its code */
		score += step_score(device, resources, step, i == at ? flops : 0) * (1 + spills / SPILL_BYTES);
	}
	return json_array_size(steps) ? score : INFINITY;
}
