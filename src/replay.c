/* replay: serves a recorded journal over the wire protocol. Runs nothing, measures nothing and invents nothing: what
 * was not recorded is said to be so.
 * The record is indexed once (by problem and candidate text); a request is then one lookup, so that a replayed run
 * costs the host what the host itself costs. */
#include "attune/replay.h"

#include <stdio.h>
#include <string.h>

#include "attune/journal.h"
#include "attune/wire.h"
#include "replay_internal.h"

const char *replay_text(const json_t *v)
{
	return json_is_object(v) ? json_string_value(json_object_get(v, "text")) : json_string_value(v);
}

static json_t *under(json_t *table, const char *key, json_t *(*make)(void))
{
	if (!json_object_get(table, key))
		json_object_set_new(table, key, make());
	return json_object_get(table, key);
}

bool replay_is_ok(const json_t *record)
{
	const char *v = json_string_value(json_object_get(record, "verdict"));

	return v && !strcmp(v, "ok");
}

/* A "baselines" line lists the entries of every baseline, each with the "group" that it belongs to. */
static void index_baselines(json_t *table, const json_t *record)
{
	json_t *fresh = json_object(), *entry, *one;
	const char *group;
	size_t i;

	json_array_foreach(json_object_get(record, "entries"), i, entry) {
		group = json_string_value(json_object_get(entry, "group"));
		group = group ? group : json_string_value(json_object_get(entry, "name"));
		if (!group)
			continue;
		one = under(fresh, group, json_object);
		json_array_append(under(one, "entries", json_array), entry);
		json_object_set(one, "versions", json_object_get(record, "versions"));
	}
	json_object_update(table, fresh);
	json_decref(fresh);
}

static void index_record(struct replay *r, json_t *record, const char **problem)
{
	const char *kind = json_string_value(json_object_get(record, "kind"));
	const char *own = replay_text(json_object_get(record, "problem"));
	const char *name;

	if (own)
		*problem = own;
	if (!kind || !*problem)
		return;
	if (!strcmp(kind, "run")) {
		if (!r->run)
			r->run = record;
		under(r->trials, *problem, json_object);
	} else if (!strcmp(kind, "trial") && json_object_get(record, "verdict")) {
		json_t *table = under(r->trials, *problem, json_object);

		name = replay_text(json_object_get(record, "candidate"));
		if (name && (replay_is_ok(record) || !replay_is_ok(json_object_get(table, name))))
			json_object_set(table, name, record);
	} else if (!strcmp(kind, "baseline")) {
		name = json_string_value(json_object_get(record, "name"));
		if (name)
			json_object_set(under(r->baselines, *problem, json_object), name, record);
	} else if (!strcmp(kind, "baselines")) {
		index_baselines(under(r->baselines, *problem, json_object), record);
	} else if (!strcmp(kind, "champion") && json_is_array(json_object_get(record, "entries"))) {
		json_array_append(under(r->champions, *problem, json_array), record);
	} else if (!strcmp(kind, "sanitizer") || !strcmp(kind, "profile")) {
		name = replay_text(json_object_get(record, "candidate"));
		if (name)
			json_object_set(under(under(r->notes, kind, json_object), *problem, json_object), name, record);
	}
}

static int load(struct replay *r, struct err *e)
{
	const char *problem = NULL;
	json_t *record;
	size_t i;

	r->trials = json_object();
	r->baselines = json_object();
	r->champions = json_object();
	r->notes = json_object();
	if (journal_read(r->file, &r->records, e) < 0)
		return err_where(e, "replay");
	json_array_foreach(r->records, i, record)
		index_record(r, record, &problem);
	if (!r->run || !json_is_object(json_object_get(r->run, "device")) ||
	    !replay_text(json_object_get(r->run, "problem")))
		return err_set(e, "replay: %s: no run line with a problem and a device", r->file);
	return 0;
}

static json_t *names_of(json_t *table)
{
	json_t *names = json_array(), *value;
	const char *key;

	json_object_foreach(table, key, value)
		json_array_append_new(names, json_string(key));
	return names;
}

static json_t *hello(const struct replay *r)
{
	json_t *all = json_object(), *table, *value, *names, *run = json_copy(r->run);
	const char *problem, *key;
	json_t *device = json_object_get(r->run, "device");
	const char *slash = strrchr(r->file, '/');

	json_object_foreach(r->trials, problem, table)
		json_object_foreach(table, key, value)
			json_object_set(all, key, value);
	names = names_of(all);
	json_decref(all);
	json_object_del(run, "seq");
	json_object_del(run, "crc");
	json_object_del(run, "kind");
	return json_pack("{s:s, s:i, s:s, s:O, s:{s:s, s:I, s:O, s:o, s:s, s:o, s:o, s:O*}}", "type", "hello", "protocol",
			 WIRE_PROTOCOL, "runner", "attune-run --replay", "device", device, "replay", "file",
			 slash ? slash + 1 : r->file, "records", (json_int_t)json_array_size(r->records), "recorded_on",
			 device, "run", run, "problem", replay_text(json_object_get(r->run, "problem")), "problems",
			 names_of(r->trials), "candidates", names, "notes", json_object_size(r->notes) ? r->notes : NULL);
}

