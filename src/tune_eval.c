/* tune_eval: evaluates the candidates that the policy proposes. Compilers run while the runner measures; candidates are
 * measured as they become ready and told to the policy in the order in which it proposed them, so what a policy sees
 * depends on neither the number of jobs nor the speed of the machine. Does not choose and does not emit; asking and telling
 * the policy is in tune_policy.c. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "attune/chip.h"
#include "attune/proc.h"
#include "attune/tune.h"
#include "attune/wire.h"

#define POLL_FDS 256
#define TRIAL_LIMIT_S 300.0 /* the runner has its own limits; this one is for a runner that no longer answers */

double tune_time_us(const json_t *trial)
{
	const char *verdict = json_string_value(json_object_get(trial, "verdict"));
	const json_t *time = json_object_get(trial, "time_us");

	if (!json_is_number(time))
		time = json_object_get(trial, "score");
	if (!verdict || strcmp(verdict, "ok") != 0 || !json_is_number(time))
		return INFINITY;
	return json_number_value(time);
}

static void drop_launches(struct slot *slot)
{
	json_decref(slot->launches);
	slot->launches = NULL;
}

/* The trial is complete: journals it and frees what is no longer needed. Takes the reference. */
static int finish(struct tune *t, struct slot *slot, json_t *trial, struct err *e)
{
	double time_us = tune_time_us(trial);
	long index = slot - t->slots;

	if (isfinite(time_us) && t->baseline_us > 0 && json_object_get(trial, "time_us"))
		json_object_set_new(trial, "fitness", json_real(t->baseline_us / time_us));
	slot->trial = trial;
	slot->state = SLOT_DONE;
	buf_free(&slot->image.cubin);
	if (isfinite(time_us) && (t->best < 0 || time_us < tune_time_us(t->slots[t->best].trial))) {
		if (t->best >= 0)
			drop_launches(&t->slots[t->best]);
		t->best = index;
	} else {
		drop_launches(slot);
	}
	tune_report_progress(t, slot);
	return journal_append(&t->journal, trial, e);
}

static json_t *trial_record(struct tune *t, struct slot *slot, const char *verdict, const char *why)
{
	json_t *r = json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:s}", "kind", "trial", "n", (json_int_t)(slot - t->slots),
			      "generation", (json_int_t)slot->generation, "candidate", slot->text, "problem",
			      session_problem_text(&t->s), "verdict", verdict, "why", why ? why : "");
	struct buf repro;

	if (slot->image.id) {
		json_object_set_new(r, "id", json_string(slot->image.id));
		json_object_set_new(r, "compile_s", json_real(round(slot->image.compile_s * 1000) / 1000));
	}
	if (slot->image.cubin_sha256)
		json_object_set_new(r, "cubin_sha256", json_string(slot->image.cubin_sha256));
	for (const char *const *k = (const char *const[]){ "_op", "_parents", NULL }; *k; k++)
		if (json_object_get(slot->candidate, *k))
			json_object_set(r, *k + 1, json_object_get(slot->candidate, *k));
	buf_init(&repro);
	buf_addf(&repro, "build/attune trial --kernel %s --arch %s --problem '%s' --candidate '%s'", t->s.o.kernel, t->s.arch,
		 session_problem_text(&t->s), slot->text);
	json_object_set_new(r, "repro", json_string(buf_text(&repro)));
	buf_free(&repro);
	return r;
}

/* The result of another slot of the same machine code becomes this one's too. */
static int take_over(struct tune *t, struct slot *slot, const struct slot *other, struct err *e)
{
	json_t *trial = trial_record(t, slot, json_string_value(json_object_get(other->trial, "verdict")),
				     json_string_value(json_object_get(other->trial, "why")));

	tune_same_take(trial, other);
	return finish(t, slot, trial, e);
}

/* Static mode: limits of the chip, then the prediction. */
static int judge_static(struct tune *t, struct slot *slot, json_t *resources, struct err *e)
{
	double ctas = json_number_value(json_object_get(resources, "occupancy")), score = chip_score(slot->facts);
	struct buf why;
	json_t *trial;

	buf_init(&why);
	if (ctas < 1.0)
		buf_addf(&why, "no CTA fits on %s: limited by %s", t->s.arch,
			 json_string_value(json_object_get(resources, "limit")));
	else if (!isfinite(score))
		buf_adds(&why, "its machine code and its launch say nothing about its time");
	trial = trial_record(t, slot, why.len ? "launch" : "ok", buf_text(&why));
	if (!why.len)
		json_object_set_new(trial, "score", json_real(score));
	if (slot->facts)
		json_object_set(trial, "static", slot->facts);
	json_object_set_new(trial, "resources", resources);
	buf_free(&why);
	return finish(t, slot, trial, e);
}

