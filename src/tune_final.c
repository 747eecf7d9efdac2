/* tune_final: the championship of the best few, and the winner's files. Only the championship's numbers are published.
 * Does not search. The winner joins the entries of the header (store); this file gathers what is said of it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attune/cubin.h"
#include "attune/hash.h"
#include "attune/store.h"
#include "attune/tune.h"

#define CHAMPION_S 600.0
#define FINALISTS_MAX 64

/* Slots of the best few, fastest first, no machine code twice. Returns how many. */
static long finalists(const struct tune *t, long *index, long most)
{
	long n = 0;

	while (n < most) {
		long best = -1;

		for (long i = 0; i < t->n_slots; i++) {
			const char *code = json_string_value(json_object_get(t->slots[i].trial, "cubin_sha256"));
			bool taken = false;

			for (long k = 0; k < n; k++) {
				const char *other =
					json_string_value(json_object_get(t->slots[index[k]].trial, "cubin_sha256"));

				taken |= index[k] == i || (code && other && strcmp(code, other) == 0);
			}
			/* The judge checks what is far behind the incumbent of a large problem in part only. */
			taken |= json_object_get(t->slots[i].trial, "unchecked") != NULL;
			if (!taken && isfinite(tune_time_us(t->slots[i].trial)) &&
			    (best < 0 || tune_time_us(t->slots[i].trial) < tune_time_us(t->slots[best].trial)))
				best = i;
		}
		if (best < 0)
			break;
		index[n++] = best;
	}
	return n;
}

static json_t *baseline_names(const struct tune *t)
{
	json_t *names = json_array(), *entry;
	size_t i, k;

	if (t->o.baselines != BASELINES_EACH)
		return names;
	json_array_foreach(t->baselines, i, entry) {
		const json_t *group = json_object_get(entry, "group");
		bool have = false;
		json_t *name;

		json_array_foreach(names, k, name)
			have |= json_equal(name, group);
		if (!have && json_object_get(entry, "time_us"))
			json_array_append(names, (json_t *)group);
	}
	return names;
}

/* Every finalist's image goes to the runner again: it may have been dropped there, or compiled before an interruption. */
static int enter(struct tune *t, const struct slot *slot, json_t *entries, struct err *e)
{
	struct nvcc_result image = { 0 };
	json_t *launches = NULL, *load = NULL;
	int rc = session_launches(&t->s, slot->candidate, &launches, e);

	if (rc == 0 && t->s.mode == SESSION_LIVE) {
		rc = session_compile(&t->s, slot->candidate, t->s.arch, &image, e);
		if (rc == 0 && !image.ok)
			rc = err_set(e, "finalist does not compile any more: %s", image.why);
		load = json_pack("{s:s, s:s}", "type", "load", "id", image.id ? image.id : "");
		if (rc == 0)
			rc = runner_send(t->s.runner, load, image.cubin.data, image.cubin.len, e);
	}
	if (rc == 0)
		json_array_append_new(entries, json_pack("{s:s, s:s, s:O}", "id", image.id ? image.id : slot->text,
							 "candidate", slot->text, "launches", launches));
	json_decref(load);
	json_decref(launches);
	nvcc_result_free(&image);
	return rc;
}

static long slot_of(const struct tune *t, const char *text)
{
	for (long i = 0; text && i < t->n_slots; i++)
		if (strcmp(t->slots[i].text, text) == 0)
			return i;
	return -1;
}

/* The entry that won most processes; of equals, the faster one. What has been disqualified since is passed over. */
static json_t *winning_entry(const struct tune *t)
{
	const json_t *entries = json_object_get(t->champion, "entries");
	json_t *entry, *best = NULL;
	size_t i;

	json_array_foreach(entries, i, entry) {
		json_int_t wins = json_integer_value(json_object_get(entry, "wins"));
		json_int_t most = json_integer_value(json_object_get(best, "wins"));
		double time = json_number_value(json_object_get(entry, "time_us"));

		long slot = slot_of(t, json_string_value(json_object_get(entry, "candidate")));

		if (slot < 0 || time <= 0 || !isfinite(tune_time_us(t->slots[slot].trial)))
			continue;
		if (!best || wins > most ||
		    (wins == most && time < json_number_value(json_object_get(best, "time_us"))))
			best = entry;
	}
	return best;
}

/* A finding is the candidate's verdict from now on: it neither wins nor is ranked. */
static void disqualify(struct slot *slot, const char *finding)
{
	json_t *trial = json_deep_copy(slot->trial);

	json_object_set_new(trial, "verdict", json_string("fault"));
	json_object_set_new(trial, "why", json_string(finding));
	json_decref(slot->trial);
	slot->trial = trial;
}

