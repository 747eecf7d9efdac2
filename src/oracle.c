/* oracle: the judge's end of the oracle process. Restarts it once when it is lost: it runs trusted code only, so a second
 * loss means that the device or the reference is broken, and is reported as such. Its memory is never inherited by the
 * process that runs candidates. */
#include "attune/oracle.h"

#include <stdlib.h>
#include <string.h>

#include "attune/child.h"
#include "attune/crew.h"
#include "attune/wire.h"
#include "oracle_internal.h"

#define START_LIMIT_S 60.0 /* driver start and context; a cold machine with eight devices takes several seconds */

struct oracle {
	struct child child;
	int device;
	bool greeted, told;
	json_t *problem;
	struct buf image;
	const struct spec *specs;
	int asked;
};

void oracle_layout_init(struct oracle_layout *l, const struct spec *s)
{
	memset(l, 0, sizeof *l);
	for (int i = 0; i < s->tensor_count; i++) {
		const struct tensor *t = &s->tensors[i];
		const size_t span = (size_t)t->span, own = span * dtype_bytes(t->dtype);

		if (t->out) {
			l->want[i] = l->total;
			l->total += (span * sizeof(double) + 255) & ~(size_t)255;
			l->plain[i] = l->total;
		} else {
			l->in[i] = l->total;
		}
		l->total += (own + 255) & ~(size_t)255;
	}
}

int oracle_start(struct oracle **out, int device, int watch_fd, bool hidden, struct err *e)
{
	struct oracle *o = calloc(1, sizeof *o);

	if (!o)
		abort();
	o->child = (struct child){ .what = "oracle", .program = hidden ? "oracle" : NULL, .hidden = hidden, .fd = -1,
				   .watch_fd = watch_fd };
	o->device = device;
	if (arena_open(&o->child.arena, true, e) < 0 || child_start(&o->child, oracle_child_main, device, e) < 0) {
		oracle_stop(o);
		return err_where(e, "oracle");
	}
	*out = o;
	return 0;
}

void oracle_stop(struct oracle *o)
{
	if (!o)
		return;
	child_kill(&o->child);
	arena_close(&o->child.arena);
	json_decref(o->problem);
	buf_free(&o->image);
	free(o);
}

/* 0 when the answer's type is the one expected; otherwise the child's own text. */
static int expect(struct oracle *o, const char *type, double timeout_s, struct err *e)
{
	json_t *answer = NULL;
	int rc = child_wait(&o->child, &answer, timeout_s, e);
	const char *text = json_string_value(json_object_get(answer, "text"));

	if (rc == 0 && strcmp(wire_type(answer), type) != 0)
		rc = err_set(e, "%s", text ? text : "an unexpected answer");
	json_decref(answer);
	return rc < 0 ? err_where(e, "oracle") : 0;
}

/* Brings the child to where it knows the problem. */
static int tell(struct oracle *o, struct err *e)
{
	if (o->child.pid <= 0) {
		o->greeted = o->told = false;
		if (child_start(&o->child, oracle_child_main, o->device, e) < 0)
			return -1;
	}
	if (!o->greeted && expect(o, "hello", START_LIMIT_S, e) < 0)
		return -1;
	o->greeted = true;
	if (o->told)
		return 0;
	if (child_send(&o->child, o->problem, o->image.data, o->image.len, e) < 0 ||
	    expect(o, "ready", START_LIMIT_S, e) < 0)
		return -1;
	o->told = true;
	return 0;
}

int oracle_problem(struct oracle *o, const json_t *problem, const void *image, size_t len, const struct spec *specs,
		   struct err *e)
{
	const json_t *list = json_object_get(problem, "problems");
	size_t most = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		struct oracle_layout l;

		oracle_layout_init(&l, &specs[i]);
		most = l.total > most ? l.total : most;
	}
	if (arena_grow(&o->child.arena, most, e) < 0)
		return err_where(e, "oracle");
	json_decref(o->problem);
	o->problem = json_pack("{s:s, s:O, s:I}", "type", "problem", "problems", list, "arena",
			       (json_int_t)o->child.arena.size);
	buf_clear(&o->image);
	buf_add(&o->image, image, len);
	o->specs = specs;
	o->told = false;
	if (tell(o, e) == 0)
		return 0;
	child_kill(&o->child);
	return -1;
}

static int ask(struct oracle *o, struct err *e)
{
	json_t *head = json_pack("{s:s, s:i}", "type", "answer", "problem", o->asked);
	const int rc = child_send(&o->child, head, NULL, 0, e);

	json_decref(head);
	return rc;
}

/* Asks; an oracle that was lost is replaced once. */
static int ask_again(struct oracle *o, struct err *e)
{
	struct err first = { 0 };

	if (tell(o, &first) == 0 && ask(o, &first) == 0)
		return 0;
	child_kill(&o->child);
	if (first.code == ERR_INTR)
		return err_set_code(e, ERR_INTR, "%s", first.text);
	if (tell(o, e) == 0 && ask(o, e) == 0)
		return 0;
	child_kill(&o->child);
	return err_where(e, "twice");
}

int oracle_ask(struct oracle *o, int k, const unsigned char *base, const struct layout *l, struct err *e)
{
	const struct spec *s = &o->specs[k];
	struct oracle_layout own;

	oracle_layout_init(&own, s);
	for (int i = 0; i < s->tensor_count; i++)
		if (!s->tensors[i].out)
			crew_copy(o->child.arena.base + own.in[i], base + l->offset[i], l->bytes[i]);
	o->asked = k;
	return ask_again(o, e);
}

int oracle_wait(struct oracle *o, struct oracle_answer *a, struct err *e)
{
	const struct spec *s = &o->specs[o->asked];
	/* The reference is written to be obviously right, not fast: 1 GFLOP/s is what it must reach, all told. */
	const double limit_s = 20 + s->flops / 1e9;
	struct oracle_layout l;
	struct err first = { 0 };

	if (expect(o, "answered", limit_s, &first) < 0) {
		if (first.code == ERR_INTR)
			return err_set_code(e, ERR_INTR, "%s", first.text);
		child_kill(&o->child);
		if (ask_again(o, e) < 0)
			return e->code;
		if (expect(o, "answered", limit_s, e) < 0) {
			child_kill(&o->child);
			return err_where(e, "twice");
		}
	}
	oracle_layout_init(&l, s);
	memset(a, 0, sizeof *a);
	for (int i = 0; i < s->tensor_count; i++) {
		if (!s->tensors[i].out)
			continue;
		a->want[i] = (const double *)(const void *)(o->child.arena.base + l.want[i]);
		a->plain[i] = o->child.arena.base + l.plain[i];
	}
	return 0;
}
