/* main_verify_gpu: an entry's machine code on a GPU again: judged by the protocol of `attune trial`, timed, and compared with
 * what was recorded. The launch comes from the family's scripts as they are now, the machine code from the entry. */
#include "main_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attune/fs.h"
#include "attune/wire.h"

#define START_S 60.0
#define ANSWER_S 600.0

static const char *member(const json_t *object, const char *key)
{
	const char *t = json_string_value(json_object_get(object, key));

	return t ? t : "";
}

static char *default_runner(void)
{
	char self[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	struct buf command;

	buf_init(&command);
	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	buf_addf(&command, "'%s/attune-run'", n > 0 ? self : ".");
	return buf_take(&command);
}

json_t *verify_device(const struct verify *v, char **why)
{
	char *command = v->o.runner ? strdup(v->o.runner) : default_runner();
	struct runner *runner = NULL;
	struct err e = { 0 };
	json_t *device = NULL;

	if (runner_start(&runner, command, START_S, &e) < 0) {
		*why = strdup(e.text);
	} else {
		const json_t *hello = runner_hello(runner), *own = json_object_get(hello, "device");

		if (json_is_object(own) && !json_is_object(json_object_get(hello, "replay")))
			device = json_deep_copy(own);
		else
			*why = strdup(*member(hello, "why") ? member(hello, "why") : "no GPU");
		runner_stop(runner);
	}
	free(command);
	return device;
}

/* What is not as it was when the entry was tuned. */
static void add_changes(const struct store_entry *entry, const json_t *device, struct buf *out)
{
	const json_t *p = json_object_get(store_info(entry), "provenance");
	static const char *const pairs[][2] = { { "device", "name" }, { "driver", "driver" } };

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
		if (strcmp(member(p, pairs[i][0]), member(device, pairs[i][1])) != 0)
			buf_addf(out, "%s%s %s, now %s", out->len ? "; " : "", pairs[i][0],
				 *member(p, pairs[i][0]) ? member(p, pairs[i][0]) : "unknown", member(device, pairs[i][1]));
}

static int judge(struct session *s, const struct store_entry *entry, json_t **answer, struct err *e)
{
	const char *text = member(store_info(entry), "candidate_text");
	const char *sha = member(json_object_get(store_info(entry), "provenance"), "cubin_sha256");
	struct nvcc_result image = { .ok = true };
	json_t *candidate = NULL;
	int rc = script_candidate(s->script, text, &candidate, e);

	if (rc == 0)
		rc = session_send_problem(s, e);
	if (rc == 0) {
		image.id = strndup(sha, 32);
		buf_add(&image.cubin, entry->cubin.data, entry->cubin.len);
		rc = session_send_trial(s, "trial", candidate, &image, NULL, NULL, e);
	}
	if (rc == 0)
		rc = runner_wait(s->runner, answer, ANSWER_S, e);
	if (rc == 0 && strcmp(wire_type(*answer), "result") != 0)
		rc = err_set(e, "runner: %s", member(*answer, "text"));
	nvcc_result_free(&image);
	json_decref(candidate);
	return rc;
}

static void report(struct verify *v, const struct store_entry *entry, const json_t *device, const json_t *answer)
{
	const json_t *p = json_object_get(store_info(entry), "provenance");
	double was = json_number_value(json_object_get(p, "time_us")), now = json_number_value(json_object_get(answer, "time_us"));
	struct buf changes, moved;

	buf_init(&changes);
	buf_init(&moved);
	if (strcmp(member(answer, "verdict"), "ok") != 0) {
		printf("%s: DIFFERS: judged %s on %s: %s\n", entry->name, member(answer, "verdict"), member(device, "name"),
		       member(answer, "why"));
		verify_differs(v, entry->name);
		goto out;
	}
	if (was > 0 && now > 0)
		buf_addf(&moved, "%.3f us, recorded %.3f us (%+.1f%%)", now, was, 100 * (now / was - 1));
	else
		buf_addf(&moved, "%.3f us; no time was recorded", now);
	printf("%s: judged right on %s: %s\n", entry->name, member(device, "name"), buf_text(&moved));
	add_changes(entry, device, &changes);
	if (changes.len) {
		printf("%s: stale: %s: %s\n", entry->name, buf_text(&changes), buf_text(&moved));
		verify_stale(v, entry->name);
	}
out:
	buf_free(&changes);
	buf_free(&moved);
}

int verify_on_gpu(struct verify *v, const struct store_entry *entry, const json_t *device, struct err *e)
{
	const json_t *cc = json_object_get(device, "cc");
	struct session_options o = v->o;
	struct session s;
	json_t *answer = NULL;
	bool translated;
	int rc;

	if (!session_arch_runs(store_arch(entry), (int)json_integer_value(json_array_get(cc, 0)),
			       (int)json_integer_value(json_array_get(cc, 1)), &translated)) {
		printf("skipped: %s was not judged: code for %s does not run on %s\n", entry->name, store_arch(entry),
		       member(device, "name"));
		v->n_skipped++;
		return 0;
	}
	o.problem = store_problem(entry);
	o.arch = store_arch(entry);
	rc = session_open(&s, &o, e);
	if (rc < 0)
		return err_where(e, "%s", entry->name);
	rc = s.mode == SESSION_LIVE ? judge(&s, entry, &answer, e) : err_set(e, "the GPU is gone");
	if (rc == 0)
		report(v, entry, device, answer);
	else
		err_where(e, "%s", entry->name);
	json_decref(answer);
	session_close(&s);
	return rc;
}
