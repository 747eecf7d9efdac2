/* script_model: run.space:suggest(variant, options): what the model of model.h would try next, from the trials that this
 * search has been told and the candidates that it waits for. */
#include <stdlib.h>
#include <string.h>
#include "script_policy.h"

enum { POOL_MAX = 100000 };

void script_model_close(struct script_policy *p)
{
	for (size_t i = 0; p->models && i < p->space->parts_n; i++)
		model_close(p->models[i]);
	free(p->models);
	p->models = NULL;
}

static double number_option(lua_State *L, int idx, const char *name, double least, double most, double otherwise)
{
	double x = otherwise;

	if (lua_isnoneornil(L, idx))
		return otherwise;
	lua_getfield(L, idx, name);
	if (!lua_isnil(L, -1)) {
		x = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : least - 1;
		if (!(x >= least && x <= most))
			luaL_error(L, "suggest: %s is a number from %f to %f", name, least, most);
	}
	lua_pop(L, 1);
	return x;
}

static void check_options(lua_State *L, int idx, struct model_ask *ask)
{
	static const char *const known[] = { "shape", "explore", "far", "belief", "spread", "pool" };

	if (!lua_isnoneornil(L, idx))
		luaL_checktype(L, idx, LUA_TTABLE);
	ask->shape = number_option(L, idx, "shape", 0, 10, 1);
	ask->explore = number_option(L, idx, "explore", 0.01, 100, 1);
	ask->far = number_option(L, idx, "far", 0.01, 100, ask->explore);
	ask->belief = number_option(L, idx, "belief", 0, 1000, 0);
	ask->pool = (size_t)number_option(L, idx, "pool", 0, POOL_MAX, 1500);
	ask->spread = false;
	if (lua_isnoneornil(L, idx))
		return;
	lua_getfield(L, idx, "spread");
	ask->spread = lua_toboolean(L, -1);
	lua_pop(L, 1);
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		bool found = false;

		for (size_t i = 0; lua_type(L, -2) == LUA_TSTRING && i < sizeof known / sizeof *known; i++)
			found = found || !strcmp(lua_tostring(L, -2), known[i]);
		if (!found)
			luaL_error(L, "suggest: the options are shape, explore, far, belief, spread and pool");
	}
}

static size_t add_trial(struct model_trial *trials, size_t n, const struct proposal *p, uint32_t part)
{
	if (p->config.part != part)
		return n;
	trials[n] = (struct model_trial){ .config = p->config, .waiting = !p->told, .speed = p->ok ? 1 / p->time_us : 0 };
	return n + 1;
}

int script_model_suggest(lua_State *L)
{
	struct script_policy *p = script_of(L)->policy;
	int named = script_space_check_part(L, 2), rc;
	uint32_t part = named < 0 ? 0 : (uint32_t)named;
	struct model_trial *trials;
	struct space_config c;
	struct err e = { 0 };
	struct model_ask ask;
	size_t n = 0;

	script_check_limits(L);
	check_options(L, 3, &ask);
	if (!p->models)
		p->models = calloc(p->space->parts_n, sizeof(struct model *));
	if (!p->models)
		abort();
	if (!p->models[part])
		p->models[part] = model_open(p->space, part);
	trials = calloc(p->n + p->queue_n + 1, sizeof *trials);
	if (!trials)
		abort();
	for (size_t i = 0; i < p->n; i++)
		n = add_trial(trials, n, &p->proposals[i], part);
	for (size_t i = p->queue_at; i < p->queue_n; i++)
		n = add_trial(trials, n, &p->queue[i], part);
	rc = model_suggest(p->models[part], trials, n, &ask, &p->rng, &c, &e);
	free(trials);
	return script_space_push_found(L, rc, &c, &e);
}
