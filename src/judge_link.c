/* judge_link: the judge's end of the GPU child. A child that faults, hangs, dies or breaks the protocol is killed; the next
 * request finds a new one, which must first run the reference's plain implementation and be judged right on it, so that a
 * broken device is never taken for a broken candidate. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/gpu_child.h"
#include "attune/proc.h"
#include "attune/wire.h"
#include "judge_internal.h"

#define START_LIMIT_S 60.0 /* driver start and context; a cold machine with eight devices takes several seconds */
#define LOAD_LIMIT_S 20.0  /* of an image; PTX is compiled meanwhile */
#define LIBRARY_LIMIT_S 30.0
/* Work that a call may be slow at: the scalar variant reached 187 GFLOP/s on a device that does 774000. */
#define SLOWEST_FLOPS_S 5e10
#define SLOWEST_BYTES_S 5e8

int link_fork(struct judge *j, struct err *e)
{
	if (j->gpu.pid > 0)
		return 0;
	j->gpu_greeted = j->gpu_told = j->gpu_probed = false;
	images_device_lost(j->images);
	return child_start(&j->gpu, gpu_child_main, j->o.device, e);
}

void link_kill(struct judge *j)
{
	if (j->lost_s <= 0)
		j->lost_s = proc_now_s();
	child_kill(&j->gpu);
	j->sets = 0;
	j->restarts++;
}

int link_greet(struct judge *j, struct buf *why, struct err *e)
{
	json_t *hello = NULL, *device;
	const char *text;

	if (link_fork(j, e) < 0)
		return -1;
	if (j->gpu_greeted)
		return 0;
	if (child_wait(&j->gpu, &hello, START_LIMIT_S, e) < 0) {
		link_kill(j);
		return e->code;
	}
	device = json_object_get(hello, "device");
	text = json_string_value(json_object_get(hello, "why"));
	if (json_is_object(device)) {
		if (!j->device) {
			const char *bus_id = json_string_value(json_object_get(hello, "bus_id"));

			j->device = json_incref(device);
			snprintf(j->bus_id, sizeof j->bus_id, "%s", bus_id ? bus_id : "");
		}
		j->gpu_greeted = true;
	} else {
		buf_adds(why, text ? text : "the GPU child gives no reason");
		child_kill(&j->gpu);
	}
	json_decref(hello);
	return 0;
}

/* Takes the answer apart. */
static int sort_answer(struct judge *j, json_t *got, const char *stage, json_t **answer, struct finding *f, struct err *e)
{
	const char *verdict = json_string_value(json_object_get(got, "verdict"));
	const char *text = json_string_value(json_object_get(got, "text"));
	int rc = STEP_OK;

	if (strcmp(wire_type(got), "failed") != 0) {
		*answer = got;
		return STEP_OK;
	}
	text = text ? text : "no reason given";
	if (verdict && strcmp(verdict, "fault") == 0) {
		finding_set(f, stage, "%s", text);
		link_kill(j);
		rc = STEP_LOST;
	} else if (verdict && (strcmp(verdict, "load") == 0 || strcmp(verdict, "launch") == 0)) {
		finding_set(f, verdict, "%s", text);
		rc = STEP_FOUND;
	} else {
		rc = err_set(e, "GPU child: %s", text);
	}
	json_decref(got);
	return rc;
}

void phase_add(struct judge *j, const char *name, double start_s)
{
	const double before = json_number_value(json_object_get(j->phases, name));

	if (j->phases)
		json_object_set_new(j->phases, name, json_real(before + 1e3 * (proc_now_s() - start_s)));
}

int link_ask(struct judge *j, json_t *request, const void *blob, size_t len, double limit_s, const char *stage,
	     json_t **answer, struct finding *f, struct err *e)
{
	const double start = proc_now_s();
	struct err lost = { 0 };
	json_t *got = NULL;
	int rc;

	*answer = NULL;
	json_object_set_new(request, "arena", json_integer((json_int_t)j->gpu.arena.size));
	rc = child_send(&j->gpu, request, blob, len, &lost);
	if (rc == 0)
		rc = child_wait(&j->gpu, &got, limit_s, &lost);
	phase_add(j, wire_type(request), start);
	json_decref(request);
	if (rc == 0)
		return sort_answer(j, got, stage, answer, f, e);
	if (lost.code == ERR_INTR)
		return err_set_code(e, ERR_INTR, "%s", lost.text);
	if (lost.code == ERR_LIMIT)
		finding_set(f, "hung", "did not end within %.3g s", limit_s);
	else
		finding_set(f, stage, "%s", lost.text);
	link_kill(j);
	return STEP_LOST;
}

