/* script_run: the object `run` that every function of a policy gets. It is a new table each time, lists included, so that
 * a policy which changes it changes nothing but its own view; the tables of single trials are shared between calls. */
#include <string.h>
#include "script_policy.h"

static int l_log(lua_State *L)
{
	/* string.format from the host's own library: the policy's may have been replaced. */
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	if (lua_gettop(L) == 1)
		return 0;
	luaL_tolstring(L, 2, NULL);
	lua_replace(L, 2);
	lua_call(L, lua_gettop(L) - 1, 1);
	script_log(script_of(L), "%s", lua_tostring(L, -1));
	return 0;
}

void script_run_push_global(lua_State *L, const char *name)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->policy->ref_env);
	lua_pushstring(L, name);
	lua_rawget(L, -2);
	lua_remove(L, -2);
}

static void push_format(lua_State *L)
{
	script_run_push_global(L, "string");
	if (lua_istable(L, -1)) {
		lua_pushliteral(L, "format");
		lua_rawget(L, -2);
		lua_remove(L, -2);
	}
}

void script_run_push_fixed(lua_State *L)
{
	const struct script *s = script_of(L);
	const struct script_policy *p = s->policy;

	lua_createtable(L, 0, 8);
	script_space_push(L);
	lua_setfield(L, -2, "space");
	script_space_push_rng(L);
	lua_setfield(L, -2, "rng");
	push_format(L);
	lua_pushcclosure(L, l_log, 1);
	lua_setfield(L, -2, "log");
	if (p->problem)
		script_push_json(L, p->problem);
	else
		lua_newtable(L);
	lua_setfield(L, -2, "problem");
	if (s->device)
		script_push_json(L, s->device);
	else
		lua_newtable(L);
	lua_setfield(L, -2, "device");
	lua_pushinteger(L, p->budget);
	lua_setfield(L, -2, "budget");
	lua_pushstring(L, p->strategy);
	lua_setfield(L, -2, "strategy");
}

void script_run_push_trial(lua_State *L, const json_t *trial, const char *key, const json_t *credit)
{
	const char *name;
	json_t *value;

	script_push_json(L, trial);
	lua_pushstring(L, key);
	lua_setfield(L, -2, "key");
	json_object_foreach((json_t *)credit, name, value) {
		script_push_json(L, value);
		lua_setfield(L, -2, name);
	}
}

static void push_trials(lua_State *L, const struct script_policy *p, const size_t *at, size_t n)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, p->ref_told);
	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, -2, (lua_Integer)at[i] + 1);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_remove(L, -2);
}

/* Candidates that were proposed and not told yet, those not handed out included. */
static void push_waiting(lua_State *L, const struct script_policy *p)
{
	lua_Integer n = 0;

	lua_newtable(L);
	for (size_t i = 0; i < p->n && p->untold; i++) {
		if (p->proposals[i].told)
			continue;
		script_space_push_config(L, p->space, &p->proposals[i].config);
		lua_rawseti(L, -2, ++n);
	}
	for (size_t i = p->queue_at; i < p->queue_n; i++) {
		script_space_push_config(L, p->space, &p->queue[i].config);
		lua_rawseti(L, -2, ++n);
	}
}

void script_run_push(lua_State *L, long want)
{
	static const char *const fixed[] = { "space", "rng", "log", "problem", "device", "budget", "strategy" };
	const struct script_policy *p = script_of(L)->policy;

	lua_rawgeti(L, LUA_REGISTRYINDEX, p->ref_fixed);
	lua_createtable(L, 0, 16);
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
		lua_getfield(L, -2, fixed[i]);
		lua_setfield(L, -2, fixed[i]);
	}
	lua_remove(L, -2);
	push_trials(L, p, p->ranks, (size_t)p->told);
	lua_setfield(L, -2, "trials");
	push_trials(L, p, p->order, p->order_n);
	lua_setfield(L, -2, "ranked");
	script_run_push_global(L, "population");
	lua_setfield(L, -2, "population");
	lua_pushinteger(L, p->told - p->repeats);
	lua_setfield(L, -2, "tried");
	push_waiting(L, p);
	lua_setfield(L, -2, "waiting");
	lua_pushinteger(L, want);
	lua_setfield(L, -2, "want");
	lua_pushinteger(L, p->generation);
	lua_setfield(L, -2, "generation");
	lua_pushnumber(L, p->elapsed_s);
	lua_setfield(L, -2, "elapsed");
}
