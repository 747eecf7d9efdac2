/* cubin_cost: what the instructions of a path cost one warp, by an in-order clock: an instruction is issued when the
 * scoreboards that it waits for are released, and the next one so many cycles later as its control bits say. Results of
 * fixed latency need no more than that; the others release their scoreboard after the latency in the table.
 * The latencies are round figures of the order that microbenchmarks of these chips report; none was fitted to a time. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "attune/cubin.h"
#include "attune/cubin_trace.h"

#define LOAD_CYCLES 700.0       /* from device memory */
#define COPY_CYCLES 1000.0      /* until the copy engine has brought the first tile */
#define CTA_BARRIER_CYCLES 20.0
#define READ_CYCLES 10.0        /* until operands are read */
#define PRODUCT_CYCLES 60.0     /* from a warp group's last product to its result */
#define COMMITS 64

static const struct trace_kind plain = { "", CUBIN_ALU, OP_PLAIN, false, 12, 0, 0, 0 };

/* HMMA: m16n8k16. HGMMA: a warp's share for each 8 columns, see trace_work. A scheduler's tensor unit does 1024 operations
 * a cycle for HGMMA and about half of that for HMMA. Shared memory moves 128 bytes a cycle. */
static const struct trace_kind kinds[] = {
	{ "HMMA", CUBIN_TENSOR, OP_MMA, false, 12, 0, 4096, 8 }, { "QMMA", CUBIN_TENSOR, OP_MMA, false, 12, 0, 8192, 8 },
	{ "IMMA", CUBIN_TENSOR, OP_MMA, false, 12, 0, 8192, 8 }, { "DMMA", CUBIN_TENSOR, OP_MMA, false, 12, 0, 512, 32 },
	{ "HGMMA", CUBIN_TENSOR, OP_WARPGROUP_MMA, false, 12, 0, 4096, 4 },
	{ "UTCHMMA", CUBIN_TENSOR, OP_PLAIN, false, 12, 0, 131072, 64 },
	{ "FFMA", CUBIN_ALU, OP_PLAIN, false, 12, 0, 64, 0 }, { "FFMA2", CUBIN_ALU, OP_PLAIN, false, 12, 0, 128, 0 },
	{ "HFMA2", CUBIN_ALU, OP_PLAIN, false, 12, 0, 128, 0 }, { "DFMA", CUBIN_ALU, OP_PLAIN, false, 12, 0, 64, 0 },
	{ "MUFU", CUBIN_MUFU, OP_PLAIN, false, 24, 0, 0, 0 }, { "I2F", CUBIN_MUFU, OP_PLAIN, false, 20, 0, 0, 0 },
	{ "F2I", CUBIN_MUFU, OP_PLAIN, false, 20, 0, 0, 0 }, { "F2F", CUBIN_MUFU, OP_PLAIN, false, 20, 0, 0, 0 },
	{ "LDS", CUBIN_SHARED, OP_PLAIN, true, 30, 2, 0, 0 }, { "STS", CUBIN_SHARED, OP_PLAIN, true, 15, 2, 0, 0 },
	{ "LDSM", CUBIN_SHARED, OP_PLAIN, true, 33, 4, 0, 0 }, { "STSM", CUBIN_SHARED, OP_PLAIN, true, 15, 4, 0, 0 },
	{ "SHFL", CUBIN_SHARED, OP_PLAIN, true, 26, 2, 0, 0 }, { "ATOMS", CUBIN_SHARED, OP_PLAIN, true, 60, 4, 0, 0 },
	{ "LDG", CUBIN_GLOBAL, OP_PLAIN, true, LOAD_CYCLES, 0, 0, 0 }, { "LD", CUBIN_GLOBAL, OP_PLAIN, true, LOAD_CYCLES, 0, 0, 0 },
	{ "STG", CUBIN_GLOBAL, OP_PLAIN, true, 20, 0, 0, 0 }, { "ST", CUBIN_GLOBAL, OP_PLAIN, true, 20, 0, 0, 0 },
	{ "LDGSTS", CUBIN_GLOBAL, OP_LOAD_ASYNC, true, 12, 4, 0, 0 },
	{ "LDL", CUBIN_GLOBAL, OP_PLAIN, true, 40, 0, 0, 0 }, { "STL", CUBIN_GLOBAL, OP_PLAIN, true, 20, 0, 0, 0 },
	{ "ATOMG", CUBIN_GLOBAL, OP_PLAIN, true, LOAD_CYCLES, 0, 0, 0 }, { "RED", CUBIN_GLOBAL, OP_PLAIN, true, 20, 0, 0, 0 },
	{ "UTMALDG", CUBIN_GLOBAL, OP_COPY, true, 12, 0, 0, 0 }, { "UBLKCP", CUBIN_GLOBAL, OP_COPY, true, 12, 0, 0, 0 },
	{ "UTMASTG", CUBIN_GLOBAL, OP_PLAIN, true, 12, 0, 0, 0 },
	{ "BAR", CUBIN_BARRIER, OP_CTA_BARRIER, true, 12, 0, 0, 0 }, { "SYNCS", CUBIN_BARRIER, OP_MBARRIER, true, 30, 0, 0, 0 },
	{ "DEPBAR", CUBIN_BARRIER, OP_WAIT_ASYNC, true, 12, 0, 0, 0 },
	{ "LDGDEPBAR", CUBIN_ALU, OP_COMMIT, true, 12, 0, 0, 0 }, { "MEMBAR", CUBIN_BARRIER, OP_PLAIN, true, 30, 0, 0, 0 },
	{ "WARPGROUP", CUBIN_BARRIER, OP_WARPGROUP, true, 12, 0, 0, 0 },
	{ "UCGABAR", CUBIN_BARRIER, OP_CTA_BARRIER, true, 12, 0, 0, 0 },
	{ "S2R", CUBIN_ALU, OP_PLAIN, false, 30, 0, 0, 0 }, { "S2UR", CUBIN_ALU, OP_PLAIN, false, 30, 0, 0, 0 },
	{ "LDC", CUBIN_ALU, OP_PLAIN, false, 40, 0, 0, 0 }, { "ULDC", CUBIN_ALU, OP_PLAIN, false, 20, 0, 0, 0 },
	{ "LDCU", CUBIN_ALU, OP_PLAIN, false, 40, 0, 0, 0 },
	{ "BRA", CUBIN_CONTROL, OP_BRANCH, false, 12, 0, 0, 0 }, { "EXIT", CUBIN_CONTROL, OP_EXIT, false, 12, 0, 0, 0 },
	{ "BSSY", CUBIN_CONTROL, OP_PLAIN, false, 12, 0, 0, 0 }, { "BSYNC", CUBIN_CONTROL, OP_PLAIN, false, 12, 0, 0, 0 },
};

