/* record: for the tests of replay: journals written by the journal module, and a child process that replays them. */
#include "record.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "attune/fs.h"
#include "attune/replay.h"
#include "scratch.h"

void record_add(struct journal *j, json_t *record)
{
	struct err e = { 0 };

	ck_assert_ptr_nonnull(record);
	ck_assert_msg(journal_append(j, record, &e) == 0, "%s", e.text);
	json_decref(record);
}

json_t *record_trial(const char *candidate, const char *verdict, double time_us)
{
	json_t *t = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i}", "kind", "trial", "candidate", candidate, "problem",
			      RECORD_PROBLEM, "verdict", verdict, "why", "", "regs", 40, "generation", 3);

	if (time_us > 0) {
		json_object_set_new(t, "time_us", json_real(time_us));
		json_object_set_new(t, "time_lo_us", json_real(time_us - 0.5));
		json_object_set_new(t, "time_hi_us", json_real(time_us + 0.5));
		json_object_set_new(t, "warm_us", json_real(time_us - 1));
		json_object_set_new(t, "race", json_pack("{s:f}", "ratio", 1.25));
	}
	return t;
}

void record_open(struct record *r, struct journal *j)
{
	struct err e = { 0 };
	json_t *records = NULL;

	ck_assert_msg(journal_open(j, r->path, &records, &e) == 0, "%s", e.text);
	json_decref(records);
	record_add(j, json_pack("{s:s, s:s, s:{s:s, s:s}, s:s}", "kind", "run", "problem", RECORD_PROBLEM, "device",
				"name", "a test", "arch", "sm_90a", "nvcc", "13.0"));
}

static json_t *measured(const char *by, const char *name, double first_us, double second_us, int wins)
{
	return json_pack("{s:s, s:f, s:[f, f], s:i}", by, name, "time_us", (first_us + second_us) / 2, "per_process_us",
			 first_us, second_us, "wins", wins);
}

void record_all(struct record *r)
{
	struct journal j;
	json_t *entries;

	record_open(r, &j);
	record_add(&j, json_pack("{s:s, s:s, s:[{s:s, s:f}]}", "kind", "baseline", "name", "plain", "entries", "name",
				 "plain", "time_us", 20.0));
	record_add(&j, json_pack("{s:s, s:[{s:s, s:s, s:f}, {s:s, s:s, s:s}], s:{s:s}}", "kind", "baselines", "entries",
				 "group", "sdpa", "name", "cudnn", "time_us", 10.0, "group", "sdpa", "name", "math",
				 "why", "no", "versions", "torch", "9"));
	record_add(&j, json_pack("{s:s, s:s}", "kind", "intent", "candidate", "v A=9"));
	record_add(&j, record_trial("v A=1", "ok", 9.0));
	record_add(&j, record_trial("v A=1", "ok", 8.0));
	record_add(&j, record_trial("v A=1", "hung", 0));
	record_add(&j, record_trial("v A=2", "wrong", 0));
	record_add(&j, record_trial("v A=3", "ok", 7.0));
	record_add(&j, record_trial("v A=4", "ok", 6.0));
	entries = json_array();
	json_array_append_new(entries, measured("candidate", "v A=3", 7.0, 7.5, 2));
	json_array_append_new(entries, measured("candidate", "v A=1", 8.0, 8.5, 0));
	json_array_append_new(entries, measured("name", "plain", 6.9, 8.9, 0));
	record_add(&j, json_pack("{s:s, s:o, s:{s:f}}", "kind", "champion", "entries", entries, "noise", "aa_median",
				 1.001));
	record_add(&j, json_pack("{s:s, s:s, s:s, s:s, s:f}", "kind", "trial", "candidate", "v A=3", "problem",
				 RECORD_OTHER, "verdict", "ok", "time_us", 1.0));
	journal_close(&j);
}

void record_set_up(struct record *r)
{
	scratch_new_folder(r->folder, sizeof(r->folder));
	r->path = fs_join(r->folder, "trials.jsonl");
}

void record_tear_down(struct record *r)
{
	fs_remove_tree(r->folder, NULL);
	free(r->path);
}

json_t *record_greeted(const struct record *r, struct peer *p)
{
	json_t *hello;

	peer_fork(p, replay_main, r->path);
	hello = peer_receive(p, 20);
	ck_assert_ptr_nonnull(hello);
	return hello;
}

json_t *record_problem(const char *text)
{
	return json_pack("{s:s, s:[{s:s}]}", "type", "problem", "problems", "text", text);
}

void record_ready(const struct record *r, struct peer *p)
{
	json_t *answer;

	json_decref(record_greeted(r, p));
	answer = peer_ask(p, record_problem(RECORD_PROBLEM), "image", 5);
	ck_assert_str_eq(peer_text(answer, "type"), "ready");
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "candidates")), 4);
	json_decref(answer);
}
