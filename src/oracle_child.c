/* oracle_child: the oracle process itself: a command loop around the reference image. Outputs are filled with ones, a NaN,
 * before each run, so that the judge knows what the reference left alone: of a specification that does not say "sampled", that
 * is an error. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "attune/arena.h"
#include "attune/gpu.h"
#include "attune/wire.h"
#include "oracle_internal.h"

struct work {
	int fd;
	struct arena arena;
	struct gpu *gpu;
	struct gpu_image *image;
	struct spec *specs;
	int spec_count;
	uint64_t memory, workspace;
	size_t memory_bytes, workspace_bytes;
	uint64_t draw[2]; /* random, new for each answer: what a reference that samples rows chooses them by */
};

static void forget(struct work *w)
{
	gpu_image_unload(w->gpu, w->image);
	w->image = NULL;
	for (int i = 0; i < w->spec_count; i++)
		spec_free(&w->specs[i]);
	free(w->specs);
	w->specs = NULL;
	w->spec_count = 0;
}

static int take_problem(struct work *w, const json_t *head, const struct buf *blob, struct err *e)
{
	const json_t *list = json_object_get(head, "problems");
	int64_t arena;

	forget(w);
	if (json_need_int(head, "arena", 1, INT64_MAX, &arena, e) < 0 ||
	    arena_map(&w->arena, w->arena.fd, (size_t)arena, e) < 0)
		return -1;
	w->specs = calloc(json_array_size(list) + 1, sizeof *w->specs);
	if (!w->specs)
		abort();
	for (size_t i = 0; i < json_array_size(list); i++, w->spec_count++)
		if (spec_parse(&w->specs[i], json_array_get(list, i), e) < 0)
			return -1;
	if (gpu_image_load(w->gpu, &w->image, blob->data, blob->len, e) < 0)
		return err_where(e, "the reference image");
	return 0;
}

static int ensure(struct gpu *g, uint64_t *at, size_t *have, size_t want, struct err *e)
{
	if (*at && *have >= want)
		return 0;
	gpu_release(g, at);
	*have = want;
	return gpu_alloc(g, at, want, e);
}

static int run(struct work *w, const struct spec *s, const char *name, const uint64_t *tensors, struct err *e)
{
	struct launch launch;
	struct gpu_call *call = NULL;
	int rc;

	rc = launch_parse(&launch, json_object_get(s->json, name), s, e);
	if (rc < 0)
		return err_where(e, "%s", name);
	rc = gpu_call_open(w->gpu, &call, w->image, &launch, e);
	if (rc == 0)
		rc = ensure(w->gpu, &w->workspace, &w->workspace_bytes, launch.workspace, e);
	if (rc == 0 && launch.workspace >= sizeof w->draw)
		rc = gpu_upload(w->gpu, w->workspace, w->draw, sizeof w->draw, e);
	if (rc == 0)
		rc = gpu_call_enqueue(w->gpu, call, tensors, w->workspace, e);
	if (rc == 0)
		rc = gpu_sync(w->gpu, e);
	gpu_call_close(call);
	launch_free(&launch);
	return rc < 0 ? err_where(e, "%s", name) : 0;
}

static int answer(struct work *w, const json_t *head, struct err *e)
{
	struct oracle_layout l;
	const struct spec *s;
	uint64_t tensors[SPEC_TENSORS_MAX];
	int64_t k;

	if (json_need_int(head, "problem", 0, w->spec_count - 1, &k, e) < 0)
		return -1;
	s = &w->specs[k];
	if (getrandom(w->draw, sizeof w->draw, 0) != (ssize_t)sizeof w->draw)
		return err_sys(e, "getrandom");
	oracle_layout_init(&l, s);
	if (l.total > w->arena.size)
		return err_set(e, "the shared memory is too small");
	if (ensure(w->gpu, &w->memory, &w->memory_bytes, l.total, e) < 0 ||
	    gpu_fill(w->gpu, w->memory, 0xff, l.total, e) < 0)
		return -1;
	for (int i = 0; i < s->tensor_count; i++) {
		tensors[i] = w->memory + (s->tensors[i].out ? l.want[i] : l.in[i]);
		if (!s->tensors[i].out &&
		    gpu_upload(w->gpu, tensors[i], w->arena.base + l.in[i],
			       (size_t)s->tensors[i].span * dtype_bytes(s->tensors[i].dtype), e) < 0)
			return -1;
	}
	if (run(w, s, "reference", tensors, e) < 0)
		return -1;
	for (int i = 0; i < s->tensor_count; i++)
		if (s->tensors[i].out)
			tensors[i] = w->memory + l.plain[i];
	if (run(w, s, "plain", tensors, e) < 0)
		return -1;
	for (int i = 0; i < s->tensor_count; i++) {
		const struct tensor *t = &s->tensors[i];

		if (t->out && (gpu_download(w->gpu, w->arena.base + l.want[i], w->memory + l.want[i],
					    (size_t)t->span * sizeof(double), e) < 0 ||
			       gpu_download(w->gpu, w->arena.base + l.plain[i], w->memory + l.plain[i],
					    (size_t)t->span * dtype_bytes(t->dtype), e) < 0))
			return -1;
	}
	return 0;
}

static int reply(struct work *w, const char *type, int rc, struct err *e)
{
	json_t *head = rc < 0 ? json_pack("{s:s, s:s}", "type", "failed", "text", e->text) : json_pack("{s:s}", "type", type);
	struct err lost = { 0 };
	const int sent = wire_send(w->fd, head, NULL, 0, &lost);

	json_decref(head);
	return sent;
}

int oracle_child_main(int fd, int arena_fd, int device)
{
	struct work w = { .fd = fd, .arena = { .fd = arena_fd } };
	struct buf in, blob;
	struct err e = { 0 };
	json_t *head = NULL;

	buf_init(&in);
	buf_init(&blob);
	if (reply(&w, "hello", gpu_open(&w.gpu, device, &e), &e) < 0 || e.code)
		return 1;
	while (wire_recv(fd, &in, &head, &blob, -1, &e) == 0) {
		int rc;

		if (strcmp(wire_type(head), "problem") == 0)
			rc = reply(&w, "ready", take_problem(&w, head, &blob, &e), &e);
		else
			rc = reply(&w, "answered", answer(&w, head, &e), &e);
		json_decref(head);
		/* After a fault the context is of no use; the judge starts another process. */
		if (rc < 0 || e.code == GPU_FAULT)
			return 1;
		err_clear(&e);
	}
	return 0;
}