static json_t *answer_problem(struct replay *r, const json_t *head)
{
	const char *asked = replay_text(json_array_get(json_object_get(head, "problems"), 0));
	struct buf text;
	const char *key;
	json_t *table, *answer;

	table = asked ? json_object_get(r->trials, asked) : NULL;
	if (table) {
		r->problem = json_object_iter_key(json_object_iter_at(r->trials, asked));
		return json_pack("{s:s, s:b, s:o}", "type", "ready", "recorded", 1, "candidates", names_of(table));
	}
	r->problem = NULL;
	buf_init(&text);
	buf_addf(&text, "replay: %s holds no trials of '%s'; recorded:", r->file, asked ? asked : "");
	json_object_foreach(r->trials, key, table)
		buf_addf(&text, "%s'%s'", text.data[text.len - 1] == '\'' ? ", " : " ", key);
	answer = json_pack("{s:s, s:s}", "type", "error", "text", buf_text(&text));
	buf_free(&text);
	return answer;
}

static json_t *answer_trial(const struct replay *r, const json_t *head, bool timed)
{
	/* What a result consists of (messages.md); other members of the line are the host's own. */
	static const char *const judged[] = { "verdict", "why", "regs", "smem_static", "local_bytes", "occupancy",
					     "checks", "resources", "cubin_sha256", "source_id" };
	static const char *const times[] = { "time_us", "time_lo_us", "time_hi_us", "warm_us", "replays", "nodes",
					    "roofline_us", "wall_ms", "clock_mhz" };
	const char *candidate = replay_text(json_object_get(head, "candidate"));
	json_t *table = r->problem ? json_object_get(r->trials, r->problem) : NULL;
	json_t *record = candidate ? json_object_get(table, candidate) : NULL, *answer;

	answer = json_pack("{s:s, s:O?, s:b}", "type", "result", "id", json_object_get(head, "id"), "recorded", 1);
	if (!record) {
		json_object_set_new(answer, "verdict", json_string("unrecorded"));
		json_object_set_new(answer, "why", json_string("this candidate is not in the recorded run"));
		return answer;
	}
	for (size_t i = 0; i < sizeof(judged) / sizeof(judged[0]); i++)
		json_object_set(answer, judged[i], json_object_get(record, judged[i]));
	for (size_t i = 0; timed && i < sizeof(times) / sizeof(times[0]); i++)
		json_object_set(answer, times[i], json_object_get(record, times[i]));
	if (!json_object_get(answer, "why"))
		json_object_set_new(answer, "why", json_string(""));
	return answer;
}

json_t *replay_baseline(const struct replay *r, const char *name)
{
	json_t *table = r->problem ? json_object_get(r->baselines, r->problem) : NULL;

	return name ? json_object_get(table, name) : NULL;
}

static json_t *answer_baseline(const struct replay *r, const json_t *head)
{
	static const char *const members[] = { "entries", "versions", "why" };
	const char *name = json_string_value(json_object_get(head, "name"));
	json_t *record = replay_baseline(r, name), *answer;

	answer = json_pack("{s:s, s:s, s:b}", "type", "baseline", "name", name ? name : "", "recorded", 1);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		json_object_set(answer, members[i], json_object_get(record, members[i]));
	if (!json_object_get(answer, "entries"))
		json_object_set_new(answer, "entries", json_array());
	if (!record)
		json_object_set_new(answer, "why", json_string("not in the recorded run"));
	return answer;
}

static int reply(int fd, json_t *answer, struct err *e)
{
	int rc = answer ? wire_send(fd, answer, NULL, 0, e) : err_set(e, "replay: the record does not make an answer");

	json_decref(answer);
	return rc;
}

/* 1: quit was asked for. */
static int serve_one(struct replay *r, int out_fd, const json_t *head, struct err *e)
{
	const char *type = wire_type(head);
	bool early = json_is_true(json_object_get(head, "early"));
	json_t *answer;

	if (!strcmp(type, "quit"))
		return 1;
	if (!strcmp(type, "problem"))
		return reply(out_fd, answer_problem(r, head), e);
	if (!strcmp(type, "trial") || !strcmp(type, "judge"))
		return reply(out_fd, answer_trial(r, head, !strcmp(type, "trial")), e);
	if (!strcmp(type, "baseline"))
		return early ? 0 : reply(out_fd, answer_baseline(r, head), e);
	if (!strcmp(type, "champion"))
		return reply(out_fd, replay_champion(r, head), e);
	if (!strcmp(type, "load") || !strcmp(type, "unload"))
		return 0;
	answer = json_object();
	json_object_set_new(answer, "type", json_string("error"));
	json_object_set_new(answer, "text", json_sprintf("replay: unknown request '%s'", type));
	return reply(out_fd, answer, e);
}

int replay_main(const char *file, int in_fd, int out_fd)
{
	struct replay r = { .file = file };
	struct err e = { 0 };
	struct buf in, blob;
	json_t *head = NULL;
	int rc;

	buf_init(&in);
	buf_init(&blob);
	rc = load(&r, &e);
	if (rc < 0) {
		reply(out_fd, json_pack("{s:s, s:s}", "type", "error", "text", e.text), NULL);
		goto out;
	}
	rc = reply(out_fd, hello(&r), &e);
	while (rc == 0) {
		rc = wire_recv(in_fd, &in, &head, &blob, -1, &e);
		if (rc < 0)
			break;
		rc = serve_one(&r, out_fd, head, &e);
		json_decref(head);
		head = NULL;
		buf_clear(&blob);
	}
out:
	if (rc < 0 && rc != ERR_EOF)
		fprintf(stderr, "attune-run: %s\n", e.text);
	json_decref(r.trials);
	json_decref(r.baselines);
	json_decref(r.champions);
	json_decref(r.notes);
	json_decref(r.records);
	buf_free(&in);
	buf_free(&blob);
	return rc < 0 && rc != ERR_EOF ? 1 : 0;
}
