/* judge: greeting, message loop, problems. One message is carried out at a time, in the order in which they came; what
 * cannot be carried out at all is answered by an error frame, and the loop goes on. */
#include "attune/judge.h"

#include <stdlib.h>
#include <string.h>

#include "attune/version.h"
#include "attune/wire.h"
#include "judge_internal.h"
#include "judge_nvml.h"

#define IMAGES_MAX_BYTES (256u << 20)
#define LIMIT_S 1.0
#define TOOL_END_S 20.0

static int send_frame(struct judge *j, json_t *frame, struct err *e)
{
	const int rc = wire_send(j->o.out_fd, frame, NULL, 0, e);

	json_decref(frame);
	return rc;
}

static int send_error(struct judge *j, const struct err *why, struct err *e)
{
	return send_frame(j, json_pack("{s:s, s:s}", "type", "error", "text", why->text), e);
}

static int open_judge(struct judge *j, struct err *e)
{
	j->images = images_open(IMAGES_MAX_BYTES);
	j->gpu = (struct child){ .what = "GPU child", .program = j->o.under_tool ? "gpu" : NULL, .fd = -1,
				 .watch_fd = j->o.out_fd };
	if (inputs_open(&j->inputs, e) < 0 || arena_open(&j->gpu.arena, false, e) < 0 || link_fork(j, e) < 0)
		return -1;
	/* Both contexts are made at the same time. */
	return oracle_start(&j->oracle, j->o.device, j->o.out_fd, j->o.under_tool, e);
}

static void close_judge(struct judge *j)
{
	final_close(j);
	/* A killed process leaves a tool without what it has not told yet. */
	child_end(&j->gpu, j->o.under_tool ? TOOL_END_S : 0);
	arena_close(&j->gpu.arena);
	oracle_stop(j->oracle);
	inputs_close(j->inputs);
	images_close(j->images);
	nvml_close(j->nvml);
	json_decref(j->device);
	json_decref(j->problem);
	for (int i = 0; i < j->spec_count; i++)
		spec_free(&j->specs[i]);
	free(j->specs);
	buf_free(&j->in);
	buf_free(&j->reference);
	buf_free(&j->image);
	buf_free(&j->again);
	buf_free(&j->outputs);
	buf_free(&j->sets_image);
}

/* A device that cannot be opened is said in the greeting, not by an end. */
static int greet(struct judge *j, struct err *e)
{
	struct err lost = { 0 };
	struct buf why;
	json_t *hello;
	int rc;

	buf_init(&why);
	if (link_greet(j, &why, &lost) < 0)
		buf_adds(&why, lost.text);
	hello = json_pack("{s:s, s:i, s:s, s:n}", "type", "hello", "protocol", WIRE_PROTOCOL, "runner",
			  "attune-run " ATTUNE_VERSION, "replay");
	json_object_set_new(hello, "device", j->device ? json_incref(j->device) : json_null());
	if (!j->device)
		json_object_set_new(hello, "why", json_string(buf_text(&why)));
	buf_free(&why);
	rc = send_frame(j, hello, e);
	return rc;
}

static void forget_problem(struct judge *j)
{
	for (int i = 0; i < j->spec_count; i++)
		spec_free(&j->specs[i]);
	free(j->specs);
	json_decref(j->problem);
	j->specs = NULL;
	j->problem = NULL;
	j->spec_count = 0;
	j->sets = 0;
	j->gpu_told = j->gpu_probed = false;
}

/* The answer to a problem waits for the reference to be right about itself: both processes run it. */
static int take_problem(struct judge *j, const json_t *message, const struct buf *image, struct err *e)
{
	const json_t *list = json_object_get(message, "problems");

	forget_problem(j);
	if (!json_is_array(list) || json_array_size(list) < 1 || json_array_size(list) > 64)
		return err_set(e, "problem: 1 to 64 specifications are needed");
	j->specs = calloc(json_array_size(list), sizeof *j->specs);
	if (!j->specs)
		abort();
	for (size_t i = 0; i < json_array_size(list); i++, j->spec_count++)
		if (spec_parse(&j->specs[i], json_array_get(list, i), e) < 0)
			return -1;
	buf_clear(&j->reference);
	buf_add(&j->reference, image->data, image->len);
	if (oracle_problem(j->oracle, message, image->data, image->len, j->specs, e) < 0)
		return -1;
	j->problem = json_pack("{s:s, s:O}", "type", "problem", "problems", list);
	if (link_ready(j, e) < 0) {
		forget_problem(j);
		return -1;
	}
	if (!j->nvml)
		j->nvml = nvml_open(j->bus_id);
	return 0;
}

static int load(struct judge *j, const json_t *message, const struct buf *blob)
{
	const char *id = json_string_value(json_object_get(message, "id"));

	if (id && strcmp(wire_type(message), "load") == 0)
		images_put(j->images, id, blob->data, blob->len);
	else if (id)
		images_drop(j->images, id);
	return 0;
}

/* Carries out one message; *answer stays NULL where the protocol has none. */
static int handle(struct judge *j, const json_t *message, const struct buf *blob, json_t **answer, struct err *e)
{
	const char *type = wire_type(message);

	if (strcmp(type, "load") == 0 || strcmp(type, "unload") == 0)
		return load(j, message, blob);
	if (!j->device)
		return err_set(e, "there is no device");
	if (strcmp(type, "problem") == 0) {
		if (take_problem(j, message, blob, e) < 0)
			return -1;
		*answer = json_pack("{s:s}", "type", "ready");
		return 0;
	}
	if (strcmp(type, "trial") == 0 || strcmp(type, "judge") == 0)
		return trial_run(j, message, type[0] == 't', answer, e);
	if (strcmp(type, "baseline") == 0)
		return final_baseline(j, message, blob, answer, e);
	if (strcmp(type, "champion") == 0)
		return final_champion(j, message, answer, e);
	return err_set(e, "unknown message %s", type);
}

static int serve(struct judge *j, struct err *e)
{
	struct buf blob;
	json_t *message = NULL;
	int rc = 0;

	buf_init(&blob);
	while (rc == 0 && (rc = wire_recv(j->o.in_fd, &j->in, &message, &blob, -1, e)) == 0) {
		struct err why = { 0 };
		json_t *answer = NULL;

		if (strcmp(wire_type(message), "quit") == 0) {
			json_decref(message);
			break;
		}
		if (handle(j, message, &blob, &answer, &why) < 0)
			rc = why.code == ERR_INTR ? err_set_code(e, ERR_INTR, "%s", why.text) : send_error(j, &why, e);
		else if (answer)
			rc = send_frame(j, answer, e);
		json_decref(message);
		/* A lost child is replaced while the host thinks. */
		if (rc == 0 && j->device && link_fork(j, &why) < 0)
			rc = err_set(e, "%s", why.text);
	}
	buf_free(&blob);
	return rc == ERR_EOF ? 0 : rc;
}

int judge_serve(const struct judge_options *o, struct err *e)
{
	struct judge j = { .o = *o };
	int rc;

	j.o.limit_s = o->limit_s > 0 ? o->limit_s : LIMIT_S;
	rc = open_judge(&j, e);
	if (rc == 0)
		rc = greet(&j, e);
	if (rc == 0)
		rc = serve(&j, e);
	close_judge(&j);
	return rc;
}
