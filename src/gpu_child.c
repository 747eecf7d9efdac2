/* gpu_child: the command loop of the process that runs candidates. One request, one answer; after a fault it answers and
 * ends, for its context is dead. Deadlines are the judge's: nothing here waits with a limit. */
#include "attune/gpu_child.h"

#include <stdlib.h>
#include <string.h>

#include "attune/wire.h"
#include "gpu_child_internal.h"

static int do_problem(struct gpu_child *w, const json_t *head, struct err *e)
{
	const json_t *list = json_object_get(head, "problems");

	gpu_child_forget_bench(w);
	for (int i = 0; i < w->spec_count; i++)
		spec_free(&w->specs[i]);
	free(w->specs);
	w->spec_count = 0;
	w->specs = calloc(json_array_size(list) + 1, sizeof *w->specs);
	if (!w->specs)
		abort();
	for (size_t i = 0; i < json_array_size(list); i++, w->spec_count++)
		if (spec_parse(&w->specs[i], json_array_get(list, i), e) < 0)
			return -1;
	w->reply = json_pack("{s:s}", "type", "ready");
	return 0;
}

static int find_image(struct gpu_child *w, const char *id)
{
	for (int i = 0; i < w->image_count; i++)
		if (strcmp(w->images[i].id, id) == 0)
			return i;
	return -1;
}

static void drop_image(struct gpu_child *w, int i)
{
	gpu_image_unload(w->gpu, w->images[i].image);
	free(w->images[i].id);
	w->images[i] = w->images[--w->image_count];
}

static int do_load(struct gpu_child *w, const json_t *head, struct err *e)
{
	struct gpu_image *image;
	const char *id;
	int rc;

	if (json_need_text(head, "id", &id, e) < 0)
		return -1;
	if (find_image(w, id) < 0) {
		if (w->image_count == CHILD_IMAGES_MAX)
			return err_set(e, "more than %d images at once", CHILD_IMAGES_MAX);
		rc = gpu_image_load(w->gpu, &image, w->blob->data, w->blob->len, e);
		if (rc < 0)
			return rc;
		w->images[w->image_count] = (struct child_image){ .id = strdup(id), .image = image };
		if (!w->images[w->image_count++].id)
			abort();
	}
	w->reply = json_pack("{s:s}", "type", "loaded");
	return 0;
}

static int do_unload(struct gpu_child *w, const json_t *head, struct err *e)
{
	const char *id;

	if (json_need_text(head, "id", &id, e) < 0)
		return -1;
	if (find_image(w, id) >= 0)
		drop_image(w, find_image(w, id));
	w->reply = json_pack("{s:s}", "type", "unloaded");
	return 0;
}

int gpu_child_spec(struct gpu_child *w, const json_t *head, int *k, struct err *e)
{
	int64_t v;

	if (json_need_int(head, "problem", 0, w->spec_count - 1, &v, e) < 0)
		return -1;
	*k = (int)v;
	return 0;
}

int gpu_child_call(struct gpu_child *w, const json_t *head, const struct spec *s, struct launch *l, struct gpu_call **call,
		   struct err *e)
{
	const char *id;
	int i, rc;

	if (json_need_text(head, "id", &id, e) < 0)
		return -1;
	i = find_image(w, id);
	if (i < 0)
		return err_set(e, "image %s is not loaded", id);
	if (launch_parse(l, json_object_get(head, "launch"), s, e) < 0)
		return e->code = GPU_LAUNCH;
	rc = gpu_call_open(w->gpu, call, w->images[i].image, l, e);
	if (rc < 0)
		launch_free(l);
	return rc;
}

static int do_resources(struct gpu_child *w, const json_t *head, struct err *e)
{
	struct launch launch;
	struct gpu_call *call;
	int k, rc;

	if (gpu_child_spec(w, head, &k, e) < 0)
		return -1;
	rc = gpu_child_call(w, head, &w->specs[k], &launch, &call, e);
	if (rc < 0)
		return rc;
	w->reply = gpu_call_resources(call);
	json_object_set_new(w->reply, "type", json_string("resources"));
	gpu_call_close(call);
	launch_free(&launch);
	return 0;
}

/* The device's image has the workspace between its two zones, the arena has not. */
static int call_once(struct gpu_child *w, const struct spec *s, const struct layout *l, struct gpu_call *call, uint8_t fill,
		     struct err *e)
{
	const size_t front = l->workspace_guard + l->guard;
	uint64_t tensors[SPEC_TENSORS_MAX];
	int rc;

