/* gpu_child_apart: one call as compute-sanitizer sees most of it. Each tensor, and the workspace, is an allocation of exactly
 * its size, so that an access past it is one past an allocation; what the call is to write (outputs, workspace) is not
 * written before, so that reading it first is reading what nobody wrote. The judge compares the outputs as ever; around
 * them there is nothing to compare. */
#include "gpu_child_internal.h"

/* An output with gaps is written beforehand all the same: its gaps must come back as they were. */
static bool is_given(const struct tensor *t)
{
	return !t->out || t->count != t->span;
}

static int give(struct gpu_child *w, const struct spec *s, const struct layout *l, uint64_t *at, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < s->tensor_count && rc == 0; i++) {
		rc = gpu_alloc(w->gpu, &at[i], l->bytes[i], e);
		if (rc == 0 && is_given(&s->tensors[i]))
			rc = gpu_upload(w->gpu, at[i], w->arena.base + l->offset[i], l->bytes[i], e);
	}
	return rc;
}

static int take(struct gpu_child *w, const struct spec *s, const struct layout *l, const uint64_t *at, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < s->tensor_count && rc == 0; i++)
		rc = gpu_download(w->gpu, w->arena.base + l->offset[i], at[i], l->bytes[i], e);
	return rc;
}

int gpu_child_apart(struct gpu_child *w, const struct spec *s, const struct layout *l, struct gpu_call *call, struct err *e)
{
	uint64_t at[SPEC_TENSORS_MAX] = { 0 }, workspace = 0;
	int rc;

	if (l->total > w->arena.size)
		return err_set(e, "the shared memory is too small");
	rc = give(w, s, l, at, e);
	if (rc == 0 && gpu_call_workspace(call) > 0)
		rc = gpu_alloc(w->gpu, &workspace, gpu_call_workspace(call), e);
	if (rc == 0)
		rc = gpu_sync(w->gpu, e);
	if (rc == 0)
		rc = gpu_call_enqueue(w->gpu, call, at, workspace, e);
	if (rc == 0)
		rc = gpu_sync(w->gpu, e);
	if (rc == 0)
		rc = take(w, s, l, at, e);
	for (int i = 0; i < s->tensor_count; i++)
		gpu_release(w->gpu, &at[i]);
	gpu_release(w->gpu, &workspace);
	return rc;
}
