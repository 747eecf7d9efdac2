/* script_sample: legal candidates at random and without repeats, for recording a space; no policy is asked. */
#include <stdlib.h>
#include "script_policy.h"

int script_sample(struct script *s, const json_t *problem, const char *variant, long n, uint64_t seed, json_t **candidates,
		  struct err *e)
{
	struct script_rule rule = { .s = s, .problem = problem };
	struct space *space = NULL;
	struct stats_rng rng;
	size_t idle = 0;
	int part = -1, rc;

	*candidates = json_array();
	if (!s->family)
		return err_set(e, "no family to draw candidates from");
	rc = space_open(&space, json_object_get(s->family, "variants"), e);
	if (rc)
		goto out;
	rule.space = space;
	space->rule = script_rule_legal;
	space->rule_to = &rule;
	stats_rng_seed(&rng, seed);
	if (variant && (part = space_find_part(space, variant)) < 0) {
		rc = err_set(e, "no variant %s to draw candidates from", variant);
		goto out;
	}
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
	script_rule_close(&rule);
	if (rc) {
		json_decref(*candidates);
		*candidates = NULL;
	}
	return rc;
}
