/* cubin_trace: follows the path of one warp through a kernel's machine code and says what it costs, as cubin.h states.
 * Of an instruction it looks at the opcode, at a branch's target and at the control bits that the compiler puts into the
 * second word (Jia et al., "Dissecting the NVIDIA Volta GPU Architecture via Microbenchmarking", arXiv 1804.06826): stall
 * cycles at bit 41, the scoreboard that is set when the result is there (46) and when the operands are read (49), the
 * scoreboards to wait for (52). Operands are not looked at: the control bits already say what waits for what.
 * Where a branch goes is not known; the rules in walk() guess it. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "attune/cubin.h"
#include "attune/cubin_trace.h"

#define INSTRUCTION_BYTES 16
#define LOOPS_MAX 1024
#define ALWAYS 7 /* either predicate field of a branch without a condition; a uniform one changes its form (bits 9 to 11) */
#define MOVERS 4 /* warps of the group that only moves data, where there is one */

struct loop {
	long first, last;
	double work;
};

struct code {
	struct trace_insn *insns;
	long n;
	double *work;       /* of all instructions before index i */
	long *effects;      /* and how many touch memory or wait */
	long *exits;        /* and how many end the warp without a condition */
	long *after;        /* where to go on instead of entering a loop that is not the hot one; 0: enter */
	struct loop loops[LOOPS_MAX];
	long n_loops;
	struct loop hot;    /* last < first: none */
	bool copies; /* the copy engine moves data */
};

enum part { BEFORE, HOT, AFTER };

static void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	if (!p)
		abort();
	return p;
}

/* The offset stands in units of 4 bytes from bit 34 on; from compute capability 9.0 on its low 8 bits stand at 16. Bits 64 to
 * 81 go on above. */
long cubin_branch(unsigned long long word, unsigned long long control, long at, int cc, long n)
{
	const uint64_t high = word >> 34 | (control & 0x3ffff) << 30;
	int64_t offset = (int64_t)(high << 16) >> 16;

	offset = cc >= 90 ? (int64_t)((uint64_t)offset << 10 | (word >> 16 & 0xff) << 2) : (int64_t)((uint64_t)offset << 2);
	if (offset % INSTRUCTION_BYTES != 0)
		return -1;
	offset = at + 1 + offset / INSTRUCTION_BYTES;
	return offset >= 0 && offset < n ? (long)offset : -1;
}

static void decode(struct code *c, const unsigned char *bytes, size_t len, int cc)
{
	long end = 0;

	c->n = (long)(len / INSTRUCTION_BYTES);
	c->insns = zeroed((size_t)c->n, sizeof *c->insns);
	for (long i = 0; i < c->n; i++) {
		struct trace_insn *x = &c->insns[i];
		uint64_t w;

		memcpy(&w, bytes + i * INSTRUCTION_BYTES, sizeof w);
		memcpy(&x->control, bytes + i * INSTRUCTION_BYTES + sizeof w, sizeof x->control);
		x->word = w;
		x->kind = trace_kind(w, cc);
		x->always = (w >> 12 & 15) == ALWAYS && (w >> 9 & 7) == 4 && (x->control >> 23 & 15) == ALWAYS;
		x->target = x->kind->op == OP_BRANCH ? cubin_branch(w, x->control, i, cc, c->n) : -1;
		if (x->kind->op == OP_EXIT)
			end = i + 1;
		c->copies |= x->kind->op == OP_COPY;
	}
	/* Behind it stand a trap and padding. */
	for (long i = 0; i < end; i++)
		if (c->insns[i].target >= end)
			c->insns[i].target = -1;
	c->n = end;
}

/* Sums from the start, so that what stands between two places is one subtraction. Where there are tensor core instructions,
 * they are the work; else multiply-adds are. */
static void sum_up(struct code *c)
{
	bool tensor = false;

	for (long i = 0; i < c->n; i++)
		tensor |= c->insns[i].kind->class == CUBIN_TENSOR;
	c->work = zeroed((size_t)c->n, sizeof *c->work);
	c->effects = zeroed((size_t)c->n, sizeof *c->effects);
	c->exits = zeroed((size_t)c->n, sizeof *c->exits);
	for (long i = 0; i < c->n; i++) {
		const struct trace_insn *x = &c->insns[i];
		bool counts = (x->kind->class == CUBIN_TENSOR) == tensor;

		c->work[i + 1] = c->work[i] + (counts ? trace_work(x) : 0);
		c->effects[i + 1] = c->effects[i] + x->kind->effect;
		c->exits[i + 1] = c->exits[i] + (x->kind->op == OP_EXIT && x->always);
	}
}

static double work_in(const struct code *c, long first, long last)
{
	return c->work[last + 1] - c->work[first];
}

/* The hot loop is the one that does the most work in one pass and has it not from a loop inside. */
static void find_loops(struct code *c)
{
	c->hot = (struct loop){ .first = 0, .last = -1, .work = 0 };
	for (long i = 0; i < c->n && c->n_loops < LOOPS_MAX; i++) {
		const long to = c->insns[i].target;

		if (to >= 0 && to < i)
			c->loops[c->n_loops++] = (struct loop){ to, i, work_in(c, to, i) };
	}
	for (long k = 0; k < c->n_loops; k++) {
		const struct loop *l = &c->loops[k];
		bool outer = false;

		for (long j = 0; j < c->n_loops; j++)
			outer |= j != k && l->first <= c->loops[j].first && c->loops[j].last <= l->last &&
				 c->loops[j].work > l->work / 2;
		if (!outer && l->work > c->hot.work)
			c->hot = *l;
	}
	c->after = zeroed((size_t)c->n, sizeof *c->after);
	for (long k = 0; k < c->n_loops; k++) {
		const struct loop *l = &c->loops[k];

		if (l->work > 0 && (l->last < c->hot.first || l->first > c->hot.last) && l->last >= c->after[l->first])
			c->after[l->first] = l->last + 1;
	}
}

