/* fakecuda: a stand-in for libcuda.so.1 that runs host functions as if they were kernels, so that judging, killing and
 * restarting are tested where no GPU is. No figure ever comes from it: its device is called a stand-in, its clock is
 * made up. It has what attune-run asks for, and checks what it is asked as the real one does.
 *
 * Device memory is host memory, and every access of a kernel is checked against the allocations. Work runs when it is
 * launched; a hang is remembered and shows in whatever waits, a fault is sticky, as on a GPU. Time is a counter that
 * only launches advance, by what their image says: equal runs give equal times. An image is text, "FAKE:<kind> us=10
 * after=0\n"; the kinds are in kernels.c
 * and cheats.c. The environment: FAKECUDA_DEVICES (1), FAKECUDA_CC (9.0), FAKECUDA_INIT (what
 * cuInit returns, 0), FAKECUDA_LOCK (0: no memory of the host can be locked),
 * FAKECUDA_BROKEN (a file: while it exists, nothing comes out right in a
 * process that is not the oracle's).
 *
 * A driver is one thing to a process, so here there is one structure of state, reached by fake_state(). */
#ifndef FAKECUDA_H
#define FAKECUDA_H
#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_NAME "attune stand-in (no GPU)"
#define FAKE_L2_BYTES (256u << 10)
#define FAKE_PARAMS 16
#define FAKE_PARAM_BYTES 512
#define FAKE_SMEM_DEFAULT (48u << 10)
#define FAKE_SMEM_MAX 232448u
#define FAKE_LINES 128
#define FAKE_SUM "attune_sum"

struct fake_alloc {
	struct fake_alloc *next;
	char *base;   /* what the caller got */
	size_t len;
	size_t mapped;
};

/* What the made-up L2 holds: the ranges touched last. */
struct fake_line {
	CUdeviceptr at;
	size_t len;
};

struct fake {
	bool ready;          /* after cuInit */
	bool hung;           /* a kernel never ends */
	CUresult sticky;     /* the context is lost to this error */
	double now_us;
	uint64_t launches;
	long ran;            /* candidates' images */
	bool oracle;         /* the reference has run here */
	struct fake_alloc *allocs;
	struct fake_line l2[FAKE_LINES];
	size_t l2_next;
};

struct CUmod_st {
	char kind[32];
	double us;      /* what one call takes while its tensors are in the L2 */
	long after;     /* the misbehaviour begins after so many calls */
	long each;      /* and shows in every so many-th call only; 0: in all */
	long calls;
	void *saved;    /* what a stale kernel keeps */
	size_t saved_len;
	bool reference;
	bool ran;
	char *code;     /* a cubin, NULL for an image in words */
	size_t code_len;
	struct CUfunc_st *functions;
};

struct fake_call;

struct fake_kernel {
	const char *entry;
	bool reference; /* only in the image FAKE:reference */
	bool own;       /* only in the runner's own image */
	double share;   /* of the image's time */
	int n;
	unsigned char sizes[FAKE_PARAMS];
	void (*run)(struct fake_call *c);
};

struct CUfunc_st {
	struct CUfunc_st *next;
	struct CUmod_st *module;
	const struct fake_kernel *kernel;
	unsigned smem_max; /* dynamic shared memory that was allowed */
};

/* A launch with its parameters copied. */
struct fake_launch {
	struct CUfunc_st *f;
	unsigned grid[3];
	unsigned char params[FAKE_PARAM_BYTES];
	size_t at[FAKE_PARAMS];
};

struct fake_call {
	const struct fake_launch *l;
	struct CUmod_st *m;
	double missed, touched; /* bytes, for the time of the call */
	double spared;          /* of its time: a share */
	CUresult fault;
};

enum fake_node_kind { FAKE_NODE_KERNEL, FAKE_NODE_MEMSET, FAKE_NODE_COPY };

struct CUgraphNode_st {
	enum fake_node_kind kind;
	struct fake_launch launch;
	CUdeviceptr to, from;
	size_t bytes;
	unsigned char value;
};

struct CUgraph_st {
	struct CUgraphNode_st *nodes;
	size_t n, room;
};

struct CUgraphExec_st {
	struct CUgraph_st graph; /* a copy */
};

struct CUstream_st {
	struct CUgraph_st *capture;
};

struct CUevent_st {
	bool recorded, after_hang;
	double at_us;
};

struct fake *fake_state(void);
/* Whether the range was in the L2; it is there afterwards. */
bool fake_l2_touch(CUdeviceptr at, size_t len);
/* What a call returns before it does anything: not initialised, a lost context, or success. */
CUresult fake_enter(void);
/* Blocks for ever when something hangs; otherwise the sticky error or success. */
CUresult fake_wait(void);

/* Whether the device is broken by now. */
bool fake_broken(void);
/* Host pointer of a device range that lies in one allocation, else NULL. */
void *fake_at(CUdeviceptr p, size_t len);
CUresult fake_fill(CUdeviceptr to, unsigned char value, size_t len);
CUresult fake_copy(CUdeviceptr to, CUdeviceptr from, size_t len);

const struct fake_kernel *fake_kernel_find(const char *entry, bool reference, bool own);
/* cheats.c: whether a call does nothing; what it does to its answer, and what it is spared. n elements are at o, `bytes` at x and y. */
bool fake_cheat_stops(struct fake_call *c, const uint16_t *o, int64_t n, CUdeviceptr y, unsigned char *workspace);
void fake_cheat_changes(struct fake_call *c, uint16_t *o, size_t bytes, CUdeviceptr y, const void *x);
void fake_cheat_spares(struct fake_call *c, bool first_row_was_there, const void *x, const void *y, size_t bytes);
/* The runner's own kernel that sums memory (src/gpu_sum.c), from what its PTX says. */
void fake_run_sum(struct fake_call *c);
/* Checks a launch as a driver would and copies its parameters. */
CUresult fake_prepare(struct fake_launch *l, const CUlaunchConfig *config, CUfunction f, void *const *params);
/* Runs it: advances the clock; a hang or a fault is noted in the state. */
void fake_execute(const struct fake_launch *l);

/* Adds a copy of n to a graph. */
bool fake_graph_add(CUgraph g, const struct CUgraphNode_st *n);

#endif
