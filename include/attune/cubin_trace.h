/* cubin_trace: between cubin_trace.c, which finds a warp's path, and cubin_cost.c, which knows what instructions cost. */
#ifndef ATTUNE_CUBIN_TRACE_H
#define ATTUNE_CUBIN_TRACE_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum cubin_class { CUBIN_ALU, CUBIN_TENSOR, CUBIN_MUFU, CUBIN_SHARED, CUBIN_GLOBAL, CUBIN_BARRIER, CUBIN_CONTROL, CUBIN_CLASSES };

/* What an instruction means to a warp's clock, beyond its latency. */
enum trace_op {
	OP_PLAIN, OP_BRANCH, OP_EXIT, OP_COPY,
	OP_LOAD_ASYNC, OP_COMMIT, OP_WAIT_ASYNC, OP_MBARRIER, OP_CTA_BARRIER, OP_MMA, OP_WARPGROUP_MMA, OP_WARPGROUP,
};

struct trace_kind {
	const char *mnemonic;
	enum cubin_class class;
	enum trace_op op;
	bool effect;         /* touches memory or waits */
	double latency;      /* cycles until its scoreboard is released */
	double shared;       /* cycles of the SM's shared memory, for a warp */
	double flops, cycles; /* of a warp, and of its scheduler's tensor unit */
};

struct trace_insn {
	uint64_t word, control;
	const struct trace_kind *kind;
	long target;
	bool always; /* has no predicate */
};

struct trace_sum {
	double clock; /* of one warp that has the SM for itself */
	double count[CUBIN_CLASSES], issued, tensor_cycles, shared_cycles, loads;
	double pass_bytes; /* of shared memory that one pass of the hot loop multiplies, where the copy engine fills it */
	/* The state of the warp between calls. */
	double scoreboard[6], tensor_free, last_load;
	double commits[64], products[64];
	long n_commits, n_products;
	bool copies, copied; /* data comes by the copy engine; has been waited for */
};

const struct trace_kind *trace_kind(uint64_t word, int cc);
double trace_work(const struct trace_insn *x);
/* Shared memory that a warp group's product reads as its second operand. */
double trace_operand_bytes(const struct trace_insn *x);
/* A path that is taken `times` times: the first from the state that there is, the others as the second. */
void trace_add(struct trace_sum *s, const struct trace_insn *insns, const long *path, long n, double times);
json_t *trace_json(const struct trace_sum *s, double trips);

#endif
