/* tune_run: the folder of one run, build/runs/<family>-<arch>-<key>/<number>/trials.jsonl. The key is a hash of all that
 * determines the run, so the same command finds an interrupted run and goes on with it; a finished run is left alone and
 * the next number is taken. Does not evaluate anything. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attune/fs.h"
#include "attune/hash.h"
#include "attune/tune.h"
#include "attune/version.h"

#define SOURCE_MAX (4u << 20)
#define RUNS_MAX 100000

/* Appends "path hash" for every file that a pattern below root finds, in sorted order. */
static void hash_files(struct buf *out, const char *root, const char *pattern)
{
	char *full = fs_join(root, pattern), hex[HASH_HEX];
	glob_t g = { 0 };

	if (glob(full, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			if (hash_file(hex, g.gl_pathv[i], NULL) == 0)
				buf_addf(out, "%s %s\n", g.gl_pathv[i] + strlen(root), hex);
	globfree(&g);
	free(full);
}

void tune_sources_hash(const char *root, const char *kernel, char hex[HASH_HEX])
{
	/* What explains or measures the family from outside is no part of it. */
	static const char *const kinds[] = { "lua", "cu", "cuh", "py" };
	struct buf files, pattern;

	buf_init(&files);
	buf_init(&pattern);
	hash_files(&files, root, "lua/*.lua");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		buf_clear(&pattern);
		buf_addf(&pattern, "kernels/%s/*.%s", kernel, kinds[i]);
		hash_files(&files, root, buf_text(&pattern));
	}
	hash_files(&files, root, "include/attune/*.cuh");
	hash_bytes(hex, files.data, files.len);
	buf_free(&files);
	buf_free(&pattern);
}

static json_t *run_record(struct tune *t)
{
	struct session *s = &t->s;
	char hex[HASH_HEX];
	json_t *run;

	tune_sources_hash(s->o.root, s->o.kernel, t->sources_sha256);
	if (s->o.policy)
		hash_file(t->policy_sha256, s->o.policy, NULL);
	run = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:O?, s:s, s:s, s:s, s:s, s:s}", "kind", "run", "attune",
			ATTUNE_VERSION, "kernel", s->o.kernel, "problem", session_problem_text(s), "arch", s->arch, "seed",
			(json_int_t)t->o.seed, "mode", session_mode_text(s), "device", s->device, "nvcc",
			nvcc_version(s->nvcc), "nvcc_sha256", nvcc_identity(s->nvcc), "policy", t->o.policy_name,
			"policy_sha256", t->policy_sha256, "sources_sha256", t->sources_sha256);
	if (t->o.finalists == 0)
		json_object_set_new(run, "search_only", json_true());
	if (s->record) {
		hash_file(hex, s->record, NULL);
		json_object_set_new(run, "record_sha256", json_string(hex));
	}
	/* What it sees of profiles is part of what a policy does. */
	if (t->o.profiles != TUNE_PROFILES)
		json_object_set_new(run, "profiles", json_integer(t->o.profiles));
	return run;
}

/* What names the run's folder. Two devices of one kind are one here, so that a machine can go on with what another of its kind
 * began; which one measured is in the records. */
static void run_key(const json_t *run, char hex[HASH_HEX])
{
	json_t *kind = json_deep_copy(run);
	char *dump;

	json_object_del(json_object_get(kind, "device"), "uuid_hash");
	dump = json_dumps(kind, JSON_SORT_KEYS | JSON_COMPACT);
	hash_bytes(hex, dump, strlen(dump));
	free(dump);
	json_decref(kind);
}

/* An interrupted run that goes on on another device of the same kind says so in its journal. */
static int note_device(struct tune *t, const json_t *records, struct err *e)
{
	const json_t *now = json_object_get(t->s.device, "uuid_hash"), *was = NULL;
	size_t i;
	json_t *r;

	json_array_foreach(records, i, r)
		if (json_object_get(r, "device"))
			was = json_object_get(json_object_get(r, "device"), "uuid_hash");
	if (!now || !was || json_equal(now, was))
		return 0;
	return tune_run_append(t, json_pack("{s:s, s:O}", "kind", "device", "device", t->s.device), e);
}

