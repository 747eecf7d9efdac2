/* spec: a problem as the runner sees it (messages.md, Problem specification): tensors with shape and stride, work,
 * tolerances; and how the tensors of one call lie in one stretch of memory, with guard zones around each. */
#ifndef ATTUNE_SPEC_H
#define ATTUNE_SPEC_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "attune/dtype.h"
#include "attune/err.h"

enum { TENSOR_RANK_MAX = 8, SPEC_TENSORS_MAX = 16 };

struct tensor {
	char name[32];
	bool out;
	enum dtype dtype;
	int rank;
	int64_t shape[TENSOR_RANK_MAX], stride[TENSOR_RANK_MAX]; /* elements */
	int64_t count; /* elements of the shape */
	int64_t span;  /* elements from the first to the last one, gaps included; equal to count when there are no gaps */
};

struct tolerance {
	double ratio, floor, rel_rms;
	double max_abs; /* 0: none; holds for normal values only, for it does not scale */
	double rounding; /* an element may be off by so much of itself, whatever the other limits say; 0: not so */
	double sampled; /* the share of the outputs that the reference answers, whole rows chosen at random each time; 0: all */
};

struct spec {
	char *text;
	int tensor_count;
	struct tensor tensors[SPEC_TENSORS_MAX];
	double flops, bytes;
	struct tolerance tolerance;
	json_t *json; /* the whole message: reference and plain launches are read from it */
};

int spec_parse(struct spec *s, const json_t *json, struct err *e);
void spec_free(struct spec *s);
int spec_tensor(const struct spec *s, const char *name); /* index, or -1 */

/* Walks a tensor row by row (a row runs along the last dimension); the walk starts with {0}. Returns false after the
 * last row; *offset is the row's first element, counted from the tensor's first one. */
struct tensor_walk {
	int64_t index[TENSOR_RANK_MAX];
	bool started;
};
bool tensor_walk_next(const struct tensor *t, struct tensor_walk *w, int64_t *offset);
/* Begins at a row, counted from 0; its first element, where tensor_walk_next would tell it. */
int64_t tensor_walk_from(const struct tensor *t, struct tensor_walk *w, int64_t row);
int64_t tensor_row_length(const struct tensor *t);
int64_t tensor_row_stride(const struct tensor *t);
/* "q[0,3,17,2]" for an element given by its row's walk and its place in the row. */
void tensor_element_name(const struct tensor *t, const struct tensor_walk *w, int64_t column, char *text, size_t size);

/* All tensors of a specification in one stretch: for each, guard bytes, its span, and guard bytes up to a multiple of
 * 256; then the workspace's own two guard zones (between which the device, and only the device, has the workspace). */
struct layout {
	size_t guard;
	int tensor_count;
	size_t offset[SPEC_TENSORS_MAX]; /* of the tensor's first element */
	size_t bytes[SPEC_TENSORS_MAX];  /* of its span */
	size_t end[SPEC_TENSORS_MAX];    /* where the zone behind it ends */
	size_t workspace_guard;          /* where the zone before the workspace begins */
	size_t workspace;                /* bytes, a multiple of 256 */
	size_t total;                    /* without the workspace */
};
void layout_init(struct layout *l, const struct spec *s, size_t guard, size_t workspace);

/* Members of a JSON object; an absent or unfit one is an error that names it. */
int json_need_int(const json_t *o, const char *name, int64_t lo, int64_t hi, int64_t *value, struct err *e);
int json_need_number(const json_t *o, const char *name, double *value, struct err *e);
int json_need_text(const json_t *o, const char *name, const char **value, struct err *e);

#endif
