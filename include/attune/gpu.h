/* gpu: one device through the driver API, libcuda being loaded at run time. Knows how to load images, enqueue a launch
 * description, capture graphs and move bytes; knows nothing of right and wrong. Only gpu*.c see cuda.h.
 * Everything runs on one stream. Addresses of the device are plain uint64_t. */
#ifndef ATTUNE_GPU_H
#define ATTUNE_GPU_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "attune/err.h"
#include "attune/launch.h"
#include "attune/spec.h"

/* An err given to these functions is never NULL. Codes in it beside the general ones: whose fault a refusal is. After
 * GPU_FAULT the context is dead. */
enum { GPU_LOAD = -20, GPU_LAUNCH = -21, GPU_FAULT = -22, GPU_MEMORY = -23 };
/* "load", "launch", "fault", or "error" for everything else. */
const char *gpu_verdict(int code);

struct gpu;
struct gpu_image;
struct gpu_call;
struct gpu_graph;

/* Opens device number `device` and makes its primary context current. The process ends with it: there is no close. */
int gpu_open(struct gpu **out, int device, struct err *e);
/* D of messages.md, a new reference. */
json_t *gpu_describe(const struct gpu *g);
/* PCI bus id, "" when unknown. */
const char *gpu_bus_id(const struct gpu *g);
size_t gpu_l2_bytes(const struct gpu *g);
int gpu_free_bytes(struct gpu *g, size_t *bytes, struct err *e);

int gpu_alloc(struct gpu *g, uint64_t *at, size_t bytes, struct err *e);
void gpu_release(struct gpu *g, uint64_t *at); /* sets it to 0; 0 is allowed */
/* Queued on the stream; upload and download of ordinary memory return when the host's side is done. They fail only when
 * something before them has, so whatever they report is a fault. */
int gpu_upload(struct gpu *g, uint64_t to, const void *from, size_t bytes, struct err *e);
int gpu_download(struct gpu *g, void *to, uint64_t from, size_t bytes, struct err *e);
int gpu_copy(struct gpu *g, uint64_t to, uint64_t from, size_t bytes, struct err *e);
int gpu_fill(struct gpu *g, uint64_t to, uint8_t value, size_t bytes, struct err *e);
/* Waits for all work; an error that a kernel left is GPU_FAULT. */
int gpu_sync(struct gpu *g, struct err *e);

/* cubin, fatbin or PTX text. The driver's own message is part of the error. */
int gpu_image_load(struct gpu *g, struct gpu_image **out, const void *data, size_t len, struct err *e);
void gpu_image_unload(struct gpu *g, struct gpu_image *im);

/* A launch description made ready: entries looked up, argument layout checked against the machine code, shared memory
 * and cluster attributes set. Launch and image must outlive the call. im may be NULL when no step launches a kernel. */
int gpu_call_open(struct gpu *g, struct gpu_call **out, struct gpu_image *im, const struct launch *l, struct err *e);
void gpu_call_close(struct gpu_call *c);
/* {"regs","smem_static","local_bytes","occupancy"} of the kernel step with the most registers. */
json_t *gpu_call_resources(const struct gpu_call *c);
size_t gpu_call_workspace(const struct gpu_call *c);
/* One call, on the tensors at the given addresses (one for each of the specification) and the workspace. */
int gpu_call_enqueue(struct gpu *g, struct gpu_call *c, const uint64_t *tensors, uint64_t workspace, struct err *e);

/* Everything enqueued between begin and end goes into the graph instead of running. After a failure in between, call
 * gpu_graph_abandon. */
int gpu_graph_begin(struct gpu *g, struct err *e);
int gpu_graph_end(struct gpu *g, struct gpu_graph **out, struct err *e);
void gpu_graph_abandon(struct gpu *g);
int gpu_graph_launch(struct gpu *g, struct gpu_graph *graph, struct err *e);
void gpu_graph_close(struct gpu *g, struct gpu_graph *graph);

/* Time stamps on the stream, numbered from 0; the time between two of them after a sync. */
int gpu_mark(struct gpu *g, int number, struct err *e);
int gpu_between_us(struct gpu *g, int from, int to, double *us, struct err *e);
/* Fills the shared memory of all SMs with a byte, where the driver can compile what does it. */
int gpu_poison_shared(struct gpu *g, uint8_t fill, struct err *e);
/* Whether memory can be summed on the device; the first time this waits for all work. */
bool gpu_can_sum(struct gpu *g);
/* Queued: the u64 at sums + 8 * i becomes the keyed sum of `bytes` (a multiple of 8) at `at` + i * stride, for each of
 * count ranges: that of gpu_sum_host. Equal sums mean equal bytes to whoever could not know the key. */
int gpu_sum(struct gpu *g, uint64_t at, size_t stride, long count, size_t bytes, uint64_t key, uint64_t sums, struct err *e);
uint64_t gpu_sum_host(const void *data, size_t bytes, uint64_t key);
/* Takes back what a candidate set aside of the L2 for persisting lines. */
void gpu_reset_l2(struct gpu *g);

#endif
