/* tune_work: what a session does for one candidate: its source, its compile, the messages about it, the baselines. */
#include <stdlib.h>
#include <string.h>

#include "attune/fs.h"
#include "attune/gen.h"
#include "attune/chip.h"
#include "attune/proc.h"
#include "attune/tune.h"
#include "attune/vet.h"
#include "attune/wire.h"

#define ANSWER_S 600.0
#define SOURCE_MAX (1u << 20)

const json_t *session_variant(const struct session *s, const char *name)
{
	const json_t *variants = json_object_get(script_family(s->script), "variants");
	size_t i;
	json_t *v;

	json_array_foreach(variants, i, v) {
		const char *have = json_string_value(json_object_get(v, "name"));

		if (name && have && strcmp(have, name) == 0)
			return v;
	}
	return NULL;
}

static const json_t *variant_of(const struct session *s, const json_t *candidate, struct err *e)
{
	const char *name = json_string_value(json_object_get(candidate, "variant"));
	const json_t *v = session_variant(s, name);

	if (!v)
		err_set(e, "%s has no variant '%s'", s->o.kernel, name ? name : "");
	return v;
}

/* The template's path below root, and the #define lines; NULL candidate: the reference. */
static int template_of(struct session *s, const json_t *candidate, struct buf *path, struct buf *defines,
		       const json_t **flags, struct err *e)
{
	const char *source;

	if (candidate) {
		const json_t *v = variant_of(s, candidate, e);

		if (!v)
			return -1;
		source = json_string_value(json_object_get(v, "source"));
		*flags = json_object_get(v, "flags");
		if (script_defines(s->script, session_problem(s), candidate, defines, e) < 0)
			return -1;
	} else {
		source = json_string_value(json_object_get(script_family(s->script), "reference_source"));
		*flags = NULL;
		if (script_reference_defines(s->script, session_problem(s), defines, e) < 0)
			return -1;
	}
	buf_addf(path, "kernels/%s/%s", s->o.kernel, source ? source : "");
	return 0;
}

int session_source(struct session *s, const json_t *candidate, const char *arch, struct buf *source, struct buf *body,
		   const json_t **flags, struct err *e)
{
	struct buf path, defines, command, note;
	struct gen_source g = { .root = s->o.root };
	int rc;

	buf_init(&path);
	buf_init(&defines);
	buf_init(&command);
	buf_init(&note);
	rc = template_of(s, candidate, &path, &defines, flags, e);
	if (rc == 0) {
		nvcc_command(arch, *flags, &command);
		buf_addf(&note, "problem: %s\n", session_problem_text(s));
		if (candidate) {
			buf_adds(&note, "candidate: ");
			script_candidate_text(candidate, &note);
			buf_addc(&note, '\n');
		}
		g.path = buf_text(&path);
		g.defines = buf_text(&defines);
		g.command = buf_text(&command);
		g.note = buf_text(&note);
		rc = gen_source(source, &g, e);
		g.command = g.note = NULL;
		if (rc == 0)
			rc = gen_source(body, &g, e);
	}
	buf_free(&path);
	buf_free(&defines);
	buf_free(&command);
	buf_free(&note);
	return rc;
}

int session_compile(struct session *s, const json_t *candidate, const char *arch, struct nvcc_result *r, struct err *e)
{
	struct buf source, body;
	const json_t *flags = NULL;
	long ticket;
	int rc;

	buf_init(&source);
	buf_init(&body);
	rc = session_source(s, candidate, arch, &source, &body, &flags, e);
	if (rc == 0)
		rc = nvcc_submit(s->nvcc, buf_text(&source), buf_text(&body), arch, flags, -1, e);
	while (rc == 0) {
		struct pollfd fds[64];
		int n, got = nvcc_next(s->nvcc, &ticket, r, e);

		if (got < 0)
			rc = got;
		if (got != 0)
			break;
		n = nvcc_pollfds(s->nvcc, fds, 64);
		poll(fds, (nfds_t)n, 200);
	}
	buf_free(&source);
	buf_free(&body);
	return rc;
}