const struct trace_kind *trace_kind(uint64_t word, int cc)
{
	const char *mnemonic = cubin_mnemonic(word, cc);

	for (size_t i = 0; mnemonic && i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].mnemonic, mnemonic) == 0)
			return &kinds[i];
	return &plain;
}

/* Columns of an HGMMA in eights, less one, stand at bit 53. */
static double columns(const struct trace_insn *x)
{
	return x->kind->op == OP_WARPGROUP_MMA ? (double)((x->word >> 53 & 31) + 1) : 1;
}

double trace_work(const struct trace_insn *x)
{
	return x->kind->flops * columns(x);
}

/* Sixteen rows of two bytes. */
double trace_operand_bytes(const struct trace_insn *x)
{
	return x->kind->op == OP_WARPGROUP_MMA ? 8 * columns(x) * 16 * 2 : 0;
}

/* Waits until at most `keep` of the groups counted so far are still under way. */
static void wait_group(struct trace_sum *s, const double *done, long n, long keep)
{
	if (n > keep && keep < COMMITS)
		s->clock = fmax(s->clock, done[(n - keep - 1) % COMMITS]);
}

static void special(struct trace_sum *s, const struct trace_insn *x)
{
	switch (x->kind->op) {
	case OP_LOAD_ASYNC: s->last_load = s->clock + LOAD_CYCLES; break;
	case OP_COMMIT: s->commits[s->n_commits++ % COMMITS] = s->last_load; break;
	case OP_WAIT_ASYNC: wait_group(s, s->commits, s->n_commits, (long)(x->word >> 38 & 63)); break;
	case OP_CTA_BARRIER: s->clock += CTA_BARRIER_CYCLES; break;
	case OP_MBARRIER:
		if (s->copies && !s->copied)
			s->clock = fmax(s->clock, COPY_CYCLES);
		s->copied = true;
		break;
	case OP_MMA:
		s->clock = fmax(s->clock, s->tensor_free);
		s->tensor_free = s->clock + x->kind->cycles;
		break;
	case OP_WARPGROUP_MMA:
		s->tensor_free = fmax(s->clock, s->tensor_free) + x->kind->cycles * columns(x);
		if ((x->control >> 20 & 7) != 7) /* closes a group of products */
			s->products[s->n_products++ % COMMITS] = s->tensor_free + PRODUCT_CYCLES;
		break;
	case OP_WARPGROUP:
		if (x->word >> 15 & 1)
			wait_group(s, s->products, s->n_products, (long)(x->control >> 8 & 63));
		break;
	default: break;
	}
}

