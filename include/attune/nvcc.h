/* nvcc: compiles flat sources to cubins in parallel child processes, with a content-addressed cache.
 *
 * A cubin's key is the hash of the source below its first comment, the exact arguments, and the compiler's own binaries;
 * build/<family>/<id>/ holds candidate.cu, candidate.cubin, candidate.log and candidate.json (what ptxas reported and the
 * cubin's hash). A cubin that does not match its recorded hash is a miss. nvcc runs in the candidate's folder, without a
 * shell, in its own process group, limited in time, memory and output. */
#ifndef ATTUNE_NVCC_H
#define ATTUNE_NVCC_H
#include <jansson.h>
#include <poll.h>
#include <stdint.h>
#include <stdbool.h>
#include "attune/buf.h"
#include "attune/err.h"

struct nvcc;

struct nvcc_options {
	const char *program;  /* "nvcc" or a path */
	const char *cache;    /* folder of the cache: build/attn */
	long jobs;            /* how many at once, at least 1 */
	double time_limit_s;  /* wall time of one compile, 0: 120 */
	uint64_t memory_bytes; /* address space of one compile's processes, 0: 16 GiB */
};

struct nvcc_result {
	char *id;            /* the key, 32 hex digits */
	char *dir;           /* its folder in the cache */
	bool ok;
	bool cached;
	char *why;           /* one line when not ok */
	char *log;           /* nvcc's and ptxas's output */
	struct buf cubin;    /* the machine code when ok */
	char *cubin_sha256;
	json_t *resources;   /* {"regs","stack_bytes","spill_store_bytes","spill_load_bytes","smem_static_bytes","barriers",
	                        "warnings":[...],"mix":{"HMMA":n,...}} of the entry with the most registers */
	double compile_s;    /* 0 when cached */
};
void nvcc_result_free(struct nvcc_result *r);

/* Finds and identifies the compiler (its version, and a hash over nvcc, cicc, ptxas, cudafe++ binaries). No nvcc is one clear line. */
int nvcc_open(struct nvcc **out, const struct nvcc_options *o, struct err *e);
void nvcc_close(struct nvcc *n); /* kills what is still running */
const char *nvcc_version(const struct nvcc *n);   /* "13.0.88" */
const char *nvcc_identity(const struct nvcc *n);  /* hash of the binaries */
/* Whether -arch=ARCH is known: asks nvcc --list-gpu-code/--list-gpu-arch. An unknown one names the known ones. */
int nvcc_check_arch(struct nvcc *n, const char *arch, struct err *e);

/* The exact command of a candidate, as it stands in the source's first comment. flags: array of strings or NULL. */
int nvcc_command(const char *arch, const json_t *flags, struct buf *out);

/* Queues one source. `body` is the flat source without its first comment, `source` the whole. ticket identifies it. */
int nvcc_submit(struct nvcc *n, const char *source, const char *body, const char *arch, const json_t *flags, long ticket,
		struct err *e);
/* Starts and reaps children. 1: *r holds the next finished job and *ticket its number; 0: none has finished yet. */
int nvcc_next(struct nvcc *n, long *ticket, struct nvcc_result *r, struct err *e);
/* Descriptors to wait on; returns how many were written (at most max). */
int nvcc_pollfds(const struct nvcc *n, struct pollfd *fds, int max);
long nvcc_running(const struct nvcc *n);
long nvcc_queued(const struct nvcc *n);

#endif
