/* tune_run: the folder of one run, build/runs/<family>-<arch>-<key>/<number>/trials.jsonl. The key is a hash of all that
 * determines the run, so the same command finds an interrupted run and goes on with it; a finished run is left alone and
 * the next number is taken. Does not evaluate anything. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static json_t *run_record(struct tune *t)
{
	struct session *s = &t->s;
	struct buf files, pattern;
	char hex[HASH_HEX], policy[HASH_HEX] = "";
	json_t *run;

	buf_init(&files);
	buf_init(&pattern);
	hash_files(&files, s->o.root, "lua/*.lua");
	buf_addf(&pattern, "kernels/%s/*", s->o.kernel);
	hash_files(&files, s->o.root, buf_text(&pattern));
	hash_files(&files, s->o.root, "include/attune/*.cuh");
	hash_bytes(hex, files.data, files.len);
	if (s->o.policy)
		hash_file(policy, s->o.policy, NULL);
	run = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:O?, s:s, s:s, s:s, s:s, s:s}", "kind", "run", "attune",
			ATTUNE_VERSION, "kernel", s->o.kernel, "problem", session_problem_text(s), "arch", s->arch, "seed",
			(json_int_t)t->o.seed, "mode", session_mode_text(s), "device", s->device, "nvcc",
			nvcc_version(s->nvcc), "nvcc_sha256", nvcc_identity(s->nvcc), "policy", t->o.policy_name,
			"policy_sha256", policy, "sources_sha256", hex);
	if (t->o.finalists == 0)
		json_object_set_new(run, "search_only", json_true());
	if (t->o.no_baselines)
		json_object_set_new(run, "no_baselines", json_true());
	if (s->record) {
		hash_file(hex, s->record, NULL);
		json_object_set_new(run, "record_sha256", json_string(hex));
	}
	buf_free(&files);
	buf_free(&pattern);
	return run;
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
		if (strcmp(kind, "trial") == 0 && text) {
			json_object_set(t->past, text, r);
			t->tried_before += !json_object_get(r, "same_as");
		} else if (strcmp(kind, "baselines") == 0) {
			t->baselines = json_incref(json_object_get(r, "entries"));
			t->versions = json_incref(json_object_get(r, "versions"));
		} else if (strcmp(kind, "champion") == 0) {
			json_decref(t->champion);
			t->champion = json_incref(r);
		}
	}
}

static bool finished(const json_t *records)
{
	const json_t *last = json_array_get(records, json_array_size(records) - 1);
	const char *kind = json_string_value(json_object_get(last, "kind"));

	return kind && strcmp(kind, "end") == 0;
}

int tune_run_open(struct tune *t, struct err *e)
{
	json_t *run = run_record(t), *records = NULL;
	char *dump = json_dumps(run, JSON_SORT_KEYS | JSON_COMPACT), hex[HASH_HEX], *path = NULL;
	struct buf dir;
	int rc = -1;

	buf_init(&dir);
	hash_bytes(hex, dump, strlen(dump));
	t->past = json_object();
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
	if (json_array_size(records) == 0)
		rc = journal_append(&t->journal, run, e);
	else
		take_past(t, records);
out:
	json_decref(run);
	json_decref(records);
	buf_free(&dir);
	free(dump);
	free(path);
	return rc;
}

int tune_run_append(struct tune *t, json_t *record, struct err *e)
{
	int rc = journal_append(&t->journal, record, e);

	json_decref(record);
	return rc;
}