/* The best entry that compute-sanitizer has nothing against; each that it has is disqualified, and the next one looked at. */
static int take_winner(struct tune *t, struct err *e)
{
	const char *finding = NULL;
	long refused = 0;
	json_t *entry;

	while ((entry = winning_entry(t))) {
		struct slot *slot = &t->slots[slot_of(t, json_string_value(json_object_get(entry, "candidate")))];

		if (tune_sanitize(t, slot, &finding, e) < 0)
			return e->code;
		if (!finding) {
			json_decref(t->winner);
			t->winner = json_deep_copy(slot->trial);
			json_object_set(t->winner, "championship", entry);
			return 0;
		}
		disqualify(slot, finding);
		refused++;
	}
	if (refused)
		return err_set(e, "none of the %ld finalists is sound: %s", refused, finding);
	return err_set(e, "the championship has no winner: every finalist failed in a fresh process");
}

int tune_championship(struct tune *t, struct err *e)
{
	long index[FINALISTS_MAX], n;
	json_t *head = NULL, *answer = NULL, *entries = json_array();
	int rc = 0;

	n = finalists(t, index, t->o.finalists < FINALISTS_MAX ? t->o.finalists : FINALISTS_MAX);
	if (n == 0) {
		rc = err_set(e, "none of %ld candidates was right: nothing is emitted (see %s/trials.jsonl)", t->n_slots,
			     t->run_dir);
		goto out;
	}
	t->winner = json_deep_copy(t->slots[index[0]].trial);
	if (t->s.mode == SESSION_STATIC)
		goto out;
	if (!t->champion) {
		tune_report_line(t, "championship: %ld candidates%s in %ld fresh processes", n,
				 t->o.baselines == BASELINES_EACH ? " and the baselines" : "", t->o.processes);
		for (long i = 0; i < n && rc == 0; i++)
			rc = enter(t, &t->slots[index[i]], entries, e);
		if (rc == 0) {
			head = json_pack("{s:s, s:O, s:o, s:I}", "type", "champion", "entries", entries, "baselines",
					 baseline_names(t), "processes", (json_int_t)t->o.processes);
			rc = session_request(&t->s, head, NULL, 0, CHAMPION_S, &answer, e);
		}
		if (rc == 0) {
			json_object_del(answer, "type");
			json_object_set_new(answer, "kind", json_string("champion"));
			t->champion = json_incref(answer);
			rc = journal_append(&t->journal, answer, e);
		}
	}
	if (rc == 0)
		rc = take_winner(t, e);
out:
	json_decref(head);
	json_decref(answer);
	json_decref(entries);
	return rc;
}

/* --- what stands in the files ------------------------------------------------------------------------------------- */

static json_t *rejected(const struct tune *t)
{
	json_t *counts = json_object();

	for (long i = 0; i < t->n_slots; i++) {
		const char *verdict = json_string_value(json_object_get(t->slots[i].trial, "verdict"));

		if (verdict && strcmp(verdict, "ok") != 0 && !json_object_get(t->slots[i].trial, "same_as"))
			json_object_set_new(counts, verdict,
					    json_integer(1 + json_integer_value(json_object_get(counts, verdict))));
	}
	return counts;
}

static void regenerate_command(const struct tune *t, struct buf *out)
{
	const char *name = json_string_value(json_object_get(session_problem(&t->s), "name"));

	buf_addf(out, "make tune ARCH=%s", t->s.arch);
	if (strcmp(t->s.o.kernel, "attn") != 0)
		buf_addf(out, " KERNEL=%s", t->s.o.kernel);
	buf_addf(out, name ? " PROBLEM=%s" : " PROBLEM=\"%s\"", name ? name : session_problem_text(&t->s));
	buf_addf(out, " TRIALS=%ld SEED=%llu POLICY=%s", t->o.trials, (unsigned long long)t->o.seed, t->o.policy_name);
}

