/* replay_champion: answers a championship from the record: from one in which all the asked candidates were measured
 * side by side, else from their single trials, and then it says so. Measures and estimates nothing. */
#include <string.h>

#include "replay_internal.h"

static const json_t *entry_of(const json_t *entries, const char *candidate)
{
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry) {
		const char *text = replay_text(json_object_get(entry, "candidate"));

		if (text && candidate && !strcmp(text, candidate))
			return entry;
	}
	return NULL;
}

/* The latest championship that holds every asked candidate, or NULL. */
static const json_t *championship_of(const json_t *recorded, const json_t *asked)
{
	for (size_t i = json_array_size(recorded); i-- > 0;) {
		const json_t *entries = json_object_get(json_array_get(recorded, i), "entries");
		json_t *want;
		bool all = true;
		size_t j;

		json_array_foreach(asked, j, want)
			all = all && entry_of(entries, replay_text(json_object_get(want, "candidate")));
		if (all)
			return json_array_get(recorded, i);
	}
	return NULL;
}

/* In how many of the processes each candidate was the fastest of those that are answered, as the judge counts; dropped
 * where a process's times are not all there. */
static void recount_wins(json_t *entries)
{
	size_t processes = 0, i, p;
	json_t *entry, *times;
	bool whole = true;

	json_array_foreach(entries, i, entry) {
		times = json_object_get(entry, "per_process_us");
		json_object_del(entry, "wins");
		processes = i == 0 ? json_array_size(times) : processes;
		whole = whole && processes > 0 && json_array_size(times) == processes;
	}
	if (!whole)
		return;
	json_array_foreach(entries, i, entry)
		json_object_set_new(entry, "wins", json_integer(0));
	for (p = 0; p < processes; p++) {
		json_t *best = NULL;
		double best_us = 0;

		json_array_foreach(entries, i, entry) {
			double us = json_number_value(json_array_get(json_object_get(entry, "per_process_us"), p));

			if (!best || us < best_us) {
				best = entry;
				best_us = us;
			}
		}
		best = json_object_get(best, "wins");
		json_integer_set(best, json_integer_value(best) + 1);
	}
}

/* Whether a recorded entry is a time of one of the asked baselines. */
static bool is_asked(const json_t *entry, const json_t *baselines)
{
	const char *name = json_string_value(json_object_get(entry, "baseline")), *asked;
	json_t *want;
	size_t i;

	if (json_object_get(entry, "candidate"))
		return false;
	name = name ? name : json_string_value(json_object_get(entry, "name"));
	json_array_foreach(baselines, i, want) {
		asked = json_string_value(want);
		if (name && asked && !strcmp(name, asked))
			return true;
	}
	return false;
}

static json_t *champion_measured(const json_t *record, const json_t *asked, const json_t *baselines)
{
	const json_t *recorded = json_object_get(record, "entries");
	json_t *entries = json_array(), *want, *entry;
	size_t finalists = 0, i;

	json_array_foreach(asked, i, want) {
		entry = json_copy((json_t *)entry_of(recorded, replay_text(json_object_get(want, "candidate"))));
		json_object_del(entry, "id");
		json_object_set(entry, "id", json_object_get(want, "id"));
		json_array_append_new(entries, entry);
	}
	json_array_foreach(recorded, i, entry)
		finalists += json_object_get(entry, "candidate") != NULL;
	if (json_array_size(entries) < finalists)
		recount_wins(entries);
	json_array_foreach(recorded, i, entry)
		if (is_asked(entry, baselines))
			json_array_append_new(entries, json_copy(entry));
	return entries;
}

/* Times of single trials and baselines: recorded, but not side by side. */
static json_t *champion_from_trials(const struct replay *r, const json_t *asked, const json_t *baselines)
{
	static const char *const from[] = { "time_us", "time_lo_us", "time_hi_us", "warm_us" };
	static const char *const to[] = { "time_us", "lo_us", "hi_us", "warm_us" };
	json_t *entries = json_array(), *want, *entry;
	size_t i, j;

	json_array_foreach(asked, i, want) {
		const char *candidate = replay_text(json_object_get(want, "candidate"));
		json_t *record = candidate ? json_object_get(json_object_get(r->trials, r->problem), candidate) : NULL;

		entry = json_pack("{s:O?, s:s?}", "id", json_object_get(want, "id"), "candidate", candidate);
		for (j = 0; replay_is_ok(record) && j < sizeof(from) / sizeof(from[0]); j++)
			json_object_set(entry, to[j], json_object_get(record, from[j]));
		if (!replay_is_ok(record))
			json_object_set_new(entry, "why", json_string("no ok trial of it is in the recorded run"));
		json_array_append_new(entries, entry);
	}
	json_array_foreach(baselines, i, want) {
		json_t *recorded = replay_baseline(r, json_string_value(want));

		json_array_foreach(json_object_get(recorded, "entries"), j, entry)
			json_array_append_new(entries, json_copy(entry));
	}
	return entries;
}

json_t *replay_champion(const struct replay *r, const json_t *head)
{
	const json_t *asked = json_object_get(head, "entries"), *baselines = json_object_get(head, "baselines");
	const json_t *recorded = r->problem ? json_object_get(r->champions, r->problem) : NULL;
	const json_t *last = json_array_get(recorded, json_array_size(recorded) - 1);
	const json_t *record = championship_of(recorded, asked);
	json_t *answer = json_pack("{s:s, s:b}", "type", "champion", "recorded", 1);

	if (record) {
		json_object_set_new(answer, "entries", champion_measured(record, asked, baselines));
		json_object_set(answer, "clocks", json_object_get(record, "clocks"));
	} else {
		json_object_set_new(answer, "entries", champion_from_trials(r, asked, baselines));
		json_object_set_new(answer, "championship", json_string("not recorded"));
	}
	json_object_set(answer, "noise", json_object_get(record ? record : last, "noise"));
	return answer;
}