int session_request(struct session *s, const json_t *head, const void *blob, size_t len, double timeout_s, json_t **answer,
		    struct err *e)
{
	int rc = runner_send(s->runner, head, blob, len, e);

	if (rc == 0)
		rc = runner_wait(s->runner, answer, timeout_s, e);
	if (rc == 0 && strcmp(wire_type(*answer), "error") == 0) {
		const char *text = json_string_value(json_object_get(*answer, "text"));

		rc = err_set(e, "runner: %s", text ? text : "an error without a text");
		json_decref(*answer);
		*answer = NULL;
	}
	return rc;
}

static const char *device_arch(const struct session *s)
{
	return json_string_value(json_object_get(s->device, "arch"));
}

int session_send_problem(struct session *s, struct err *e)
{
	struct nvcc_result reference = { 0 };
	json_t *head = NULL, *answer = NULL;
	int rc = 0;

	/* A replayed run needs no reference: its answers are recorded. */
	if (s->mode == SESSION_LIVE)
		rc = session_compile(s, NULL, device_arch(s), &reference, e);
	if (rc == 0 && s->mode == SESSION_LIVE && !reference.ok)
		rc = err_set(e, "kernels/%s: the reference does not compile: %s", s->o.kernel, reference.why);
	if (rc == 0) {
		head = json_pack("{s:s, s:O}", "type", "problem", "problems", s->specs);
		rc = session_request(s, head, reference.cubin.data, reference.cubin.len, ANSWER_S, &answer, e);
	}
	s->problem_sent = rc == 0;
	json_decref(head);
	json_decref(answer);
	nvcc_result_free(&reference);
	return rc;
}

int session_launches(struct session *s, const json_t *candidate, json_t **launches, struct err *e)
{
	size_t i;
	json_t *problem;

	*launches = json_array();
	json_array_foreach(s->problems, i, problem) {
		json_t *launch = NULL;

		if (script_launch(s->script, problem, candidate, &launch, e) < 0) {
			json_decref(*launches);
			*launches = NULL;
			return -1;
		}
		json_array_append_new(*launches, launch);
	}
	return 0;
}

static int send_load(struct session *s, const struct nvcc_result *image, struct err *e)
{
	json_t *load = json_pack("{s:s, s:s}", "type", "load", "id", image->id);
	int rc = runner_send(s->runner, load, image->cubin.data, image->cubin.len, e);

	json_decref(load);
	return rc;
}

const char *session_vet(struct session *s, const json_t *candidate, const struct nvcc_result *image, struct buf *why)
{
	const json_t *v = session_variant(s, json_string_value(json_object_get(candidate, "variant")));
	json_t *launch = NULL;
	const char *verdict;

	/* A launch that cannot be made is reported where it is needed. */
	script_launch(s->script, session_problem(s), candidate, &launch, NULL);
	verdict = vet_image(image->cubin.data, image->cubin.len, s->arch, launch, json_object_get(v, "globals"), why);
	json_decref(launch);
	return verdict;
}

int session_send_trial(struct session *s, const char *type, const json_t *candidate, const struct nvcc_result *image,
		       const json_t *launches, const json_t *incumbent, struct err *e)
{
	const json_t *v = variant_of(s, candidate, e), *why;
	json_t *made = NULL, *head = NULL;
	struct buf text;
	int rc = -1;

	buf_init(&text);
	if (!v || script_candidate_text(candidate, &text) < 0 ||
	    (!launches && session_launches(s, candidate, &made, e) < 0))
		goto out;
	/* A replaying runner is asked by the candidate's text; there is no image then. */
	if (image->id && send_load(s, image, e) < 0)
		goto out;
	head = json_pack("{s:s, s:s, s:s, s:O}", "type", type, "id", image->id ? image->id : buf_text(&text), "candidate",
			 buf_text(&text), "launches", launches ? launches : made);
	why = json_object_get(v, "nondeterministic");
	if (json_is_string(why))
		json_object_set(head, "nondeterministic", (json_t *)why);
	if (incumbent)
		json_object_set(head, "incumbent", (json_t *)incumbent);
	rc = runner_send(s->runner, head, NULL, 0, e);
out:
	buf_free(&text);
	json_decref(made);
	json_decref(head);
	return rc;
}

