/* judge_baseline: baselines by name. Images are judged and timed like candidates; programs (PyTorch) are started early, so
 * that their imports cost nobody time, and each answers once: the championship wants a fresh process for each round. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/torch_baseline.h"
#include "judge_baseline.h"
#include "judge_internal.h"

enum { EARLY_MAX = 16 };
#define ANSWER_LIMIT_S 120.0 /* imports that are still going on, and a first use of the device */

struct baseline {
	struct baseline *next;
	char *name;
	json_t *message;
	struct buf program;
	struct torch_baseline *early[EARLY_MAX];
	int early_count;
};

struct baseline *baseline_find(struct judge *j, const char *name)
{
	struct baseline *b = j->baselines;

	while (b && strcmp(b->name, name) != 0)
		b = b->next;
	return b;
}

const char *baseline_name(const struct baseline *b)
{
	return b->name;
}

bool baseline_subject(const struct baseline *b, struct subject *s)
{
	const char *id = json_string_value(json_object_get(b->message, "id"));

	if (!id)
		return false;
	*s = (struct subject){ .id = id, .launches = json_object_get(b->message, "launches"),
			       .nondeterministic = json_is_string(json_object_get(b->message, "nondeterministic")) };
	return true;
}

static struct baseline *remember(struct judge *j, const char *name, const json_t *message, const struct buf *program)
{
	struct baseline *b = baseline_find(j, name);

	if (!b) {
		b = calloc(1, sizeof *b);
		if (!b || !(b->name = strdup(name)))
			abort();
		b->next = j->baselines;
		j->baselines = b;
	}
	json_decref(b->message);
	b->message = json_deep_copy(message);
	if (program->len > 0) {
		buf_clear(&b->program);
		buf_add(&b->program, program->data, program->len);
	}
	return b;
}

static int start(const struct baseline *b, struct torch_baseline **t, struct err *e)
{
	return torch_baseline_start(t, json_object_get(b->message, "argv"), b->program.data, b->program.len, e);
}

int baseline_ask(struct judge *j, struct baseline *b, json_t **answer, struct err *e)
{
	json_t *request = json_deep_copy(json_object_get(b->message, "problem"));
	struct torch_baseline *t = NULL;
	int rc;

	if (!json_is_object(request)) {
		json_decref(request);
		return err_set(e, "%s: neither launches nor a problem", b->name);
	}
	if (b->early_count > 0) {
		t = b->early[0];
		memmove(&b->early[0], &b->early[1], (size_t)--b->early_count * sizeof b->early[0]);
	} else if (start(b, &t, e) < 0) {
		json_decref(request);
		return -1;
	}
	json_object_set_new(request, "device", json_integer(j->o.device));
	rc = torch_baseline_measure(t, request, ANSWER_LIMIT_S, answer, e);
	torch_baseline_stop(t);
	json_decref(request);
	return rc;
}

static void begin_early(struct baseline *b, int64_t count)
{
	for (int64_t i = 0; i < count && b->early_count < EARLY_MAX; i++) {
		struct err why = { 0 };

		/* It will be tried again, and reported, when it is asked for its times. */
		if (start(b, &b->early[b->early_count], &why) < 0)
			return;
		b->early_count++;
	}
}

static json_t *program_answer(struct judge *j, struct baseline *b)
{
	struct err why = { 0 };
	json_t *answer = NULL;

	if (baseline_ask(j, b, &answer, &why) < 0)
		return json_pack("{s:s, s:s, s:[], s:s}", "type", "baseline", "name", b->name, "entries", "why", why.text);
	json_object_set_new(answer, "type", json_string("baseline"));
	json_object_set_new(answer, "name", json_string(b->name));
	return answer;
}

static int image_answer(struct judge *j, struct baseline *b, json_t **answer, struct err *e)
{
	static const char *const from[] = { "time_us", "time_lo_us", "time_hi_us", "warm_us", "checks", "wall_ms" };
	static const char *const to[] = { "time_us", "lo_us", "hi_us", "warm_us", "checks", "wall_ms" };
	json_t *result, *entry;
	const char *verdict, *why;

	if (trial_run(j, b->message, true, &result, e) < 0)
		return -1;
	verdict = json_string_value(json_object_get(result, "verdict"));
	why = json_string_value(json_object_get(result, "why"));
	if (strcmp(verdict, "ok") == 0) {
		entry = json_pack("{s:s}", "name", b->name);
		for (size_t i = 0; i < sizeof from / sizeof *from; i++)
			if (json_object_get(result, from[i]))
				json_object_set(entry, to[i], json_object_get(result, from[i]));
		*answer = json_pack("{s:s, s:s, s:[o]}", "type", "baseline", "name", b->name, "entries", entry);
	} else {
		char text[WHY_MAX + 32];

		snprintf(text, sizeof text, "%s: %s", verdict, why ? why : "");
		*answer = json_pack("{s:s, s:s, s:[], s:s}", "type", "baseline", "name", b->name, "entries", "why", text);
	}
	json_decref(result);
	return 0;
}

int final_baseline(struct judge *j, const json_t *message, const struct buf *program, json_t **answer, struct err *e)
{
	const json_t *count = json_object_get(message, "count");
	struct baseline *b;
	const char *name;

	*answer = NULL;
	if (json_need_text(message, "name", &name, e) < 0)
		return -1;
	b = remember(j, name, message, program);
	if (json_object_get(message, "id"))
		return image_answer(j, b, answer, e);
	if (json_is_true(json_object_get(message, "early"))) {
		begin_early(b, json_is_integer(count) ? json_integer_value(count) : 1);
		return 0;
	}
	*answer = program_answer(j, b);
	return 0;
}

void final_close(struct judge *j)
{
	while (j->baselines) {
		struct baseline *b = j->baselines;

		j->baselines = b->next;
		for (int i = 0; i < b->early_count; i++)
			torch_baseline_stop(b->early[i]);
		free(b->name);
		json_decref(b->message);
		buf_free(&b->program);
		free(b);
	}
}