/* A compile has ended. */
static int compiled(struct tune *t, struct slot *slot, struct nvcc_result *r, struct err *e)
{
	json_t *resources = NULL;
	struct err refused = { 0 };
	const char *verdict;
	struct buf why;
	int rc;

	slot->image = *r;
	if (!r->ok)
		return finish(t, slot, trial_record(t, slot, "compile", r->why), e);
	buf_init(&why);
	verdict = session_vet(&t->s, slot->candidate, &slot->image, &why);
	/* A launch() that cannot be run says something of the candidate, not of the run. */
	if (!verdict && session_launches(&t->s, slot->candidate, &slot->launches, &refused) < 0) {
		buf_adds(&why, refused.text);
		verdict = "illegal";
	}
	rc = verdict ? finish(t, slot, trial_record(t, slot, verdict, buf_text(&why)), e) : 1;
	buf_free(&why);
	if (rc <= 0)
		return rc;
	if (tune_same_learn(t, slot, r->cubin_sha256, e) < 0 ||
	    session_resources(&t->s, slot->candidate, r->resources, &resources, e) < 0)
		return -1;
	slot->facts = session_static(&t->s, slot->candidate, &slot->image);
	if (t->s.mode == SESSION_STATIC && !tune_same_done(t, slot))
		return judge_static(t, slot, resources, e);
	json_decref(slot->image.resources);
	slot->image.resources = resources;
	slot->state = SLOT_READY;
	return 0;
}

/* A new slot: finished in an earlier part of this run, or compiled now, or (replayed) asked for at once. */
static int start_slot(struct tune *t, struct slot *slot, struct err *e)
{
	json_t *past = json_object_get(t->past, slot->text);
	struct buf source, body;
	const json_t *flags = NULL;
	struct err refused = { 0 };
	int rc;

	if (past) {
		slot->trial = json_incref(past);
		slot->state = SLOT_DONE;
		rc = tune_same_learn(t, slot, json_string_value(json_object_get(past, "cubin_sha256")), e);
		drop_launches(slot);
		if (isfinite(tune_time_us(past)) &&
		    (t->best < 0 || tune_time_us(past) < tune_time_us(t->slots[t->best].trial)))
			t->best = slot - t->slots;
		return rc;
	}
	if (t->s.mode == SESSION_REPLAY) {
		slot->state = SLOT_READY;
		return 0;
	}
	buf_init(&source);
	buf_init(&body);
	rc = session_source(&t->s, slot->candidate, t->s.arch, &source, &body, &flags, &refused);
	if (rc == 0)
		rc = nvcc_submit(t->s.nvcc, buf_text(&source), buf_text(&body), t->s.arch, flags, slot - t->slots, &refused);
	slot->state = SLOT_COMPILING;
	/* A source that is refused is one candidate's trouble, not the run's. */
	if (rc < 0)
		rc = finish(t, slot, trial_record(t, slot, "compile", refused.text), e);
	buf_free(&source);
	buf_free(&body);
	return rc;
}

static json_t *incumbent(struct tune *t, struct err *e)
{
	struct slot *best = t->best >= 0 ? &t->slots[t->best] : NULL;

	/* An incumbent from before an interruption or from a lost runner has no image there: nothing to race against. */
	if (!best || !best->image.id || best->epoch != t->epoch || t->s.mode != SESSION_LIVE)
		return NULL;
	if (!best->launches && session_launches(&t->s, best->candidate, &best->launches, e) < 0)
		return NULL;
	return json_pack("{s:s, s:O, s:f}", "id", best->image.id, "launches", best->launches, "time_us",
			 tune_time_us(best->trial));
}

static int send(struct tune *t, struct slot *slot, struct err *e)
{
	json_t *race = incumbent(t, e);
	int rc = tune_run_append(t, json_pack("{s:s, s:s}", "kind", "intent", "candidate", slot->text), e);

	if (rc == 0 && !slot->launches)
		rc = session_launches(&t->s, slot->candidate, &slot->launches, e);
	if (rc == 0)
		rc = session_send_trial(&t->s, "trial", slot->candidate, &slot->image, slot->launches, race, e);
	json_decref(race);
	slot->state = SLOT_SENT;
	slot->epoch = t->epoch;
	return rc;
}

