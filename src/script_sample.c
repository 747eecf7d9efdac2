/* script_sample: legal candidates at random and without repeats, for recording a space; no policy is asked.
 * Holds what a family's space is made from, too: the variants that fit. */
#include <stdlib.h>
#include <string.h>
#include "script_policy.h"

static bool has_candidate(const json_t *texts, const char *variant)
{
	size_t len = strlen(variant), i;
	json_t *text;

	json_array_foreach((json_t *)texts, i, text) {
		const char *t = json_string_value(text);

		if (t && !strncmp(t, variant, len) && (t[len] == ' ' || !t[len]))
			return true;
	}
	return false;
}

int script_variants(struct script *s, const json_t *problem, const json_t *only, json_t **variants, struct err *e)
{
	json_t *all = json_object_get(s->family, "variants"), *v;
	struct buf why;
	size_t i;
	int rc = 0;

	*variants = json_array();
	buf_init(&why);
	json_array_foreach(all, i, v) {
		const char *name = json_string_value(json_object_get(v, "name"));

		if (rc < 0 || json_is_true(json_object_get(v, "baseline")))
			continue;
		rc = only ? has_candidate(only, name) : script_fits(s, problem, name, &why, e);
		if (rc > 0)
			json_array_append(*variants, v);
	}
	buf_free(&why);
	if (rc >= 0 && !json_array_size(*variants))
		json_array_extend(*variants, all);
	return rc < 0 ? rc : 0;
}

int script_sample(struct script *s, const json_t *problem, const char *variant, long n, uint64_t seed, json_t **candidates,
		  struct err *e)
{
	struct script_rule rule = { .s = s, .problem = problem };
	struct space *space = NULL;
	json_t *variants = NULL;
	struct stats_rng rng;
	size_t idle = 0;
	int part = -1, rc;

	*candidates = NULL;
	if (!s->family)
		return err_set(e, "no family to draw candidates from");
	if (variant && !script_variant(s, variant))
		return err_set(e, "no variant %s to draw candidates from", variant);
	*candidates = json_array();
	rc = script_variants(s, problem, NULL, &variants, e);
	if (!rc)
		rc = space_open(&space, variants, e);
	if (rc)
		goto out;
	rule.space = space;
	space->rule = script_rule_legal;
	space->rule_to = &rule;
	stats_rng_seed(&rng, seed);
	if (variant && (part = space_find_part(space, variant)) < 0)
		goto out; /* it does not fit */
	/* All variants in turn; one that has none left is passed over. */
	for (size_t turn = 0; (long)json_array_size(*candidates) < n && idle < space->parts_n; turn++) {
		int from = part >= 0 ? part : (int)(turn % space->parts_n);
		struct space_config c;

		rc = space_random(space, from, true, &rng, &c, e);
		if (rc < 0)
			goto out;
		idle = rc ? 0 : part >= 0 ? space->parts_n : idle + 1;
		if (!rc)
			continue;
		space_see(space, &c);
		json_array_append_new(*candidates, space_to_json(space, &c));
	}
	rc = 0;
out:
	space_close(space);
	json_decref(variants);
	script_rule_close(&rule);
	if (rc) {
		json_decref(*candidates);
		*candidates = NULL;
	}
	return rc;
}
