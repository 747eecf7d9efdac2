/* tune_policy: asks the policy for candidates and tells it what became of them, in the order of its proposals. */
#include <string.h>

#include "attune/proc.h"
#include "attune/tune.h"

int tune_ask(struct tune *t, struct err *e)
{
	while (!t->exhausted && !t->policy_done && tune_same_room(t) > 0 && t->n_slots - t->told <= t->lookahead) {
		json_t *candidates = NULL, *notes = NULL, *c;
		long dropped = 0;
		size_t i;
		double elapsed = proc_now_s() - t->started_s;
		int rc = script_policy_done(t->s.script, elapsed, e);

		if (rc < 0)
			return rc;
		t->policy_done = rc == 1;
		if (t->policy_done)
			break;
		rc = script_policy_ask(t->s.script, tune_same_room(t), elapsed, &candidates, &dropped, &notes, e);
		if (rc < 0)
			return rc;
		json_array_foreach(notes, i, c)
			tune_report_line(t, "policy: %s", json_string_value(c));
		t->exhausted = json_array_size(candidates) == 0;
		json_array_foreach(candidates, i, c) {
			struct slot *slot = &t->slots[t->n_slots++];
			struct buf text;

			buf_init(&text);
			script_candidate_text(c, &text);
			memset(slot, 0, sizeof(*slot));
			slot->candidate = json_incref(c);
			slot->text = buf_take(&text);
			slot->generation = script_policy_generation(t->s.script);
		}
		json_decref(candidates);
		json_decref(notes);
	}
	return 0;
}

static void tell_record(const json_t *trial, const struct slot *slot, const struct slot *same, json_t **out)
{
	static const char *const kept[] = { "verdict", "why", "time_us", "fitness", "regs", "occupancy", "op", "parents" };
	const json_t *resources = json_object_get(trial, "resources");
	json_t *r = json_object();
	json_t *predicted = json_object_get(trial, "score");

	json_object_set(r, "candidate", slot->candidate);
	json_object_set_new(r, "text", json_string(slot->text));
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (json_object_get(trial, kept[i]))
			json_object_set(r, kept[i], json_object_get(trial, kept[i]));
	json_object_update(r, (json_t *)resources);
	if (same)
		json_object_set_new(r, "same_as", json_string(same->text));
	/* Nothing is timed in static mode: the policy then minimises the model's score, and the trial says so. */
	if (predicted && !json_object_get(r, "time_us")) {
		json_object_set(r, "time_us", predicted);
		json_object_set_new(r, "predicted", json_true());
	}
	*out = r;
}

/* A told trial that repeats another takes none of the budget, but a policy that proposes little else is not asked for ever. */
static void count_repeat(struct tune *t, bool same)
{
	t->repeats += same;
	if (!same || t->exhausted || t->repeats < TUNE_REPEATS * t->o.trials)
		return;
	t->exhausted = true;
	tune_report_line(t, "policy: %ld of its candidates are machine code that had been tried before: no more are asked for, "
			    "%ld of %ld trials were made", t->repeats, t->told - t->repeats, t->o.trials);
}

int tune_tell(struct tune *t, bool busy, struct err *e)
{
	while (t->told < t->n_slots && t->slots[t->told].state == SLOT_DONE) {
		struct slot *slot = &t->slots[t->told];
		const struct slot *same = tune_same_told(t, slot);
		json_t *record = NULL;
		int rc;

		/* A profile belongs between this result and the next question, and needs the GPU for itself. */
		if (busy && tune_profile_due(t, t->told + 1))
			return 0;
		tell_record(slot->trial, slot, same, &record);
		rc = script_policy_tell(t->s.script, record, proc_now_s() - t->started_s, e);
		json_decref(record);
		if (rc < 0)
			return rc;
		t->told++;
		count_repeat(t, same != NULL);
		if (tune_profile_due(t, t->told) && tune_profile(t, e) < 0)
			return -1;
		/* Asked after every single result: where several are at hand at once (taken from the journal, or measured out of
		 * order), the policy must not see more of them than it would have in a run that got them one by one. */
		if (tune_ask(t, e) < 0)
			return -1;
	}
	return 0;
}
