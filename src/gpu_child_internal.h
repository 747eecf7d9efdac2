/* gpu_child_internal: the state of the process that runs candidates, and the seam between its files: gpu_child.c (loop,
 * images, checks), gpu_child_apart.c (checks under a sanitizer) and gpu_child_bench.c (sets, slots, times). */
#ifndef ATTUNE_GPU_CHILD_INTERNAL_H
#define ATTUNE_GPU_CHILD_INTERNAL_H
#include <jansson.h>

#include "attune/arena.h"
#include "attune/bench.h"
#include "attune/buf.h"
#include "attune/gpu.h"
#include "attune/launch.h"

enum { CHILD_IMAGES_MAX = 64 };

struct child_image {
	char *id;
	struct gpu_image *image;
};

struct gpu_child {
	struct arena arena;
	struct gpu *gpu;
	struct spec *specs;
	int spec_count;
	struct child_image images[CHILD_IMAGES_MAX];
	int image_count;
	uint64_t memory; /* where checks run */
	size_t memory_bytes;
	struct bench *bench;
	int bench_problem;
	struct launch slot_launches[BENCH_SLOTS]; /* as long as the calls that were made of them */
	const struct buf *blob;
	json_t *reply; /* what the handler wants to answer */
};

/* The problem and the image and launch that a request names. On failure nothing is left to free. */
int gpu_child_spec(struct gpu_child *w, const json_t *head, int *k, struct err *e);
int gpu_child_call(struct gpu_child *w, const json_t *head, const struct spec *s, struct launch *l, struct gpu_call **call,
		   struct err *e);

/* gpu_child_apart.c: one call with every tensor in an allocation of its own. */
int gpu_child_apart(struct gpu_child *w, const struct spec *s, const struct layout *l, struct gpu_call *call, struct err *e);

/* Whether a request is about timing; if so, *rc is how it went. */
bool gpu_child_bench(struct gpu_child *w, const json_t *head, int *rc, struct err *e);
void gpu_child_forget_bench(struct gpu_child *w);

#endif
