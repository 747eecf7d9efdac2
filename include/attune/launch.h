/* launch: one call of a candidate as messages.md describes it, read into C: kernel launches, cuBLAS products, memsets.
 * Names of entries and tensors are checked against the specification; what the device thinks of it is gpu's business. */
#ifndef ATTUNE_LAUNCH_H
#define ATTUNE_LAUNCH_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "attune/err.h"
#include "attune/spec.h"

/* Where an argument points: a tensor of the specification, or a byte offset into the workspace (tensor is -1). */
struct place {
	int tensor;
	uint64_t offset;
};

enum swizzle { SWIZZLE_NONE, SWIZZLE_32B, SWIZZLE_64B, SWIZZLE_128B };
enum l2_promotion { L2_NONE, L2_64B, L2_128B, L2_256B };

struct tensormap {
	struct place at;
	enum dtype dtype;
	int rank;
	uint64_t dims[5], strides_bytes[4];
	uint32_t box[5], element_strides[5];
	enum swizzle swizzle;
	enum l2_promotion l2;
	int interleave; /* 0, 16 or 32 bytes */
	bool oob_nan;   /* out-of-bounds elements read as NaN instead of zero */
};

enum arg_kind { ARG_PLACE, ARG_I32, ARG_I64, ARG_F32, ARG_TENSORMAP };
struct arg {
	enum arg_kind kind;
	struct place at;
	int64_t i;
	float f;
	struct tensormap *map;
};

struct kernel_step {
	char *entry;
	uint32_t grid[3], block[3], cluster[3]; /* cluster is all ones when absent */
	uint32_t smem;
	bool pdl;
	int arg_count;
	struct arg *args;
};

struct gemm_step {
	int64_t m, n, k, batch, lda, ldb, ldc, stride_a, stride_b, stride_c;
	double alpha, beta;
	bool transpose_a, transpose_b;
	struct place a, b, c;
	enum dtype in, out;
};

struct memset_step {
	struct place to;
	uint8_t value;
	size_t bytes;
};

enum step_kind { STEP_KERNEL, STEP_GEMM, STEP_MEMSET };
struct step {
	enum step_kind kind;
	union {
		struct kernel_step kernel;
		struct gemm_step gemm;
		struct memset_step memset;
	};
};

enum { LAUNCH_STEPS_MAX = 64, LAUNCH_ARGS_MAX = 128 };

struct launch {
	size_t workspace;
	int step_count;
	struct step *steps;
};

int launch_parse(struct launch *l, const json_t *json, const struct spec *s, struct err *e);
void launch_free(struct launch *l);

#endif