/* Whether a warp jumps at a conditional branch ahead: over work when no more is left to do (behind the hot loop: always,
 * such code is for rests); over a block that only computes (a mask, a rescaling: the exception); and before the hot loop over
 * one that ends the warp. */
static bool jumps(const struct code *c, long at, enum part part, double left)
{
	const long to = c->insns[at].target;

	if (part == HOT && to > c->hot.last)
		return false;
	if (work_in(c, at + 1, to - 1) > 0)
		return part == AFTER || (part == BEFORE && left <= 0);
	return c->effects[to] == c->effects[at + 1] || (part == BEFORE && c->exits[to] > c->exits[at + 1]);
}

/* The path from `from` to before `to`: its indices into *path, its number of instructions returned. *left is lowered by
 * the work on it; *at (may be NULL) is where it ended, behind `to` when a jump led there. */
static long walk(const struct code *c, long from, long to, enum part part, double *left, long *path, long *at)
{
	long n = 0, i = from;

	while (i < to) {
		const struct trace_insn *x = &c->insns[i];

		if (part != HOT && c->after[i] > i) {
			i = c->after[i];
			continue;
		}
		path[n++] = i;
		if (part == BEFORE)
			*left -= work_in(c, i, i);
		/* Behind the end stands what other warps execute, or what is hardly ever executed. */
		if (part == AFTER && x->kind->op == OP_EXIT && x->always)
			break;
		i = x->target > i && (x->always || jumps(c, i, part, *left)) ? x->target : i + 1;
	}
	if (at)
		*at = i;
	return n;
}

static double path_work(const struct code *c, const long *path, long n)
{
	double sum = 0;

	for (long i = 0; i < n; i++)
		sum += work_in(c, path[i], path[i]);
	return sum;
}

/* A warp's path in its three parts. */
struct path {
	long *before, *hot, *after, n_before, n_hot, n_after;
	double trips;
};

/* work: of this warp, 0 when unknown. */
static void find_path(const struct code *c, double work, struct path *p)
{
	const bool looped = c->hot.last >= c->hot.first;
	double left = work > 0 ? work : INFINITY;
	long at;

	p->n_before = walk(c, 0, looped ? c->hot.first : c->n, BEFORE, &left, p->before, &at);
	p->n_after = looped ? walk(c, at == c->hot.first ? c->hot.last + 1 : at, c->n, AFTER, &left, p->after, NULL) : 0;
	p->n_hot = 0;
	p->trips = 0;
	if (!looped || at != c->hot.first)
		return;
	p->n_hot = walk(c, c->hot.first, c->hot.last + 1, HOT, &left, p->hot, NULL);
	p->trips = work > 0 ? fmax(0, (left - path_work(c, p->after, p->n_after)) / c->hot.work) : 1;
}

static bool copies_on(const struct code *c, const long *path, long n)
{
	bool copies = false;

	for (long i = 0; i < n; i++)
		copies |= c->insns[path[i]].kind->op == OP_COPY;
	return copies;
}

static json_t *trace_of(const struct code *c, double work_cta, long warps)
{
	const size_t n = (size_t)c->n;
	struct path p = { zeroed(n, sizeof(long)), zeroed(n, sizeof(long)), zeroed(n, sizeof(long)), 0, 0, 0, 0 };
	struct trace_sum sum = { .copies = c->copies };
	json_t *out;

	find_path(c, warps > 0 ? work_cta / (double)warps : 0, &p);
	/* What starts the copy engine stands on no path of the warps that compute: others do, and have no share in the work. */
	if (c->copies && warps > MOVERS && !copies_on(c, p.before, p.n_before) && !copies_on(c, p.hot, p.n_hot) &&
	    !copies_on(c, p.after, p.n_after))
		find_path(c, work_cta / (double)(warps - MOVERS), &p);
	trace_add(&sum, c->insns, p.before, p.n_before, 1);
	if (p.trips > 0)
		trace_add(&sum, c->insns, p.hot, p.n_hot, p.trips);
	for (long i = 0; c->copies && i < p.n_hot; i++)
		sum.pass_bytes += trace_operand_bytes(&c->insns[p.hot[i]]);
	trace_add(&sum, c->insns, p.after, p.n_after, 1);
	out = trace_json(&sum, p.trips);
	free(p.before);
	free(p.hot);
	free(p.after);
	return out;
}

int cubin_trace(const void *data, size_t len, const char *entry, double work_cta, long warps, json_t **trace, struct err *e)
{
	struct code *c;
	const void *bytes;
	size_t size;
	int cc, rc = cubin_code(data, len, entry, &bytes, &size, &cc, e);

	*trace = NULL;
	if (rc < 0)
		return rc;
	c = zeroed(1, sizeof *c);
	decode(c, bytes, size, cc);
	sum_up(c);
	find_loops(c);
	*trace = trace_of(c, work_cta, warps);
	free(c->insns);
	free(c->work);
	free(c->effects);
	free(c->exits);
	free(c->after);
	free(c);
	return 0;
}
