/* main_suite: `attune suite`: tunes several problems, one after the other, each with its own journal, into one header. A problem
 * whose entry is up to date is left alone, so that a suite that was cut goes on where it stopped, also on another machine of
 * the same kind that was given tuned/entries (and build/runs, for the problem in the middle of which it was cut). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/hash.h"
#include "attune/proc.h"
#include "attune/store.h"
#include "main.h"

struct suite {
	struct tune_options *o;
	enum suite_retune retune;
	struct session about; /* open while entries are looked at: device, compiler, scripts */
	bool live;
	struct store store;
	char sources[HASH_HEX], policy[HASH_HEX];
};

static const char *text(const json_t *object, const char *key)
{
	const char *t = json_string_value(json_object_get(object, key));

	return t ? t : "";
}

/* A session on the first problem that opens one: a bad problem is its own failure, later. */
static bool look_around(struct suite *q, const json_t *problems)
{
	struct session_options so = q->o->session;
	json_t *problem;
	size_t i;

	so.say = NULL;
	json_array_foreach(problems, i, problem) {
		struct err ignored = { 0 };

		so.problem = json_string_value(problem);
		if (session_open(&q->about, &so, &ignored) == 0)
			return true;
	}
	return false;
}

/* Whether the winner's candidate still makes the very source that its entry was compiled from. */
static bool same_source(struct suite *q, const struct store_entry *entry)
{
	const char *recorded = text(json_object_get(store_info(entry), "provenance"), "source_sha256");
	const json_t *flags = NULL;
	struct err ignored = { 0 };
	struct buf source, body;
	json_t *candidate = NULL;
	char hex[HASH_HEX] = "";

	buf_init(&source);
	buf_init(&body);
	if (script_candidate(q->about.script, text(store_info(entry), "candidate_text"), &candidate, &ignored) == 0 &&
	    session_source(&q->about, candidate, q->about.arch, &source, &body, &flags, &ignored) == 0)
		hash_bytes(hex, source.data, source.len);
	json_decref(candidate);
	buf_free(&source);
	buf_free(&body);
	return *hex && strcmp(hex, recorded) == 0;
}

/* Why an entry is not up to date; NULL when it is. */
static const char *stale(struct suite *q, const struct store_entry *entry)
{
	const json_t *h = store_info(entry), *p = json_object_get(h, "provenance");
	const json_t *budget = json_object_get(p, "budget");

	if (!json_is_true(json_object_get(h, "measured")))
		return "it was not measured";
	if (q->retune == RETUNE_MISSING)
		return NULL;
	if (strcmp(text(p, "device"), text(q->about.device, "name")) != 0)
		return "another device";
	if (strcmp(text(p, "nvcc"), nvcc_version(q->about.nvcc)) != 0)
		return "another toolkit";
	if (json_integer_value(budget ? budget : json_object_get(p, "trials")) < q->o->trials)
		return "fewer trials";
	if (q->retune == RETUNE_WINNER)
		return same_source(q, entry) ? NULL : "its winner's source has changed";
	if ((uint64_t)json_integer_value(json_object_get(p, "seed")) != q->o->seed ||
	    strcmp(text(p, "policy_sha256"), q->policy) != 0)
		return "another policy or seed";
	return strcmp(text(p, "sources_sha256"), q->sources) == 0 ? NULL : "other sources";
}

/* The problem in full; the session's scripts are then about it. */
static bool resolve(struct suite *q, const char *problem)
{
	struct err ignored = { 0 };
	json_t *resolved = NULL;

	if (script_problem(q->about.script, problem, &resolved, &ignored) < 0)
		return false;
	json_array_set_new(q->about.problems, 0, resolved);
	return true;
}

/* NULL: up to date. */
static const char *why_tune(struct suite *q, const char *problem)
{
	if (q->retune == RETUNE_ALL)
		return "asked for";
	if (!resolve(q, problem))
		return "not known";
	for (size_t i = 0; i < q->store.n; i++)
		if (strcmp(store_problem(&q->store.entries[i]), session_problem_text(&q->about)) == 0 &&
		    strcmp(store_arch(&q->store.entries[i]), q->about.arch) == 0)
			return stale(q, &q->store.entries[i]);
	return "no entry";
}

/* The problems that must be tuned. Without a GPU nothing is ever up to date: a replay or a ranking costs little. */
static int choose(struct suite *q, const json_t *problems, json_t *todo, struct err *e)
{
	json_t *problem;
	size_t i;

	if (!look_around(q, problems) || q->about.mode != SESSION_LIVE) {
		json_array_extend(todo, (json_t *)problems);
		return 0;
	}
	if (store_open(&q->store, q->o->out, q->o->session.kernel, false, e) < 0)
		return -1;
	tune_sources_hash(q->o->session.root, q->o->session.kernel, q->sources);
	hash_file(q->policy, q->o->session.policy, NULL);
	json_array_foreach(problems, i, problem) {
		const char *why = why_tune(q, json_string_value(problem));

		if (why)
			json_array_append(todo, problem);
		else
			printf("up to date: %s\n", json_string_value(problem));
	}
	store_close(&q->store);
	return 0;
}

static void announce(const json_t *todo, size_t i, double spent_s)
{
	const size_t n = json_array_size(todo);

	printf("%s== problem %zu of %zu: %s", i ? "\n" : "", i + 1, n, json_string_value(json_array_get(todo, i)));
	if (i > 0)
		printf(" (%.0f s so far, about %.0f s left)", spent_s, spent_s / (double)i * (double)(n - i));
	putchar('\n');
	fflush(stdout);
}

int suite_run(struct tune_options *o, const json_t *problems, enum suite_retune retune)
{
	struct suite q = { .o = o, .retune = retune };
	const double start = proc_now_s();
	struct err e = { 0 };
	json_t *todo = json_array(), *problem;
	size_t i, bad = 0, done = 0;
	int rc = choose(&q, problems, todo, &e), code = EXIT_OK;

	session_close(&q.about);
	if (rc < 0)
		code = main_fail(&e, EXIT_BAD);
	json_array_foreach(todo, i, problem) {
		if (rc < 0)
			break;
		err_clear(&e);
		announce(todo, i, proc_now_s() - start);
		o->session.problem = json_string_value(problem);
		if (tune_main(o, &e) == 0) {
			done++;
		} else if (main_stop) {
			code = EXIT_STOPPED;
			break;
		} else {
			main_fail(&e, EXIT_BAD);
			bad++;
		}
	}
	if (rc == 0)
		printf("\n%zu problems tuned, %zu up to date, %zu failed, %zu left\n", done,
		       json_array_size(problems) - json_array_size(todo), bad, json_array_size(todo) - done - bad);
	json_decref(todo);
	return code == EXIT_OK && bad ? EXIT_BAD : code;
}
