/* judge_check: one check of one candidate on one problem: fresh inputs; two runs whose outputs, guard zones and gaps are
 * poisoned in different ways; everything around the outputs as it was; every element written, finite, near enough to
 * the oracle's; both runs equal. The oracle works while the candidate does, in another process. */
#include <stdio.h>
#include <string.h>

#include "attune/crew.h"
#include "attune/gpu_child.h"
#include "attune/proc.h"
#include "judge_internal.h"

void image_resize(struct buf *b, size_t len)
{
	buf_clear(b);
	buf_reserve(b, len);
	b->len = len;
}

bool around_next(const struct spec *s, const struct layout *l, bool gaps, struct around *w, size_t *from, size_t *to)
{
	while (w->next < s->tensor_count) {
		const int i = w->next++;

		if (s->tensors[i].out || (!gaps && s->tensors[i].count != s->tensors[i].span))
			continue;
		*from = w->done;
		*to = l->offset[i];
		w->done = l->offset[i] + l->bytes[i];
		return true;
	}
	*from = w->done;
	*to = l->total;
	w->next = s->tensor_count;
	return !w->ended && (w->ended = true);
}

/* The pattern everywhere but where values will take its place: for long problems that is nearly all. */
static void fill_around(struct judge *j, struct buf *image, const struct spec *s, const struct layout *l, enum pattern pattern)
{
	struct around around = { 0 };
	size_t from, to;

	image_resize(image, l->total);
	while (around_next(s, l, false, &around, &from, &to))
		inputs_pattern(j->inputs, image->data + from, to - from, pattern);
}

/* A pattern, and fresh values. */
static void make_image(struct judge *j, const struct spec *s, const struct layout *l, enum values v)
{
	const double start = proc_now_s();

	fill_around(j, &j->image, s, l, PATTERN_BYTES);
	for (int i = 0; i < s->tensor_count; i++)
		if (!s->tensors[i].out)
			inputs_values(j->inputs, j->image.data + l->offset[i], &s->tensors[i], v);
	phase_add(j, "inputs", start);
}

/* The other pattern around the same inputs. Those without gaps stay in j->image. */
static void make_again(struct judge *j, const struct spec *s, const struct layout *l)
{
	const double start = proc_now_s();

	fill_around(j, &j->again, s, l, PATTERN_NAN);
	for (int i = 0; i < s->tensor_count; i++) {
		const struct tensor *t = &s->tensors[i];
		const size_t size = dtype_bytes(t->dtype);
		struct tensor_walk walk = { 0 };
		int64_t row;

		while (!t->out && t->count != t->span && tensor_walk_next(t, &walk, &row))
			for (int64_t k = 0; k < tensor_row_length(t); k++) {
				const size_t at = l->offset[i] + (size_t)(row + k * tensor_row_stride(t)) * size;

				memcpy(j->again.data + at, j->image.data + at, size);
			}
	}
	phase_add(j, "inputs", start);
}

/* The shared memory holds what the device is to be given. */
static int call(struct judge *j, const struct subject *s, int problem, int fill, struct finding *f, struct err *e)
{
	json_t *launch = json_array_get(s->launches, (size_t)problem), *answer;
	int rc;

	rc = link_ask(j, json_pack("{s:s, s:s, s:i, s:O, s:i, s:b}", "type", "check", "id", s->id, "problem", problem, "launch",
				   launch, "fill", fill, "apart", j->o.under_tool),
		      NULL, 0, link_call_limit_s(j, problem, launch), "fault", &answer, f, e);
	json_decref(answer);
	return rc;
}

static int call_first(struct judge *j, const struct subject *s, int problem, struct finding *f, struct err *e)
{
	const double start = proc_now_s();

	crew_copy(j->gpu.arena.base, j->image.data, j->image.len);
	phase_add(j, "copies", start);
	return call(j, s, problem, (int)inputs_below(j->inputs, 255), f, e);
}

/* The inputs without gaps came back from the first call and have just been found to be as they were given. */
static int call_again(struct judge *j, const struct subject *s, int problem, const struct layout *l, struct finding *f,
		      struct err *e)
{
	const double start = proc_now_s();
	struct around around = { 0 };
	size_t from, to;