	if (l->total > w->arena.size)
		return err_set(e, "the shared memory is too small");
	if (w->memory_bytes < l->total + l->workspace) {
		gpu_release(w->gpu, &w->memory);
		w->memory_bytes = 0;
		rc = gpu_alloc(w->gpu, &w->memory, l->total + l->workspace, e);
		if (rc < 0)
			return rc;
		w->memory_bytes = l->total + l->workspace;
	}
	for (int i = 0; i < s->tensor_count; i++)
		tensors[i] = w->memory + l->offset[i];
	rc = gpu_upload(w->gpu, w->memory, w->arena.base, front, e);
	if (rc == 0)
		rc = gpu_fill(w->gpu, w->memory + front, fill, l->workspace, e);
	if (rc == 0)
		rc = gpu_upload(w->gpu, w->memory + front + l->workspace, w->arena.base + front, l->guard, e);
	if (rc == 0)
		rc = gpu_poison_shared(w->gpu, fill, e);
	if (rc == 0)
		rc = gpu_sync(w->gpu, e);
	if (rc == 0)
		rc = gpu_call_enqueue(w->gpu, call, tensors, w->memory + front, e);
	if (rc == 0)
		rc = gpu_sync(w->gpu, e);
	if (rc == 0)
		rc = gpu_download(w->gpu, w->arena.base, w->memory, front, e);
	if (rc == 0)
		rc = gpu_download(w->gpu, w->arena.base + front, w->memory + front + l->workspace, l->guard, e);
	return rc;
}

static int do_check(struct gpu_child *w, const json_t *head, struct err *e)
{
	struct launch launch;
	struct layout layout;
	struct gpu_call *call;
	int64_t fill;
	int k, rc;

	if (gpu_child_spec(w, head, &k, e) < 0 || json_need_int(head, "fill", 0, 255, &fill, e) < 0)
		return -1;
	rc = gpu_child_call(w, head, &w->specs[k], &launch, &call, e);
	if (rc < 0)
		return rc;
	layout_init(&layout, &w->specs[k], GPU_CHECK_GUARD, launch.workspace);
	if (json_is_true(json_object_get(head, "apart")))
		rc = gpu_child_apart(w, &w->specs[k], &layout, call, e);
	else
		rc = call_once(w, &w->specs[k], &layout, call, (uint8_t)fill, e);
	gpu_call_close(call);
	launch_free(&launch);
	w->reply = json_pack("{s:s}", "type", "checked");
	return rc;
}

static int handle(struct gpu_child *w, const json_t *head, struct err *e)
{
	const json_t *arena = json_object_get(head, "arena");
	const char *type = wire_type(head);
	int rc;

	if (json_integer_value(arena) > 0 &&
	    arena_map(&w->arena, w->arena.fd, (size_t)json_integer_value(arena), e) < 0)
		return -1;
	if (strcmp(type, "problem") == 0)
		return do_problem(w, head, e);
	if (strcmp(type, "load") == 0)
		return do_load(w, head, e);
	if (strcmp(type, "unload") == 0)
		return do_unload(w, head, e);
	if (strcmp(type, "resources") == 0)
		return do_resources(w, head, e);
	if (strcmp(type, "check") == 0)
		return do_check(w, head, e);
	if (gpu_child_bench(w, head, &rc, e))
		return rc;
	return err_set(e, "unknown request %s", type);
}

static int greet(struct gpu_child *w, int fd, int device)
{
	struct err e = { 0 };
	json_t *head;
	int rc;

	if (gpu_open(&w->gpu, device, &e) < 0)
		head = json_pack("{s:s, s:n, s:s}", "type", "hello", "device", "why", e.text);
	else
		head = json_pack("{s:s, s:o, s:s}", "type", "hello", "device", gpu_describe(w->gpu), "bus_id",
				 gpu_bus_id(w->gpu));
	rc = wire_send(fd, head, NULL, 0, &e);
	json_decref(head);
	return rc == 0 && w->gpu ? 0 : -1;
}

int gpu_child_main(int fd, int arena_fd, int device)
{
	struct gpu_child w = { .arena = { .fd = arena_fd } };
	struct buf in, blob;
	struct err e = { 0 };
	json_t *head = NULL;

	buf_init(&in);
	buf_init(&blob);
	w.blob = &blob;
	if (greet(&w, fd, device) < 0)
		return 1;
	while (wire_recv(fd, &in, &head, &blob, -1, &e) == 0) {
		const int rc = handle(&w, head, &e);
		const bool dead = rc < 0 && e.code == GPU_FAULT;

		/* Memory that a call asks for (workspace, local memory) and cannot get is the call's doing. */
		if (rc < 0 && e.code == GPU_MEMORY && json_object_get(head, "launch"))
			e.code = GPU_LAUNCH;
		json_decref(head);
		if (rc < 0) {
			json_decref(w.reply);
			w.reply = json_pack("{s:s, s:s, s:s}", "type", "failed", "verdict", gpu_verdict(e.code), "text",
					    e.text);
		}
		err_clear(&e);
		if (wire_send(fd, w.reply, NULL, 0, &e) < 0 || dead)
			return 1;
		json_decref(w.reply);
		w.reply = NULL;
	}
	return 0;
}
