/* script_policy: loads a policy, begins a run of it, tells it results and asks whether it is done. Each call is protected,
 * and a mistake of the policy ends neither the run nor a trial. Asking for candidates is script_ask.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attune/fs.h"
#include "script_policy.h"

enum { LOOKAHEAD_MAX = 1000 };

/* What the bodies need. */
struct call {
	struct script *s;
	const json_t *trial, *credit;
	const char *key;
	long answer;
};

static void drop_ref(lua_State *L, int *ref)
{
	luaL_unref(L, LUA_REGISTRYINDEX, *ref);
	*ref = LUA_NOREF;
}

static int body_load(lua_State *L)
{
	struct script_policy *p = ((struct call *)lua_touserdata(L, 1))->s->policy;

	drop_ref(L, &p->ref_env);
	script_push_env(L);
	lua_pushvalue(L, -1);
	p->ref_env = luaL_ref(L, LUA_REGISTRYINDEX);
	/* A path as the user typed it, or one under the root ("lua/policy.lua" from any folder). */
	if (p->path[0] == '/' || fs_exists(p->path))
		script_load_as(L, p->path, p->path, lua_gettop(L));
	else
		script_load(L, p->path, lua_gettop(L));
	return 0;
}

int script_policy_open(struct script *s, const char *path, struct err *e)
{
	struct script_policy *p = calloc(1, sizeof *p);
	struct call c = { .s = s };

	if (!p)
		abort();
	p->ref_env = p->ref_told = p->ref_fixed = LUA_NOREF;
	p->path = strdup(path);
	if (!p->path)
		abort();
	s->policy = p;
	return script_protect(s, body_load, &c, e);
}

static void end_run(struct script_policy *p)
{
	for (size_t i = 0; i < p->n; i++)
		json_decref(p->proposals[i].credit);
	for (size_t i = p->queue_at; i < p->queue_n; i++)
		json_decref(p->queue[i].credit);
	free(p->proposals);
	free(p->order);
	free(p->ranks);
	free(p->queue);
	p->proposals = p->queue = NULL;
	p->order = p->ranks = NULL;
	p->n = p->cap = p->order_n = p->queue_n = p->queue_at = 0;
	space_map_free(&p->index);
	script_model_close(p);
	script_rule_close(&p->rule);
	if (p->own_space)
		space_close(p->space);
	p->space = NULL;
	json_decref(p->problem);
	p->problem = NULL;
	free(p->strategy);
	p->strategy = NULL;
}

void script_policy_close(struct script *s)
{
	struct script_policy *p = s->policy;

	if (!p)
		return;
	end_run(p);
	drop_ref(s->L, &p->ref_env);
	drop_ref(s->L, &p->ref_told);
	drop_ref(s->L, &p->ref_fixed);
	free(p->path);
	free(p);
	s->policy = NULL;
}

static int body_begin(lua_State *L)
{
	struct call *c = lua_touserdata(L, 1);
	struct script_policy *p = c->s->policy;

	drop_ref(L, &p->ref_told);
	lua_newtable(L);
	p->ref_told = luaL_ref(L, LUA_REGISTRYINDEX);
	drop_ref(L, &p->ref_fixed);
	script_run_push_fixed(L);
	p->ref_fixed = luaL_ref(L, LUA_REGISTRYINDEX);
	script_run_push_global(L, "lookahead");
	if (lua_isnil(L, -1))
		return 0;
	if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0 || lua_tointeger(L, -1) > LOOKAHEAD_MAX)
		return luaL_error(L, "%s: lookahead is a whole number from 0 to %d", p->path, LOOKAHEAD_MAX);
	p->lookahead = (long)lua_tointeger(L, -1);
	return 0;
}

/* Each variant that fits the problem says where to start on it. */
static int set_starts(struct script *s, struct err *e)
{
	struct script_policy *p = s->policy;
	struct buf unread;
	int rc = 0;

	buf_init(&unread);
	for (size_t i = 0; i < p->space->parts_n && rc >= 0; i++) {
		json_t *first = NULL;

		rc = script_fits(s, p->problem, p->space->parts[i].name, &unread, e);
		if (rc > 0)
			rc = script_first(s, p->problem, p->space->parts[i].name, &first, e);
		if (rc == 0 && first)
			rc = space_start(p->space, first, e);
		json_decref(first);
	}
	buf_free(&unread);
	return rc < 0 ? rc : 0;
}

