/* tune_sanitizer: the winner under compute-sanitizer: judged once more, on the smallest odd problems, with memcheck, initcheck
 * and synccheck (whose findings disqualify it) and racecheck (whose findings are advice: it does not know all of the ways in
 * which threads may wait). All at once, within one time limit; what has not ended by then is not called clean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/sanitizer.h"
#include "tune_tool.h"

/* A short run spends at most this on it, a long one at most this share of what it has taken so far. */
#define LIMIT_LEAST_S 12.0
#define LIMIT_MOST_S 60.0
#define LIMIT_SHARE 0.3
#define ADVICE_S 2.0     /* how much longer than the others racecheck may take */
#define PROBLEMS 2
#define PORTS 20         /* for the connections of one tool; they start at its default */
#define ARGS_MAX 64

static const char *const tools[] = { "memcheck", "initcheck", "synccheck", "racecheck" };
enum { TOOLS = sizeof(tools) / sizeof(tools[0]), ADVICE = TOOLS - 1 };

static double flops_of(const struct tune *t, size_t problem)
{
	return json_number_value(json_object_get(json_array_get(t->s.specs, problem), "flops"));
}

/* The smallest odd problems, smallest first; without any, the tuned one. */
static size_t choose_problems(const struct tune *t, size_t *chosen)
{
	const size_t all = json_array_size(t->s.specs);
	size_t n = 0;

	while (n < PROBLEMS) {
		size_t best = 0;

		for (size_t i = 1; i < all; i++) {
			bool taken = false;

			for (size_t k = 0; k < n; k++)
				taken |= chosen[k] == i;
			if (!taken && (best == 0 || flops_of(t, i) < flops_of(t, best)))
				best = i;
		}
		if (best == 0)
			break;
		chosen[n++] = best;
	}
	if (n == 0)
		chosen[n++] = 0;
	return n;
}

static int start_one(struct tune *t, struct tool_run *run, int which, const char *program, const json_t *entries, double limit_s,
		     struct err *e)
{
	const char *argv[ARGS_MAX] = { program, "--tool", tools[which], "--target-processes", "all", "--print-limit", "20",
				       "--report-api-errors", "no", "--padding", "65536", "--port", NULL };
	char port[16], filters[16][160];
	size_t i, n = 13;
	json_t *name;

	snprintf(port, sizeof(port), "%d", 49152 + PORTS * which);
	argv[12] = port;
	/* The runner's own kernels are not what is asked about, and cost time. */
	json_array_foreach(entries, i, name) {
		if (i == sizeof(filters) / sizeof(filters[0]))
			break;
		snprintf(filters[i], sizeof(filters[i]), "kne=%s", json_string_value(name));
		argv[n++] = "--kernel-name";
		argv[n++] = filters[i];
	}
	argv[n] = NULL;
	return tool_start(t, run, tools[which], argv, limit_s, e);
}

/* "clean", "not finished: ...", or the finding, which is also put into *finding. */
static json_t *verdict(struct tool_run *run, bool advice, double limit_s, struct buf *finding)
{
	const char *ok = json_string_value(json_object_get(run->result, "verdict"));
	const char *why = json_string_value(json_object_get(run->result, "why"));
	enum sanitizer_says says;
	struct buf text, line;
	json_t *r;

	buf_init(&text);
	buf_init(&line);
	says = sanitizer_read(buf_text(&run->log), run->log.len, &text);
	if (says == SANITIZER_FOUND && advice) {
		buf_addf(&line, "advice: %s", buf_text(&text));
	} else if (says == SANITIZER_FOUND) {
		buf_adds(&line, buf_text(&text));
		if (finding->len == 0)
			buf_addf(finding, "%s: %s", run->label, buf_text(&text));
	} else if (!run->ended) {
		buf_addf(&line, "not finished in %.0f s", run->took_s < limit_s ? run->took_s : limit_s);
	} else if (says == SANITIZER_CLEAN && ok && strcmp(ok, "ok") == 0) {
		buf_adds(&line, "clean");
	} else if (ok && strcmp(ok, "ok") != 0) {
		buf_addf(&line, "not finished: judged %s under it: %s", ok, why ? why : "");
	} else {
		buf_addf(&line, "not run: %s", text.len ? buf_text(&text) : run->why[0] ? run->why : "it left no report");
	}
	r = json_string(buf_text(&line));
	buf_free(&text);
	buf_free(&line);
	return r;
}

/* Until all have ended, or time is up; racecheck is not waited for alone. ERR_INTR: stopped by a signal. */
static int wait_all(struct tune *t, struct tool_run *runs, double limit_s, struct err *e)
{
	const double start = proc_now_s();
	double alone = 0;

	for (;;) {
		const double now = proc_now_s();
		int running = 0, needed = 0;

		for (int i = 0; i < TOOLS; i++)
			if (tool_poll(&runs[i]) == 0) {
				running++;
				needed += i != ADVICE;
			}
		if (running == 0)
			return 0;
		if (*t->o.stop)
			return err_set_code(e, ERR_INTR, "interrupted");
		if (needed == 0 && alone <= 0)
			alone = now;
		if (now - start > limit_s || (alone > 0 && now - alone > ADVICE_S))
			break;
		poll(NULL, 0, 20);
	}
	for (int i = 0; i < TOOLS; i++)
		tool_kill(&runs[i]);
	return 0;
}

/* Runs all tools on one candidate; a new record for the journal. What keeps a tool from running is in its result, not an
 * error; only a signal is. */