static void set_times(struct tune *t, json_t *p)
{
	const json_t *entry = json_object_get(t->winner, "championship"), *from = entry ? entry : t->winner;
	static const char *const pairs[][2] = { { "time_us", "time_us" }, { "lo_us", "time_lo_us" },
						{ "hi_us", "time_hi_us" }, { "time_lo_us", "time_lo_us" },
						{ "time_hi_us", "time_hi_us" }, { "warm_us", "warm_us" } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (json_is_number(json_object_get(from, pairs[i][0])))
			json_object_set(p, pairs[i][1], json_object_get(from, pairs[i][0]));
}

static json_t *provenance(struct tune *t, const struct nvcc_result *image, const char *source_sha256, const char *command)
{
	const json_t *replay = t->s.runner ? json_object_get(runner_hello(t->s.runner), "replay") : NULL;
	const json_t *run = json_object_get(replay, "run");
	struct buf flags;
	json_t *p = json_object();

	buf_init(&flags);
	nvcc_command(t->s.arch, NULL, &flags);
	json_object_set_new(p, "source_sha256", json_string(source_sha256));
	json_object_set_new(p, "cubin_sha256", json_string(image->cubin_sha256));
	json_object_set(p, "device", json_object_get(t->s.device, "name"));
	json_object_set(p, "driver", json_object_get(t->s.device, "driver"));
	json_object_set_new(p, "nvcc", json_string(nvcc_version(t->s.nvcc)));
	json_object_set_new(p, "nvcc_flags", json_string(command));
	json_object_set_new(p, "policy", json_string(t->o.policy_name));
	json_object_set_new(p, "seed", json_integer((json_int_t)t->o.seed));
	json_object_set_new(p, "trials", json_integer(t->n_slots - t->repeats));
	json_object_set_new(p, "rejected", rejected(t));
	json_object_set(p, "errors", json_object_get(t->winner, "checks"));
	json_object_set(p, "noise", json_object_get(t->champion, "noise"));
	json_object_set(p, "versions", t->versions);
	json_object_set(p, "sanitizer", json_object_get(json_object_get(t->sanitized, json_string_value(json_object_get(
						t->winner, "candidate"))), "results"));
	if (run)
		json_object_set(p, "run", json_object_get(run, "run_name"));
	/* By these `attune suite` knows an entry that is up to date. A replay has searched nothing. */
	if (t->s.mode == SESSION_LIVE) {
		json_object_set_new(p, "sources_sha256", json_string(t->sources_sha256));
		json_object_set_new(p, "policy_sha256", json_string(t->policy_sha256));
		json_object_set_new(p, "budget", json_integer(t->o.trials));
	}
	if (json_object_get(t->winner, "time_us")) {
		set_times(t, p);
		if (t->baseline_us > 0) {
			json_object_set_new(p, "baseline_name", json_string(t->baseline_name));
			json_object_set_new(p, "baseline_us", json_real(t->baseline_us));
		}
		json_object_set(p, "baselines", t->baselines);
	}
	buf_free(&flags);
	return p;
}

/* Whether the times belong to this machine code. A replayed winner is compiled here, and its bits decide. */
static bool measured(const struct tune *t, const struct nvcc_result *image, struct buf *why)
{
	const char *recorded = json_string_value(json_object_get(t->winner, "cubin_sha256"));

	if (t->s.mode == SESSION_STATIC) {
		buf_addf(why, "there was no GPU for %s and no recorded run of this problem", t->s.arch);
		return false;
	}
	if (t->s.mode == SESSION_REPLAY && (!recorded || strcmp(recorded, image->cubin_sha256) != 0)) {
		buf_addf(why, "the recorded times belong to other machine code than nvcc %s makes from this source",
			 nvcc_version(t->s.nvcc));
		return false;
	}
	return true;
}

static int header_json(struct tune *t, const struct nvcc_result *image, const json_t *candidate, const char *source_sha256,
		       const char *command, json_t **out, struct err *e)
{
	json_t *launch = NULL, *derived = NULL, *resources = NULL, *h;
	struct buf why, regenerate;
	bool is_measured;

	buf_init(&why);
	buf_init(&regenerate);
	if (script_launch_symbolic(t->s.script, session_problem(&t->s), candidate, &launch, e) < 0 ||
	    script_derived_symbolic(t->s.script, session_problem(&t->s), &derived, e) < 0) {
		json_decref(launch);
		buf_free(&why);
		return -1;
	}
	is_measured = measured(t, image, &why);
	regenerate_command(t, &regenerate);
	h = json_pack("{s:s, s:O, s:O, s:O, s:O, s:s, s:o, s:o, s:O, s:b, s:b, s:s, s:o}", "family", t->s.o.kernel,
		      "family_info", script_family(t->s.script), "problem", session_problem(&t->s), "candidate", candidate,
		      "candidate_text", json_object_get(t->winner, "candidate"), "arch", t->s.arch, "launch", launch, "derived",
		      derived, "spec", json_array_get(t->s.specs, 0), "measured", is_measured, "recorded",
		      t->s.mode == SESSION_REPLAY, "regenerate", buf_text(&regenerate), "provenance",
		      provenance(t, image, source_sha256, command));
	if (session_resources(&t->s, candidate, image->resources, &resources, NULL) == 0)
		json_object_set_new(h, "resources", resources);
	if (!is_measured) {
		json_object_set_new(h, "provisional_why", json_string(buf_text(&why)));
		if (t->s.mode != SESSION_STATIC)
			tune_report_line(t, "provisional: %s", buf_text(&why));
	}
	buf_free(&why);
	buf_free(&regenerate);
	*out = h;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get((*(const struct slot *const *)a)->trial, "n"));
	json_int_t y = json_integer_value(json_object_get((*(const struct slot *const *)b)->trial, "n"));

	return (x > y) - (x < y);
}