int session_resources(struct session *s, const json_t *candidate, const json_t *resources, json_t **out, struct err *e)
{
	json_t *launch = NULL, *step = NULL, *block;
	long threads = 1, smem, regs = (long)json_integer_value(json_object_get(resources, "regs"));
	const char *limit = NULL;
	double occupancy;
	size_t i;

	if (script_launch(s->script, session_problem(s), candidate, &launch, e) < 0)
		return -1;
	/* The first kernel: a memset before it holds no registers. */
	json_array_foreach(json_object_get(launch, "steps"), i, step)
		if (json_object_get(step, "entry"))
			break;
	block = json_object_get(step, "block");
	for (i = 0; i < json_array_size(block); i++)
		threads *= (long)json_integer_value(json_array_get(block, i));
	smem = (long)json_integer_value(json_object_get(step, "smem")) +
	       (long)json_integer_value(json_object_get(resources, "smem_static_bytes"));
	*out = json_pack("{s:I, s:I, s:I}", "regs", (json_int_t)regs, "smem_bytes", (json_int_t)smem, "threads",
			 (json_int_t)threads);
	json_object_set_new(*out, "spill_bytes",
			    json_integer(json_integer_value(json_object_get(resources, "spill_store_bytes")) +
					 json_integer_value(json_object_get(resources, "spill_load_bytes"))));
	json_object_set_new(*out, "stack_bytes",
			    json_integer(json_integer_value(json_object_get(resources, "stack_bytes"))));
	json_object_set_new(*out, "warnings",
			    json_integer((json_int_t)json_array_size(json_object_get(resources, "warnings"))));
	if (regs > 0) {
		occupancy = chip_occupancy(s->device, threads, regs, smem, &limit);
		json_object_set_new(*out, "occupancy", json_real(occupancy));
		json_object_set_new(*out, "limit", json_string(limit ? limit : ""));
	}
	json_decref(launch);
	return 0;
}

/* --- baselines --------------------------------------------------------------------------------------------------- */

/* What a baseline program is told: the problem, and how to measure it by the protocol of the judge. */
static json_t *program_message(struct session *s, const json_t *baseline, struct buf *program, struct err *e)
{
	const char *file = json_string_value(json_object_get(baseline, "program"));
	json_t *head, *request;
	struct buf path;
	int rc;

	buf_init(&path);
	buf_addf(&path, "%s/kernels/%s/%s", s->o.root, s->o.kernel, file);
	rc = fs_read(buf_text(&path), program, SOURCE_MAX, e);
	buf_free(&path);
	if (rc < 0)
		return NULL;
	request = json_deep_copy(session_problem(s));
	json_object_set_new(request, "cold_bytes",
			    json_integer(3 * json_integer_value(json_object_get(s->device, "l2_bytes"))));
	json_object_set_new(request, "min_ms", json_real(1.0));
	json_object_set_new(request, "replays", json_integer(15));
	head = json_pack("{s:s, s:O, s:[s], s:o}", "type", "baseline", "name", json_object_get(baseline, "name"), "argv",
			 s->o.python ? s->o.python : "python3", "problem", request);
	return head;
}

