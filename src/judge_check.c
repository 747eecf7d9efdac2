/* judge_check: one check of one candidate on one problem: fresh inputs; two runs whose outputs, guard zones and gaps are
 * poisoned in different ways; everything around the outputs as it was; every element written, finite, near enough to
 * the oracle's; both runs equal. The oracle works while the candidate does, in another process. */
#include <stdio.h>
#include <string.h>

#include "attune/gpu_child.h"
#include "judge_internal.h"

static void resize(struct buf *b, size_t len)
{
	buf_clear(b);
	buf_reserve(b, len);
	b->len = len;
}

/* The pattern everywhere, the values over it. from NULL: fresh values; else those of an earlier image. */
static void make_image(struct judge *j, struct buf *image, const struct spec *s, const struct layout *l,
		       enum pattern pattern, enum values v, const struct buf *from)
{
	size_t done = 0;

	resize(image, l->total);
	/* What values will take the place of needs no pattern: for long problems that is nearly all. */
	for (int i = 0; i < s->tensor_count; i++)
		if (!s->tensors[i].out && s->tensors[i].count == s->tensors[i].span) {
			inputs_pattern(j->inputs, image->data + done, l->offset[i] - done, pattern);
			done = l->offset[i] + l->bytes[i];
		}
	inputs_pattern(j->inputs, image->data + done, l->total - done, pattern);
	for (int i = 0; i < s->tensor_count; i++) {
		const struct tensor *t = &s->tensors[i];
		const size_t size = dtype_bytes(t->dtype);
		struct tensor_walk walk = { 0 };
		int64_t row;

		if (t->out)
			continue;
		if (!from) {
			inputs_values(j->inputs, image->data + l->offset[i], t, v);
			continue;
		}
		if (t->count == t->span) {
			memcpy(image->data + l->offset[i], from->data + l->offset[i], l->bytes[i]);
			continue;
		}
		while (tensor_walk_next(t, &walk, &row))
			for (int64_t k = 0; k < tensor_row_length(t); k++) {
				const size_t at = l->offset[i] + (size_t)(row + k * tensor_row_stride(t)) * size;

				memcpy(image->data + at, from->data + at, size);
			}
	}
}

static int call(struct judge *j, const struct subject *s, int problem, const struct buf *image, int fill,
		struct finding *f, struct err *e)
{
	json_t *launch = json_array_get(s->launches, (size_t)problem), *answer;
	int rc;

	memcpy(j->gpu.arena.base, image->data, image->len);
	rc = link_ask(j, json_pack("{s:s, s:s, s:i, s:O, s:i, s:b}", "type", "check", "id", s->id, "problem", problem, "launch",
				   launch, "fill", fill, "apart", j->o.under_tool),
		      NULL, 0, link_call_limit_s(j, problem, launch), "fault", &answer, f, e);
	json_decref(answer);
	return rc;
}

static void name_check(const struct judge *j, int problem, enum values v, char *text, size_t size)
{
	snprintf(text, size, "%s values, %s", values_name(v), j->specs[problem].text);
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
		compare_output(&s->tensors[i], got + l->offset[i], a->want[i], a->plain[i], &acc);
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
			json_array_append_new(checks, json_pack("{s:i, s:s, s:f, s:f, s:f, s:f, s:f}", "problem", problem,
				"values", values_name(v), "max_abs", acc.max_abs, "rms", acc.rms, "rel_rms",
				acc.want_rms > 0 ? acc.rms / acc.want_rms : 0.0, "plain_max_abs", acc.plain_max_abs,
				"tolerance_used", compare_limit(&acc, &s->tolerance, v)));
		/* The record says when only some rows were compared. */
		if (checks && !acc.unfit[0] && acc.answered < s->tensors[i].count)
			json_object_set_new(json_array_get(checks, json_array_size(checks) - 1), "compared_elements",
					    json_integer((json_int_t)acc.answered));
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
		if (s->tensors[i].out && memcmp(one + l->offset[i], two + l->offset[i], l->bytes[i]) != 0)
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
	bool right;
	int rc;

	name_check(j, problem, v, where, sizeof where);
	rc = oracle_wait(j->oracle, &answer, e);
	if (rc < 0)
		return rc;
	right = compare_both(j, s, l, where, f) && check_outputs(j, problem, v, l, one, &answer, where, checks, f, e);
	if (right && same_bits(s, l, one, two))
		return STEP_OK;
	right = right && check_outputs(j, problem, v, l, two, &answer, where, NULL, f, e);
	for (int i = 0; right && !sub->nondeterministic && i < s->tensor_count; i++)
		if (s->tensors[i].out)
			right = compare_runs(&s->tensors[i], one + l->offset[i], two + l->offset[i], where, f);
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
	int rc;

	layout_init(&l, spec, GPU_CHECK_GUARD, (size_t)json_integer_value(workspace));
	name_check(j, problem, v, where, sizeof where);
	rc = link_load(j, s->id, f, e);
	if (rc != STEP_OK)
		return rc;
	if (arena_grow(&j->gpu.arena, l.total, e) < 0)
		return -1;
	make_image(j, &j->image, spec, &l, PATTERN_BYTES, v, NULL);
	rc = oracle_ask(j->oracle, problem, (unsigned char *)j->image.data, &l, e);
	if (rc < 0)
		return rc;
	rc = call(j, s, problem, &j->image, (int)inputs_below(j->inputs, 255), f, e);
	if (rc == STEP_OK) {
		resize(&j->outputs, l.total);
		for (int i = 0; i < spec->tensor_count; i++)
			if (spec->tensors[i].out)
				memcpy(j->outputs.data + l.offset[i], j->gpu.arena.base + l.offset[i], l.bytes[i]);
		if (!compare_surroundings(spec, &l, (unsigned char *)j->image.data, j->gpu.arena.base, where, f))
			rc = STEP_FOUND;
	}
	if (rc == STEP_OK) {
		make_image(j, &j->again, spec, &l, PATTERN_NAN, v, &j->image);
		/* All ones is a NaN too: the workspace is poisoned like the rest. */
		rc = call(j, s, problem, &j->again, 0xff, f, e);
		if (rc == STEP_OK &&
		    !compare_surroundings(spec, &l, (unsigned char *)j->again.data, j->gpu.arena.base, where, f))
			rc = STEP_FOUND;
	}
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
