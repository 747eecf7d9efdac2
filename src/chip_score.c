/* chip_score: what compiling tells about running a kernel, and the prediction made from it, as chip.h states them. It does
 * not read machine code (cubin_trace does) and knows no family: grids, blocks and operations come with launch and problem. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "attune/chip.h"

#define SCHEDULERS 4.0
#define WAVE_CYCLES 1000.0  /* about the 0.56 us that an empty kernel took in a graph on an H200 */
#define MUFU_CYCLES 8.0     /* 16 results a cycle and SM */
#define L2_BYTES_CYCLE 64.0
#define LOAD_BYTES 512.0    /* 16 bytes a thread */
#define REFILL_CYCLES 1000.0 /* from asking the copy engine for a tile to having it */
#define NORM 6.0
/* Of what the tensor cores take, so much is not hidden behind the rest: a product waits for the weights that it takes, and these
 * for the product before. The one number here that recorded times have chosen, of 0, 0.5, 1 and 1.5: by any two of attn's three
 * recorded spaces it is 0.5 or 1, and the third one's rank correlation is 0.72 to 0.91 with it (0.66 to 0.86 with 0). */
#define TENSOR_SHARE 1.0

/* Operations of one warp's instruction: m16n8k16 for HMMA; a quarter of m64n64k16 for HGMMA. */
static const struct {
	const char *mnemonic;
	double flops;
	bool tensor;
} workers[] = {
	{ "HMMA", 4096, true }, { "HGMMA", 32768, true }, { "UTCHMMA", 131072, true }, { "QMMA", 8192, true },
	{ "IMMA", 8192, true }, { "DMMA", 512, true },	  { "FFMA", 64, false },       { "FFMA2", 128, false },
	{ "HFMA2", 128, false }, { "DFMA", 64, false },
};

static const char *const busy[] = { "latency_cycles", "issue_cycles", "tensor_cycles", "mufu_cycles", "shared_cycles",
				    "global_cycles" };
enum { BUSY = sizeof busy / sizeof *busy };

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
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

static const json_t *mix_of(const json_t *kernels, const char *entry)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)kernels, i, v) {
		const char *name = json_string_value(json_object_get(v, "name"));

		if (name && strcmp(name, entry) == 0)
			return json_object_get(v, "mix");
	}
	return NULL;
}

/* Operations in one pass of a kernel's code; what tensor cores do outweighs all else. */
static double work_of(const json_t *mix)
{
	double work = 0;

	for (size_t i = 0; i < sizeof workers / sizeof *workers; i++)
		work += (workers[i].tensor ? 1e6 : 1) * workers[i].flops * number(mix, workers[i].mnemonic);
	return work;
}

size_t chip_main_step(const json_t *kernels, const json_t *steps)
{
	size_t i, best = 0;
	double most = -1;
	json_t *step;

	json_array_foreach((json_t *)steps, i, step) {
		const char *entry = json_string_value(json_object_get(step, "entry"));
		double work = entry ? work_of(mix_of(kernels, entry)) : 0;

		work *= product(json_object_get(step, "grid")) * product(json_object_get(step, "block"));
		if (entry && work > most) {
			most = work;
			best = i;
		}
	}
	return best;
}

/* How one step fills the chip. */
struct filling {
	double threads, ctas, smem, occupancy, waves;
	double warps; /* of one scheduler of the busiest SM, over all waves */
};

static bool fill(struct filling *f, const json_t *device, const json_t *resources, const json_t *step)
{
	const double sms = number(device, "sms");
	double busiest, resident;

	f->threads = product(json_object_get(step, "block"));
	f->ctas = product(json_object_get(step, "grid"));
	f->smem = number(step, "smem") + number(resources, "smem_static_bytes");
	f->occupancy = chip_occupancy(device, (long)f->threads, (long)number(resources, "regs"), (long)f->smem, NULL);
	if (f->occupancy < 1 || f->ctas < 1 || sms < 1)
		return false;
	busiest = ceil(f->ctas / sms);
	resident = fmin(f->occupancy, busiest);
	f->waves = ceil(busiest / resident);
	f->warps = f->waves * resident * ceil(f->threads / 32) / SCHEDULERS;
	return true;
}