static int open_space(struct script *s, const struct script_run *run, struct err *e)
{
	struct script_policy *p = s->policy;
	json_t *variants = NULL;
	int rc;

	if (run->space) {
		p->space = run->space;
		p->own_space = false;
		space_forget(p->space);
		return 0;
	}
	if (!s->family)
		return err_set(e, "neither a family nor a recorded space to search in");
	p->own_space = true;
	rc = script_variants(s, p->problem, run->only, &variants, e);
	if (!rc)
		rc = space_open(&p->space, variants, e);
	json_decref(variants);
	if (rc)
		return rc;
	p->rule = (struct script_rule){ .s = s, .problem = p->problem, .space = p->space };
	p->space->rule = script_rule_legal;
	p->space->rule_to = &p->rule;
	rc = set_starts(s, e);
	return rc == 0 && run->only ? space_list(p->space, run->only, e) : rc;
}

int script_policy_begin(struct script *s, const struct script_run *run, long *lookahead, struct err *e)
{
	struct script_policy *p = s->policy;
	struct call c = { .s = s };
	int rc;

	if (!p)
		return err_set(e, "no policy is loaded");
	end_run(p);
	p->problem = run->problem ? json_deep_copy(run->problem) : NULL;
	p->strategy = run->strategy ? strdup(run->strategy) : NULL;
	p->budget = run->trials;
	p->lookahead = p->generation = p->told = p->untold = p->repeats = 0;
	p->elapsed_s = 0;
	p->seeded = false;
	stats_rng_seed(&p->rng, run->seed);
	rc = open_space(s, run, e);
	if (!rc)
		rc = script_protect(s, body_load, &c, e);
	if (!rc)
		rc = script_protect(s, body_begin, &c, e);
	if (!rc && lookahead)
		*lookahead = p->lookahead;
	return rc;
}

static void rank(struct script_policy *p, size_t at)
{
	size_t i = p->order_n++;

	for (; i > 0 && p->proposals[p->order[i - 1]].time_us > p->proposals[at].time_us; i--)
		p->order[i] = p->order[i - 1];
	p->order[i] = at;
}

static int body_tell(lua_State *L)
{
	struct call *c = lua_touserdata(L, 1);
	struct script_policy *p = c->s->policy;

	lua_rawgeti(L, LUA_REGISTRYINDEX, p->ref_told);
	script_run_push_trial(L, c->trial, c->key, c->credit);
	lua_pushvalue(L, -1);
	lua_rawseti(L, -3, (lua_Integer)c->answer + 1);
	script_run_push_global(L, "observe");
	if (!lua_isfunction(L, -1))
		return 0;
	script_run_push(L, 0);
	lua_pushvalue(L, -3);
	lua_call(L, 2, 0);
	return 0;
}

int script_policy_tell(struct script *s, const json_t *trial, double elapsed_s, struct err *e)
{
	struct script_policy *p = s->policy;
	const char *verdict = json_string_value(json_object_get(trial, "verdict"));
	double time_us = json_number_value(json_object_get(trial, "time_us"));
	struct err failed = { 0 };
	struct space_config config;
	struct proposal *of;
	struct buf key;
	int32_t at;

	if (space_from_json(p->space, json_object_get(trial, "candidate"), &config, e))
		return err_where(e, "a trial that the policy is told of");
	at = space_map_get(&p->index, space_key(p->space, &config));
	if (at < 0 || p->proposals[at].told)
		return err_set(e, "a trial that the policy did not propose, or was told before");
	of = &p->proposals[at];
	of->told = true;
	of->ok = verdict && !strcmp(verdict, "ok") && time_us > 0;
	of->time_us = time_us;
	p->elapsed_s = elapsed_s;
	p->untold--;
	p->repeats += json_object_get(trial, "same_as") != NULL;
	p->ranks[p->told++] = (size_t)at;
	if (of->ok)
		rank(p, (size_t)at);
	buf_init(&key);
	space_text(p->space, &config, &key);
	struct call c = { .s = s, .trial = trial, .key = buf_text(&key), .credit = of->credit, .answer = at };
	if (script_protect(s, body_tell, &c, &failed))
		script_log(s, "%s", failed.text);
	buf_free(&key);
	return 0;
}

static int body_done(lua_State *L)
{
	struct call *c = lua_touserdata(L, 1);

	script_run_push_global(L, "done");
	if (!lua_isfunction(L, -1))
		return 0;
	script_run_push(L, 0);
	lua_call(L, 1, 1);
	c->answer = lua_toboolean(L, -1);
	return 0;
}

int script_policy_done(struct script *s, double elapsed_s, struct err *e)
{
	struct call c = { .s = s };
	int rc;

	s->policy->elapsed_s = elapsed_s;
	rc = script_protect(s, body_done, &c, e);
	return rc ? rc : (int)c.answer;
}

long script_policy_generation(const struct script *s)
{
	return s->policy->generation;
}