static int run_tools(struct tune *t, const struct slot *slot, const char *program, json_t **record, struct err *e)
{
	const double elapsed = proc_now_s() - t->started_s, start = proc_now_s();
	double limit_s = LIMIT_SHARE * elapsed;
	struct tool_run runs[TOOLS] = { 0 };
	struct err why = { 0 };
	json_t *entries = NULL, *results = json_object();
	size_t problems[PROBLEMS] = { 0 }, n = choose_problems(t, problems);
	struct buf finding;
	int rc;

	buf_init(&finding);
	limit_s = limit_s < LIMIT_LEAST_S ? LIMIT_LEAST_S : limit_s > LIMIT_MOST_S ? LIMIT_MOST_S : limit_s;
	rc = tool_prepare(t, slot, problems, n, &why);
	if (rc == 0)
		rc = tool_entries(t, slot, &entries, &why);
	for (int i = 0; rc == 0 && i < TOOLS; i++)
		rc = start_one(t, &runs[i], i, program, entries, limit_s, &why);
	if (rc == 0)
		rc = wait_all(t, runs, limit_s, &why);
	for (int i = 0; i < TOOLS; i++)
		if (rc == 0)
			json_object_set_new(results, tools[i], verdict(&runs[i], i == ADVICE, limit_s, &finding));
	for (int i = 0; i < TOOLS; i++)
		tool_free(&runs[i]);
	if (rc == ERR_INTR || *t->o.stop) {
		rc = err_set_code(e, ERR_INTR, "interrupted");
	} else {
		if (rc < 0) {
			json_decref(results);
			results = json_sprintf("not run: %s", why.text);
		}
		*record = json_pack("{s:s, s:s, s:O, s:f, s:f}", "kind", "sanitizer", "candidate", slot->text, "results", results,
				    "limit_s", limit_s, "seconds", proc_now_s() - start);
		if (finding.len) {
			json_object_set_new(*record, "verdict", json_string("fault"));
			json_object_set_new(*record, "why", json_string(buf_text(&finding)));
		}
		rc = 0;
	}
	json_decref(entries);
	json_decref(results);
	buf_free(&finding);
	return rc;
}

/* Whether every tool came to an end of its own. */
static bool is_final(const json_t *record)
{
	const json_t *results = json_object_get(record, "results"), *v;
	const char *name;

	json_object_foreach((json_t *)results, name, v)
		if (strncmp(json_string_value(v), "not ", 4) == 0)
			return false;
	return json_is_object(results);
}

static json_t *not_run(const struct slot *slot, const char *why)
{
	return json_pack("{s:s, s:s, s:s}", "kind", "sanitizer", "candidate", slot->text, "results", why);
}

static void say(struct tune *t, const struct slot *slot, const json_t *record)
{
	const json_t *results = json_object_get(record, "results");
	const char *why = json_string_value(json_object_get(record, "why"));
	struct buf line;
	void *next;
	json_t *v;

	if (json_is_string(results)) {
		tune_report_line(t, "sanitizer %s", json_string_value(results));
		return;
	}
	buf_init(&line);
	for (void *it = json_object_iter((json_t *)results); it; it = next) {
		v = json_object_iter_value(it);
		next = json_object_iter_next((json_t *)results, it);
		/* Tools that say the same say it once. */
		buf_addf(&line, "%s", json_object_iter_key(it));
		if (next && json_equal(v, json_object_iter_value(next)))
			buf_adds(&line, ", ");
		else
			buf_addf(&line, ": %s%s", json_string_value(v), next ? ", " : "");
	}
	tune_report_line(t, "sanitizer %s (%.1f s)%s", buf_text(&line), json_number_value(json_object_get(record, "seconds")),
			 t->s.mode == SESSION_REPLAY ? ", as recorded" : json_object_get(record, "kept") ? ", in an earlier run" : "");
	if (why)
		tune_report_line(t, "sanitizer disqualifies %s: fault: %s", slot->text, why);
	buf_free(&line);
}

int tune_sanitize(struct tune *t, const struct slot *slot, const char **finding, struct err *e)
{
	json_t *record = json_incref(json_object_get(t->sanitized, slot->text));
	char *program = NULL;
	int rc = 0;

	*finding = NULL;
	if (!record && t->s.mode == SESSION_REPLAY)
		record = json_incref((json_t *)tune_recorded(t, "sanitizer", slot->text));
	if (!record && t->s.mode == SESSION_LIVE) {
		program = t->o.no_sanitizer ? NULL : tool_find("compute-sanitizer");
		if (t->o.no_sanitizer)
			record = not_run(slot, "off");
		else if (!program)
			record = not_run(slot, "compute-sanitizer is not installed");
		else if (tool_obstacle(&t->s))
			record = not_run(slot, tool_obstacle(&t->s));
		else
			record = tool_recall(t, slot, program);
		if (!record)
			rc = run_tools(t, slot, program, &record, e);
		if (rc == 0 && program && is_final(record) && !json_object_get(record, "kept"))
			tool_keep(t, slot, program, record);
		if (rc == 0)
			rc = journal_append(&t->journal, record, e);
	}
	if (rc == 0 && record) {
		json_object_set(t->sanitized, slot->text, record);
		say(t, slot, record);
		*finding = json_string_value(json_object_get(record, "why"));
	}
	json_decref(record); /* t->sanitized has it */
	free(program);
	return rc;
}