static void add_busy(double cycles[BUSY], const struct filling *f, const json_t *trace)
{
	const double of_sm = f->warps * SCHEDULERS;

	/* Where shared memory does not hold the tiles of two passes, each pass waits for its own. */
	const double waits = f->smem < 2 * number(trace, "pass_bytes") ? number(trace, "trips") * REFILL_CYCLES : 0;

	cycles[0] += f->waves * (number(trace, "latency") + waits);
	cycles[1] += f->warps * number(trace, "issued");
	cycles[2] += f->warps * number(trace, "tensor_cycles");
	cycles[3] += f->warps * number(trace, "mufu") * MUFU_CYCLES;
	cycles[4] += of_sm * number(trace, "shared_cycles");
	cycles[5] += of_sm * number(trace, "loads") * LOAD_BYTES / L2_BYTES_CYCLE;
}

static void set(json_t *facts, const char *key, double x)
{
	json_object_set_new(facts, key, x == round(x) ? json_integer((json_int_t)x) : json_real(x));
}

static void describe(json_t *facts, const struct filling *f, const json_t *resources, const json_t *trace)
{
	static const char *const counts[] = { "trips", "tensor", "mufu", "alu", "shared", "global", "barrier" };

	set(facts, "regs", number(resources, "regs"));
	set(facts, "spill_bytes", number(resources, "spill_store_bytes") + number(resources, "spill_load_bytes"));
	set(facts, "smem_bytes", f->smem);
	set(facts, "threads", f->threads);
	set(facts, "ctas", f->ctas);
	set(facts, "occupancy", f->occupancy);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		set(facts, counts[i], number(trace, counts[i]));
}

json_t *chip_static(const json_t *device, const json_t *resources, const json_t *steps, const json_t *traces)
{
	double cycles[BUSY] = { 0 }, waves = 0, most = -1;
	json_t *facts = json_object(), *step;
	size_t i;

	json_array_foreach((json_t *)steps, i, step) {
		const json_t *trace = json_array_get(traces, i);
		double before = cycles[1], here;
		struct filling f;

		waves++;
		if (json_object_get(step, "memset"))
			continue;
		if (!json_is_object(trace) || !fill(&f, device, resources, step)) {
			json_decref(facts);
			return NULL;
		}
		waves += f.waves - 1;
		add_busy(cycles, &f, trace);
		/* The step that issues the most is described. */
		here = cycles[1] - before;
		if (here > most)
			describe(facts, &f, resources, trace);
		most = fmax(most, here);
	}
	set(facts, "steps", (double)json_array_size(steps));
	set(facts, "waves", waves);
	for (size_t k = 0; k < BUSY; k++)
		set(facts, busy[k], round(cycles[k]));
	if (most < 0) {
		json_decref(facts);
		return NULL;
	}
	return facts;
}

double chip_score(const json_t *facts)
{
	double sum = 0, longest = 0;

	for (size_t i = 0; i < BUSY; i++) {
		const json_t *cycles = json_object_get(facts, busy[i]);

		if (!json_is_number(cycles))
			return INFINITY;
		longest = fmax(longest, json_number_value(cycles));
	}
	if (longest <= 0 || !json_is_number(json_object_get(facts, "waves")))
		return INFINITY;
	for (size_t i = 0; i < BUSY; i++)
		sum += pow(number(facts, busy[i]) / longest, NORM);
	return longest * pow(sum, 1 / NORM) + TENSOR_SHARE * number(facts, "tensor_cycles") +
	       WAVE_CYCLES * number(facts, "waves");
}