	while (around_next(&j->specs[problem], l, false, &around, &from, &to))
		crew_copy(j->gpu.arena.base + from, j->again.data + from, to - from);
	phase_add(j, "copies", start);
	/* All ones is a NaN too: the workspace is poisoned like the rest. */
	return call(j, s, problem, 0xff, f, e);
}

/* What lies around the outputs, after a call. */
static int surroundings(struct judge *j, const struct spec *s, const struct layout *l, const struct buf *given, const char *where,
			struct finding *f)
{
	const double start = proc_now_s();
	const bool right = compare_surroundings(s, l, (unsigned char *)given->data, (unsigned char *)j->image.data,
						j->gpu.arena.base, where, f);

	phase_add(j, "compare", start);
	return right ? STEP_OK : STEP_FOUND;
}

static void name_check(const struct judge *j, int problem, enum values v, char *text, size_t size)
{
	snprintf(text, size, "%s values, %s", values_name(v), j->specs[problem].text);
}

/* What the record says of an output. */
static json_t *check_json(const struct tensor *t, int problem, enum values v, const struct accuracy *a, const struct tolerance *to)
{
	json_t *check = json_pack("{s:i, s:s, s:f, s:f, s:f, s:f, s:f}", "problem", problem, "values", values_name(v), "max_abs",
				  a->max_abs, "rms", a->rms, "rel_rms", a->want_rms > 0 ? a->rms / a->want_rms : 0.0,
				  "plain_max_abs", a->plain_max_abs, "tolerance_used", compare_limit(a, to, v));

	if (a->over_abs < a->max_abs)
		json_object_set_new(check, "over_abs", json_real(a->over_abs));
	/* Only some rows were compared. */
	if (a->answered < t->count)
		json_object_set_new(check, "compared_elements", json_integer((json_int_t)a->answered));
	return check;
}

bool check_outputs(struct judge *j, int problem, enum values v, const struct layout *l, const unsigned char *got,
		   const struct oracle_answer *a, const char *where, json_t *checks, struct finding *f, struct err *e)
{
	const struct spec *s = &j->specs[problem];
	const double sampled = s->tolerance.sampled, share = sampled > 0 ? sampled * (1 - 1e-9) : 1;

	for (int i = 0; i < s->tensor_count; i++) {
		struct accuracy acc;

		if (!s->tensors[i].out)
			continue;
		compare_output(&s->tensors[i], got + l->offset[i], a->want[i], a->plain[i], s->tolerance.rounding, &acc);
		if (acc.answer_unfit) {
			err_set(e, "the reference is of no use: %s: %s is %g", where, acc.unfit, acc.unfit_value);
			return false;
		}
		if ((double)acc.answered < share * (double)s->tensors[i].count) {
			err_set(e, "the reference is of no use: %s: it answers %lld of the %lld elements of %s", where,
				(long long)acc.answered, (long long)s->tensors[i].count, s->tensors[i].name);
			return false;
		}
		if (checks && !acc.unfit[0])
			json_array_append_new(checks, check_json(&s->tensors[i], problem, v, &acc, &s->tolerance));
		if (!compare_verdict(&acc, &s->tolerance, v, where, f))
			return false;
	}
	return true;
}

/* What can be said without the oracle, after both runs. The first run's memory is j->outputs, the second's the arena. */
static bool compare_both(struct judge *j, const struct spec *s, const struct layout *l, const char *where,
			 struct finding *f)
{
	const unsigned char *one = (unsigned char *)j->outputs.data, *two = j->gpu.arena.base;
	const unsigned char *given = (unsigned char *)j->image.data, *again = (unsigned char *)j->again.data;

	for (int i = 0; i < s->tensor_count; i++)
		if (s->tensors[i].out && !compare_written(&s->tensors[i], given + l->offset[i], one + l->offset[i],
							  again + l->offset[i], two + l->offset[i], where, f))
			return false;
	return true;
}