/* The runner's answer becomes the trial's record. */
static int received(struct tune *t, struct slot *slot, json_t *answer, struct err *e)
{
	const char *verdict = json_string_value(json_object_get(answer, "verdict"));
	json_t *trial;

	if (strcmp(wire_type(answer), "error") == 0)
		return err_set(e, "runner: %s", json_string_value(json_object_get(answer, "text")));
	if (strcmp(wire_type(answer), "result") != 0 || !verdict)
		return err_set(e, "runner: answered '%s' to a trial", wire_type(answer));
	trial = trial_record(t, slot, verdict, json_string_value(json_object_get(answer, "why")));
	json_object_del(answer, "type");
	json_object_del(answer, "id");
	if (slot->image.resources)
		json_object_set(trial, "resources", slot->image.resources);
	if (slot->facts)
		json_object_set(trial, "static", slot->facts);
	/* Where a trial's time went is no result of it. */
	tune_spent_trial(t, answer);
	json_object_del(answer, "phases_ms");
	json_object_update_missing(trial, answer);
	/* A recorded trial says only now what its machine code was. */
	if (t->s.mode == SESSION_REPLAY) {
		const struct slot *other;

		if (tune_same_learn(t, slot, json_string_value(json_object_get(trial, "cubin_sha256")), e) < 0) {
			json_decref(trial);
			return -1;
		}
		other = tune_same_done(t, slot);
		if (other) {
			json_decref(trial);
			return take_over(t, slot, other, e);
		}
	}
	return finish(t, slot, trial, e);
}

/* The runner process itself is gone (its own child's faults it handles alone): another one, and the trial once more. */
static int lost(struct tune *t, struct slot *slot, struct err *e)
{
	struct err cause = *e;

	if (session_restart(&t->s, (err_clear(e), e)) < 0 || session_send_problem(&t->s, e) < 0)
		return -1;
	t->epoch++;
	slot->state = SLOT_READY;
	if (++slot->lost < 2)
		return 0;
	return finish(t, slot, trial_record(t, slot, "fault", cause.text), e);
}

static void wait_for_something(struct tune *t)
{
	struct pollfd fds[POLL_FDS];
	int n = nvcc_pollfds(t->s.nvcc, fds, POLL_FDS - 2);

	if (t->s.runner)
		n += runner_pollfds(t->s.runner, fds + n, POLL_FDS - n);
	poll(fds, (nfds_t)n, 500);
}

/* One turn of the loop: 1 when something moved. */
static int turn(struct tune *t, struct slot **busy, double *since, struct err *e)
{
	struct nvcc_result r = { 0 };
	json_t *answer = NULL;
	long ticket;
	int rc, moved = 0;

	for (long i = t->told; !*t->o.stop && i < t->n_slots; i++)
		if (t->slots[i].state == SLOT_NEW) {
			if (start_slot(t, &t->slots[i], e) < 0)
				return -1;
			moved = 1;
		}
	while ((rc = nvcc_next(t->s.nvcc, &ticket, &r, e)) == 1) {
		if (compiled(t, &t->slots[ticket], &r, e) < 0)
			return -1;
		moved = 1;
	}
	if (rc < 0)
		return rc;
	for (long i = t->told; i < t->n_slots; i++) {
		const struct slot *other = t->slots[i].state == SLOT_READY ? tune_same_done(t, &t->slots[i]) : NULL;

		if (other && take_over(t, &t->slots[i], other, e) < 0)
			return -1;
		moved |= other != NULL;
	}
	for (long i = t->told; !*busy && !*t->o.stop && i < t->n_slots; i++)
		if (t->slots[i].state == SLOT_READY) {
			*busy = &t->slots[i];
			*since = proc_now_s();
			if (send(t, *busy, e) < 0)
				return -1;
		}
	if (*busy) {
		struct slot *slot = *busy;

		rc = runner_pump(t->s.runner, &answer, e);
		if (rc == 0 && proc_now_s() - *since > TRIAL_LIMIT_S)
			rc = err_set_code(e, ERR_LIMIT, "the runner did not answer in %.0f s", TRIAL_LIMIT_S);
		if (rc == 1)
			rc = received(t, slot, answer, e) < 0 ? -1 : 1;
		else if (rc < 0)
			rc = lost(t, slot, e) < 0 ? -1 : 1;
		json_decref(answer);
		if (rc < 0)
			return rc;
		if (rc == 1) {
			*busy = NULL;
			moved = 1;
		}
	}
	return moved;
}

int tune_evaluate(struct tune *t, struct err *e)
{
	struct slot *busy = NULL;
	double since = 0;

	for (;;) {
		int rc;

		/* What is being measured is finished and kept; a second signal does not wait for it. */
		if (*t->o.stop && !busy)
			return err_set_code(e, ERR_INTR, "interrupted");
		if (!*t->o.stop && (tune_tell(t, busy, e) < 0 || tune_ask(t, e) < 0))
			return -1;
		if (!busy && t->told == t->n_slots)
			return 0;
		rc = turn(t, &busy, &since, e);
		if (rc < 0)
			return rc;
		if (rc == 0)
			wait_for_something(t);
	}
}