int link_load(struct judge *j, const char *id, struct finding *f, struct err *e)
{
	const struct buf *image = strcmp(id, REFERENCE_ID) == 0 ? &j->reference : images_get(j->images, id);
	json_t *answer;
	int rc;

	if (!image)
		return err_set(e, "image %s is not loaded", id);
	if (images_on_device(j->images, id))
		return STEP_OK;
	rc = link_ask(j, json_pack("{s:s, s:s}", "type", "load", "id", id), image->data, image->len, LOAD_LIMIT_S, "load",
		      &answer, f, e);
	json_decref(answer);
	if (rc == STEP_OK)
		images_set_on_device(j->images, id, true);
	return rc;
}

/* Housekeeping: when it fails the child is simply replaced. */
static int tidy(struct judge *j, json_t *request, struct err *e)
{
	struct finding ignored = { { 0 }, { 0 } };
	json_t *answer;
	int rc;

	rc = link_ask(j, request, NULL, 0, LOAD_LIMIT_S, "fault", &answer, &ignored, e);
	json_decref(answer);
	return rc < 0 ? rc : 0;
}

int link_clear(struct judge *j, const char *keep, struct err *e)
{
	const char *id;
	int rc;

	if (j->gpu.pid <= 0)
		return 0;
	rc = tidy(j, json_pack("{s:s}", "type", "unbench"), e);
	while (rc == 0 && j->gpu.pid > 0 && (id = images_other_on_device(j->images, keep))) {
		rc = tidy(j, json_pack("{s:s, s:s}", "type", "unload", "id", id), e);
		images_set_on_device(j->images, id, false);
	}
	return rc;
}

double link_call_limit_s(const struct judge *j, int problem, const json_t *launch)
{
	const json_t *steps = json_object_get(launch, "steps");
	double limit = j->o.limit_s + j->specs[problem].flops / SLOWEST_FLOPS_S + j->specs[problem].bytes / SLOWEST_BYTES_S;

	for (size_t i = 0; i < json_array_size(steps); i++)
		if (json_object_get(json_array_get(steps, i), "gemm"))
			return limit + LIBRARY_LIMIT_S;
	return limit;
}

static int tell(struct judge *j, struct err *e)
{
	struct finding f = { { 0 }, { 0 } };
	json_t *answer;
	int rc;

	if (j->gpu_told || !j->problem)
		return 0;
	rc = link_ask(j, json_deep_copy(j->problem), NULL, 0, START_LIMIT_S, "fault", &answer, &f, e);
	json_decref(answer);
	if (rc > 0)
		return err_set(e, "GPU child, told the problem: %s", f.why);
	j->gpu_told = rc == 0;
	return rc;
}

/* The plain implementation, on the last problem, which is a small one. */
static int probe(struct judge *j, struct finding *f, struct err *e)
{
	const int problem = j->spec_count - 1;
	json_t *launches = json_array();
	struct subject plain = { .id = REFERENCE_ID, .launches = launches };
	json_t *unload;
	int rc;

	for (int i = 0; i < j->spec_count; i++)
		json_array_append(launches, json_object_get(j->specs[i].json, "plain"));
	rc = check_run(j, &plain, problem, VALUES_NORMAL, NULL, f, e);
	json_decref(launches);
	if (rc != STEP_OK)
		return rc;
	rc = link_ask(j, json_pack("{s:s, s:s}", "type", "unload", "id", REFERENCE_ID), NULL, 0, LOAD_LIMIT_S, "fault",
		      &unload, f, e);
	json_decref(unload);
	return rc;
}

/* Between requests the child has nothing to say: what can be read is its end, which nobody is to blame for. */
static void notice_end(struct judge *j)
{
	struct pollfd p = { .fd = j->gpu.fd, .events = POLLIN };

	if (j->gpu.pid > 0 && j->gpu_greeted && poll(&p, 1, 0) != 0)
		link_kill(j);
}

int link_ready(struct judge *j, struct err *e)
{
	struct finding f = { { 0 }, { 0 } };
	struct buf why;

	notice_end(j);
	for (int attempt = 0; attempt < 2; attempt++) {
		int rc;

		buf_init(&why);
		rc = link_greet(j, &why, e);
		if (rc == 0 && !j->gpu_greeted)
			rc = err_set(e, "no device: %s", buf_text(&why));
		buf_free(&why);
		if (rc < 0 || (rc = tell(j, e)) < 0)
			return rc;
		if (j->gpu_probed || !j->problem)
			return 0;
		rc = probe(j, &f, e);
		if (rc < 0)
			return rc;
		j->gpu_probed = rc == STEP_OK;
		if (j->gpu_probed) {
			const double took_ms = j->lost_s > 0 ? 1e3 * (proc_now_s() - j->lost_s) : 0;

			j->restart_ms = took_ms > j->restart_ms ? took_ms : j->restart_ms;
			j->lost_s = 0;
			return 0;
		}
		link_kill(j);
	}
	return err_set(e, "the device fails a known-good probe, twice, and is set aside; no candidate is blamed: %s: %s", f.verdict,
		       f.why);
}
