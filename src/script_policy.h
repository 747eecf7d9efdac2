/* script_policy: what script_{policy,ask,run,rule,space,model,sample}.c share: the state of one policy and its run.
 * Only they include it (it shows lua.h). */
#ifndef SCRIPT_POLICY_H
#define SCRIPT_POLICY_H
#include "attune/model.h"
#include "attune/space.h"
#include "attune/stats.h"
#include "script_internal.h"

struct proposal {
	struct space_config config;
	json_t *credit; /* {"parents"?:[keys],"op"?:"..."} as the policy gave it, or NULL */
	bool told, ok;
	double time_us;
};

/* --- script_rule.c: the rule of a family's space: the variant's legal() --------------------------------------------- */

struct script_rule {
	struct script *s;
	const json_t *problem;
	const struct space *space;
	struct rule_memory *memory; /* what has been learned; NULL before the first question */
};
/* The family's variants that a search may try: those of the candidates in `only`, or, when it is NULL, those that fit. All
 * of them when that leaves none. A new array. */
int script_variants(struct script *s, const json_t *problem, const json_t *only, json_t **variants, struct err *e);
int script_rule_legal(void *rule, const struct space_config *c, struct buf *why, struct err *e);
void script_rule_close(struct script_rule *r);

struct script_policy {
	char *path; /* as given: messages name it so */
	/* Registry: the policy's globals; the trial tables that it has been told; what is the same in every `run`. */
	int ref_env, ref_told, ref_fixed;

	struct space *space;
	struct model **models; /* one for each part, opened when first asked */
	bool own_space;
	struct script_rule rule;
	json_t *problem;
	char *strategy;
	struct stats_rng rng;
	long budget, lookahead, generation, told, untold;
	long repeats; /* told trials that say same_as: they take none of the budget */
	bool seeded;
	double elapsed_s;

	struct proposal *proposals; /* in the order in which they were handed out */
	size_t n, cap;
	struct space_map index;     /* key to proposal */
	size_t *order, order_n;     /* ok proposals, fastest first */
	size_t *ranks;              /* proposal of each told trial, in order of telling */
	struct proposal *queue;     /* checked, not handed out yet */
	size_t queue_n, queue_at;
};

/* --- script_space.c: configurations as Lua tables, run.space and run.rng ------------------------------------------- */

/* The candidate table at idx as a configuration. Does not run metamethods; errors say what is allowed. */
int script_space_read(lua_State *L, int idx, const struct space *space, struct space_config *c, struct err *e);
void script_space_push_value(lua_State *L, const struct space_axis *a, uint16_t at);
void script_space_push_config(lua_State *L, const struct space *space, const struct space_config *c);
/* Pushes what a search of space.h gave: the configuration, nil, or a raise. */
int script_space_push_found(lua_State *L, int found, const struct space_config *c, const struct err *e);
/* The variant named at idx; -1 when it is absent. Raises on an unknown one. */
int script_space_check_part(lua_State *L, int idx);
/* Pushes the object run.space. */
void script_space_push(lua_State *L);
/* Pushes the object run.rng. */
void script_space_push_rng(lua_State *L);

/* --- script_model.c ------------------------------------------------------------------------------------------------ */

/* run.space:suggest(variant, options) */
int script_model_suggest(lua_State *L);
void script_model_close(struct script_policy *p);

/* --- script_run.c: the object `run` ------------------------------------------------------------------------------- */

/* Pushes a new `run`. want: how many candidates the host has room for. */
void script_run_push(lua_State *L, long want);
/* Pushes the table of what is the same in every `run` of one search. */
void script_run_push_fixed(lua_State *L);
/* Pushes the table of a trial: the host's record with key, op and parents added. */
void script_run_push_trial(lua_State *L, const json_t *trial, const char *key, const json_t *credit);
/* Pushes the policy's global by that name, nil when it has none. */
void script_run_push_global(lua_State *L, const char *name);

#endif