static void step(struct trace_sum *s, const struct trace_insn *x)
{
	const unsigned waits = x->control >> 52 & 63, sets = x->control >> 46 & 7, reads = x->control >> 49 & 7;
	const unsigned stall = x->control >> 41 & 15;

	for (unsigned i = 0; i < 6; i++)
		if (waits >> i & 1)
			s->clock = fmax(s->clock, s->scoreboard[i]);
	special(s, x);
	if (sets < 6)
		s->scoreboard[sets] = fmax(s->scoreboard[sets], s->clock + x->kind->latency);
	if (reads < 6)
		s->scoreboard[reads] = fmax(s->scoreboard[reads], s->clock + READ_CYCLES);
	s->clock += stall > 1 ? stall : 1;
}

static double pass(struct trace_sum *s, const struct trace_insn *insns, const long *path, long n)
{
	const double begun = s->clock;

	for (long i = 0; i < n; i++)
		step(s, &insns[path[i]]);
	return s->clock - begun;
}

void trace_add(struct trace_sum *s, const struct trace_insn *insns, const long *path, long n, double times)
{
	const double first = pass(s, insns, path, n);

	for (long i = 0; i < n; i++) {
		const struct trace_insn *x = &insns[path[i]];

		s->count[x->kind->class] += times;
		s->tensor_cycles += times * x->kind->cycles * columns(x);
		s->shared_cycles += times * x->kind->shared;
		s->loads += times * (x->kind->op == OP_LOAD_ASYNC || strcmp(x->kind->mnemonic, "LDG") == 0);
	}
	s->issued += times * (double)n;
	/* A fraction of a pass, where a loop is unrolled further than the work goes. */
	if (times < 1)
		s->clock -= first * (1 - times);
	if (times > 1) {
		const double again = pass(s, insns, path, n);

		s->clock += (times - 2) * again;
	}
}

json_t *trace_json(const struct trace_sum *s, double trips)
{
	static const char *const names[] = { "alu", "tensor", "mufu", "shared", "global", "barrier", "control" };
	json_t *out = json_object();

	json_object_set_new(out, "trips", json_real(round(16 * trips) / 16));
	for (int i = 0; i < CUBIN_CLASSES; i++)
		json_object_set_new(out, names[i], json_integer((json_int_t)llround(s->count[i])));
	json_object_set_new(out, "issued", json_integer((json_int_t)llround(s->issued)));
	json_object_set_new(out, "latency", json_integer((json_int_t)llround(s->clock)));
	json_object_set_new(out, "tensor_cycles", json_integer((json_int_t)llround(s->tensor_cycles)));
	json_object_set_new(out, "shared_cycles", json_integer((json_int_t)llround(s->shared_cycles)));
	json_object_set_new(out, "pass_bytes", json_integer((json_int_t)llround(s->pass_bytes)));
	json_object_set_new(out, "loads", json_integer((json_int_t)llround(s->loads)));
	return out;
}