/* Both runs left the same bits, gaps between rows (which were poisoned in two ways) included. */
static bool same_bits(const struct spec *s, const struct layout *l, const unsigned char *one, const unsigned char *two)
{
	for (int i = 0; i < s->tensor_count; i++)
		if (s->tensors[i].out && !crew_equal(one + l->offset[i], two + l->offset[i], l->bytes[i]))
			return false;
	return true;
}

static int judge_both(struct judge *j, const struct subject *sub, int problem, enum values v, const struct layout *l,
		      json_t *checks, struct finding *f, struct err *e)
{
	const struct spec *s = &j->specs[problem];
	const unsigned char *one = (unsigned char *)j->outputs.data, *two = j->gpu.arena.base;
	struct oracle_answer answer;
	char where[512];
	double start = proc_now_s();
	bool right;
	int rc;

	name_check(j, problem, v, where, sizeof where);
	rc = oracle_wait(j->oracle, &answer, e);
	phase_add(j, "oracle", start);
	if (rc < 0)
		return rc;
	start = proc_now_s();
	right = compare_both(j, s, l, where, f) && check_outputs(j, problem, v, l, one, &answer, where, checks, f, e);
	if (!right || !same_bits(s, l, one, two)) {
		right = right && check_outputs(j, problem, v, l, two, &answer, where, NULL, f, e);
		for (int i = 0; right && !sub->nondeterministic && i < s->tensor_count; i++)
			if (s->tensors[i].out)
				right = compare_runs(&s->tensors[i], one + l->offset[i], two + l->offset[i], where, f);
	}
	phase_add(j, "compare", start);
	return e->code ? e->code : right ? STEP_OK : STEP_FOUND;
}

int check_run(struct judge *j, const struct subject *s, int problem, enum values v, json_t *checks, struct finding *f,
	      struct err *e)
{
	const json_t *workspace = json_object_get(json_array_get(s->launches, (size_t)problem), "workspace");
	const struct spec *spec = &j->specs[problem];
	struct layout l;
	struct err asked = { 0 };
	struct oracle_answer unused;
	char where[512];
	double start;
	int rc;

	layout_init(&l, spec, GPU_CHECK_GUARD, (size_t)json_integer_value(workspace));
	name_check(j, problem, v, where, sizeof where);
	rc = link_load(j, s->id, f, e);
	if (rc != STEP_OK)
		return rc;
	if (arena_grow(&j->gpu.arena, l.total, e) < 0)
		return -1;
	make_image(j, spec, &l, v);
	start = proc_now_s();
	rc = oracle_ask(j->oracle, problem, (unsigned char *)j->image.data, &l, e);
	phase_add(j, "copies", start);
	if (rc < 0)
		return rc;
	rc = call_first(j, s, problem, f, e);
	if (rc == STEP_OK) {
		start = proc_now_s();
		image_resize(&j->outputs, l.total);
		for (int i = 0; i < spec->tensor_count; i++)
			if (spec->tensors[i].out)
				crew_copy(j->outputs.data + l.offset[i], j->gpu.arena.base + l.offset[i], l.bytes[i]);
		phase_add(j, "copies", start);
		rc = surroundings(j, spec, &l, &j->image, where, f);
	}
	if (rc == STEP_OK) {
		make_again(j, spec, &l);
		rc = call_again(j, s, problem, &l, f, e);
	}
	if (rc == STEP_OK)
		rc = surroundings(j, spec, &l, &j->again, where, f);
	if (rc == STEP_OK)
		return judge_both(j, s, problem, v, &l, checks, f, e);
	/* The oracle has been asked; its answer must not be taken for the next one's. */
	if (oracle_wait(j->oracle, &unused, &asked) < 0 && asked.code == ERR_INTR && rc >= 0)
		return err_set_code(e, ERR_INTR, "%s", asked.text);
	if (f->verdict[0] && strncmp(f->why, where, strlen(where)) != 0) {
		char why[WHY_MAX];

		snprintf(why, sizeof why, "%s: %.*s", where, (int)(sizeof why - sizeof where - 3), f->why);
		memcpy(f->why, why, sizeof why);
	}
	return rc;
}