int session_start_programs(struct session *s, long count, struct err *e)
{
	const json_t *baselines = json_object_get(script_family(s->script), "baselines");
	size_t i;
	json_t *b;
	int rc = 0;

	if (s->mode != SESSION_LIVE)
		return 0;
	json_array_foreach(baselines, i, b) {
		struct buf program;
		json_t *head;

		if (!json_object_get(b, "program"))
			continue;
		buf_init(&program);
		head = program_message(s, b, &program, e);
		if (head) {
			json_object_set_new(head, "early", json_true());
			json_object_set_new(head, "count", json_integer(count));
			rc = runner_send(s->runner, head, program.data, program.len, e);
		}
		json_decref(head);
		buf_free(&program);
		if (rc < 0 || !head)
			return -1;
	}
	return rc;
}

/* A baseline variant, compiled and launched with its defaults. */
static int variant_message(struct session *s, const char *name, json_t **head, struct buf *why, struct err *e)
{
	json_t *candidate = NULL, *launches = NULL;
	struct nvcc_result image = { 0 };
	int rc = script_candidate(s->script, name, &candidate, e);

	*head = NULL;
	if (rc == 0)
		rc = script_legal(s->script, session_problem(s), candidate, why, e);
	if (rc == 1)
		rc = session_compile(s, candidate, device_arch(s), &image, e);
	else if (rc == 0)
		goto out; /* not for this problem: *head stays NULL and why says it */
	if (rc == 0 && !image.ok) {
		buf_adds(why, image.why);
		goto out;
	}
	if (rc == 0)
		rc = script_launch(s->script, session_problem(s), candidate, &launches, e);
	if (rc == 0)
		rc = send_load(s, &image, e);
	if (rc == 0)
		*head = json_pack("{s:s, s:s, s:s, s:[O]}", "type", "baseline", "name", name, "id", image.id, "launches",
				  launches);
out:
	json_decref(candidate);
	json_decref(launches);
	nvcc_result_free(&image);
	return rc;
}

static int one_baseline(struct session *s, const json_t *b, json_t **answer, struct err *e)
{
	const char *name = json_string_value(json_object_get(b, "name"));
	json_t *head = NULL;
	struct buf program, why;
	int rc = 0;

	buf_init(&program);
	buf_init(&why);
	if (s->mode == SESSION_REPLAY) {
		head = json_pack("{s:s, s:s}", "type", "baseline", "name", name);
	} else if (json_object_get(b, "program")) {
		head = program_message(s, b, &program, e);
		rc = head ? 0 : -1;
	} else {
		rc = variant_message(s, name, &head, &why, e);
	}
	if (rc == 0 && head)
		rc = session_request(s, head, program.data, program.len, ANSWER_S, answer, e);
	else if (rc == 0)
		*answer = json_pack("{s:s, s:s}", "name", name, "why", buf_text(&why));
	json_decref(head);
	buf_free(&program);
	buf_free(&why);
	return rc;
}

int session_baselines(struct session *s, json_t **entries, json_t **versions, struct err *e)
{
	const json_t *baselines = json_object_get(script_family(s->script), "baselines");
	size_t i, k;
	json_t *b, *entry;

	*entries = json_array();
	*versions = json_object();
	json_array_foreach(baselines, i, b) {
		const char *name = json_string_value(json_object_get(b, "name"));
		json_t *answer = NULL, *list;

		if (one_baseline(s, b, &answer, e) < 0) {
			json_decref(*entries);
			json_decref(*versions);
			*entries = *versions = NULL;
			return err_where(e, "baseline %s", name);
		}
		list = json_object_get(answer, "entries");
		if (!json_array_size(list))
			json_array_append_new(*entries, json_pack("{s:s, s:s, s:O?}", "name", name, "group", name, "why",
								  json_object_get(answer, "why")));
		json_array_foreach(list, k, entry) {
			json_t *copy = json_deep_copy(entry);

			json_object_set_new(copy, "group", json_string(name));
			json_array_append_new(*entries, copy);
		}
		json_object_update(*versions, json_object_get(answer, "versions"));
		json_decref(answer);
	}
	return 0;
}