/* Puts what an interrupted run had finished where tune_evaluate looks for it. */
static void take_past(struct tune *t, const json_t *records)
{
	size_t i;
	json_t *r;

	json_array_foreach(records, i, r) {
		const char *kind = json_string_value(json_object_get(r, "kind"));
		const char *text = json_string_value(json_object_get(r, "candidate"));

		if (!kind)
			continue;
		/* The line's own: a record is the same whether it was made here or read. */
		json_object_del(r, "seq");
		json_object_del(r, "crc");
		if (strcmp(kind, "trial") == 0 && text) {
			json_object_set(t->past, text, r);
			t->tried_before += !json_object_get(r, "same_as");
		} else if (strcmp(kind, "baselines") == 0) {
			t->baselines = json_incref(json_object_get(r, "entries"));
			t->versions = json_incref(json_object_get(r, "versions"));
		} else if (strcmp(kind, "champion") == 0) {
			json_decref(t->champion);
			t->champion = json_incref(r);
		} else if (strcmp(kind, "sanitizer") == 0 && text) {
			json_object_set(t->sanitized, text, r);
		} else if (strcmp(kind, "profile") == 0 && text) {
			json_object_set(t->past_profiles, text, r);
		}
	}
}

static bool finished(const json_t *records)
{
	const json_t *last = json_array_get(records, json_array_size(records) - 1);
	const char *kind = json_string_value(json_object_get(last, "kind"));

	return kind && strcmp(kind, "end") == 0;
}

/* The day, UTC: of no influence on the run, so it is no part of its key; a run that is resumed keeps the day it began. */
static void set_date(json_t *run)
{
	char day[32];
	const time_t now = time(NULL);
	struct tm utc;

	if (gmtime_r(&now, &utc) && strftime(day, sizeof(day), "%Y-%m-%d", &utc))
		json_object_set_new(run, "date", json_string(day));
}

int tune_run_open(struct tune *t, struct err *e)
{
	json_t *run = run_record(t), *records = NULL;
	char hex[HASH_HEX], *path = NULL;
	struct buf dir;
	int rc = -1;

	buf_init(&dir);
	run_key(run, hex);
	t->past = json_object();
	t->sanitized = json_object();
	t->profiled = json_object();
	t->past_profiles = json_object();
	for (int number = 1; number < RUNS_MAX; number++) {
		buf_clear(&dir);
		buf_addf(&dir, "%s/build/runs/%s-%s-%.10s/%d", t->s.o.root, t->s.o.kernel, t->s.arch, hex, number);
		free(path);
		path = fs_join(buf_text(&dir), "trials.jsonl");
		if (fs_mkdirs(buf_text(&dir), e) < 0)
			goto out;
		rc = journal_open(&t->journal, path, &records, e);
		if (rc == ERR_AGAIN)
			err_where(e, "another attune is running this same tune");
		if (rc < 0)
			goto out;
		if (!finished(records))
			break;
		journal_close(&t->journal);
		json_decref(records);
		records = NULL;
	}
	t->run_dir = buf_take(&dir);
	set_date(run);
	if (json_array_size(records) == 0) {
		rc = journal_append(&t->journal, run, e);
	} else {
		take_past(t, records);
		rc = note_device(t, records, e);
	}
out:
	json_decref(run);
	json_decref(records);
	buf_free(&dir);
	free(path);
	return rc;
}

const json_t *tune_recorded(const struct tune *t, const char *kind, const char *candidate)
{
	const json_t *replay = t->s.runner ? json_object_get(runner_hello(t->s.runner), "replay") : NULL;
	const json_t *notes = json_object_get(json_object_get(replay, "notes"), kind);

	return json_object_get(json_object_get(notes, session_problem_text(&t->s)), candidate);
}

int tune_run_append(struct tune *t, json_t *record, struct err *e)
{
	int rc = journal_append(&t->journal, record, e);

	json_decref(record);
	return rc;
}