/* The search from its first trial to its last, a line each, so that an entry tells how it was found where the journal is gone. */
static json_t *search_json(const struct tune *t)
{
	const struct slot **sorted = malloc((size_t)t->n_slots * sizeof(struct slot *));
	json_t *trials = json_array();
	struct buf text;
	long n = 0;

	buf_init(&text);
	for (long i = 0; sorted && i < t->n_slots; i++)
		if (tune_took_trial(&t->slots[i]))
			sorted[n++] = &t->slots[i];
	if (sorted)
		qsort(sorted, (size_t)n, sizeof(*sorted), by_number);
	for (long i = 0; i < n; i++) {
		const json_t *trial = sorted[i]->trial;
		const char *why = json_string_value(json_object_get(trial, "why"));
		json_t *line = json_pack("{s:O?, s:O?, s:O?}", "n", json_object_get(trial, "n"), "generation",
					 json_object_get(trial, "generation"), "verdict", json_object_get(trial, "verdict"));

		if (json_object_get(trial, "time_us"))
			json_object_set(line, "time_us", json_object_get(trial, "time_us"));
		if (why && *why)
			json_object_set_new(line, "why", json_string(why));
		json_object_set_new(line, "candidate", json_string(tune_short_text(t, sorted[i], &text)));
		json_array_append_new(trials, line);
	}
	free(sorted);
	buf_free(&text);
	return trials;
}

/* What stands behind the header's claims: the search, the ranking and the championship. */
static json_t *evidence_json(const struct tune *t)
{
	json_t *r = json_pack("{s:s, s:O?, s:O?}", "mode", session_mode_text(&t->s), "device", t->s.device, "baselines",
			      t->baselines);
	const json_t *replay = t->s.runner ? json_object_get(runner_hello(t->s.runner), "replay") : NULL;
	json_t *ranking = json_array();
	long index[FINALISTS_MAX], n = finalists(t, index, 10);

	for (long i = 0; i < n; i++)
		json_array_append(ranking, t->slots[index[i]].trial);
	if (json_object_get(json_object_get(replay, "run"), "date"))
		json_object_set(r, "recorded", json_object_get(json_object_get(replay, "run"), "date"));
	if (t->champion)
		json_object_set(r, "championship", t->champion);
	if (json_object_size(t->sanitized))
		json_object_set(r, "sanitizer", t->sanitized);
	json_object_set_new(r, "ranking", ranking);
	json_object_set_new(r, "search", search_json(t));
	return r;
}

/* Puts the winner among the entries of the header, in the place of what was there for this problem and arch. */
static int merge(struct tune *t, const json_t *header, const struct buf *source, const struct buf *cubin, struct err *e)
{
	json_t *evidence = evidence_json(t);
	const char *name = "";
	struct store store;
	int rc = store_open(&store, t->o.out, t->s.o.kernel, true, e);

	if (rc == 0) {
		rc = store_put(&store, header, evidence, source, cubin, &name, e);
		if (rc == 0)
			rc = store_emit(&store, e);
		if (rc == 0)
			tune_report_line(t, "entry     %s, one of %zu in %s/%s_best.h", name, store.n, t->o.out, t->s.o.kernel);
		store_close(&store);
	}
	json_decref(evidence);
	return rc;
}

int tune_emit(struct tune *t, struct err *e)
{
	struct nvcc_result image = { 0 };
	struct buf source, body, command;
	json_t *candidate = NULL, *json = NULL;
	const json_t *flags = NULL;
	char hex[HASH_HEX];
	int rc;

	buf_init(&source);
	buf_init(&body);
	buf_init(&command);
	rc = script_candidate(t->s.script, json_string_value(json_object_get(t->winner, "candidate")), &candidate, e);
	if (rc == 0)
		rc = session_source(&t->s, candidate, t->s.arch, &source, &body, &flags, e);
	if (rc == 0)
		rc = session_compile(&t->s, candidate, t->s.arch, &image, e);
	if (rc == 0 && !image.ok)
		rc = err_set(e, "the winner does not compile here: %s", image.why);
	if (rc == 0) {
		hash_bytes(hex, source.data, source.len);
		nvcc_command(t->s.arch, flags, &command);
		rc = header_json(t, &image, candidate, hex, buf_text(&command), &json, e);
	}
	if (rc == 0)
		rc = merge(t, json, &source, &image.cubin, e);
	json_decref(candidate);
	json_decref(json);
	nvcc_result_free(&image);
	buf_free(&source);
	buf_free(&body);
	buf_free(&command);
	return rc;
}
