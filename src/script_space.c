/* script_space: candidates as Lua tables, and the objects run.space and run.rng that a policy gets. Both are empty
 * userdata: their methods find the policy through the state, so a policy can neither forge nor outlive what is behind
 * them. A method checks its arguments first, calls space.h, and raises only when it holds nothing. */
#include <math.h>
#include <string.h>
#include "script_policy.h"

enum { NEIGHBOURS_MAX = 512 };

static struct script_policy *policy_of(lua_State *L)
{
	return script_of(L)->policy;
}

static int read_value(lua_State *L, const struct space_axis *a, struct space_config *c, size_t at)
{
	if (lua_type(L, -1) == LUA_TNUMBER) {
		double x = lua_tonumber(L, -1);

		for (uint16_t i = 0; i < a->n; i++) {
			if (a->numbers[i] == x) {
				c->at[at] = i;
				return 0;
			}
		}
	} else {
		bool flag = lua_isboolean(L, -1);
		const char *text = flag ? lua_toboolean(L, -1) ? "true" : "false" : NULL;
		int value;

		if (lua_type(L, -1) == LUA_TSTRING)
			text = lua_tostring(L, -1);
		value = text ? space_find_value(a, text) : -1;
		if (value >= 0 && isnan(a->numbers[value])) {
			c->at[at] = (uint16_t)value;
			return 0;
		}
	}
	return -1;
}

/* What stands in the way of the value on top, as one line. */
static int bad_value(lua_State *L, const struct space_part *p, const struct space_axis *a, struct err *e)
{
	struct buf allowed;
	int rc;

	buf_init(&allowed);
	space_list_values(a, &allowed);
	if (lua_type(L, -1) == LUA_TNUMBER)
		rc = err_set(e, "%s=%.14g: axis %s of variant %s may be %s", a->name, lua_tonumber(L, -1), a->name, p->name,
			     buf_text(&allowed));
	else if (lua_type(L, -1) == LUA_TSTRING)
		rc = err_set(e, "%s=\"%.40s\": axis %s of variant %s may be %s", a->name, lua_tostring(L, -1), a->name, p->name,
			     buf_text(&allowed));
	else
		rc = err_set(e, "%s is a %s: axis %s of variant %s may be %s", a->name, luaL_typename(L, -1), a->name, p->name,
			     buf_text(&allowed));
	buf_free(&allowed);
	return rc;
}

int script_space_read(lua_State *L, int idx, const struct space *space, struct space_config *c, struct err *e)
{
	const struct space_part *p;
	int part;

	idx = lua_absindex(L, idx);
	if (!lua_istable(L, idx))
		return err_set(e, "a candidate is a table {variant=\"...\", AXIS=value, ...}, not a %s", luaL_typename(L, idx));
	lua_pushliteral(L, "variant");
	lua_rawget(L, idx);
	if (lua_isnil(L, -1) && space->parts_n == 1)
		part = 0;
	else if (lua_type(L, -1) != LUA_TSTRING)
		part = err_set(e, "a candidate without a variant");
	else if ((part = space_find_part(space, lua_tostring(L, -1))) < 0)
		err_set(e, "no variant \"%.60s\" in this space", lua_tostring(L, -1));
	lua_pop(L, 1);
	if (part < 0)
		return part;
	p = &space->parts[part];
	memset(c, 0, sizeof *c);
	c->part = (uint32_t)part;
	for (size_t i = 0; i < p->axes_n; i++)
		c->at[i] = p->axes[i].usual;
	lua_pushnil(L);
	while (lua_next(L, idx)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
		int axis, rc = 0;

		if (name && (*name == '_' || !strcmp(name, "variant"))) {
			lua_pop(L, 1);
			continue;
		}
		axis = name ? space_find_axis(p, name) : -1;
		if (axis < 0)
			rc = err_set(e, "variant %s has no axis %.60s", p->name, name ? name : "without a name");
		else if (read_value(L, &p->axes[axis], c, (size_t)axis))
			rc = bad_value(L, p, &p->axes[axis], e);
		if (rc) {
			lua_pop(L, 2);
			return rc;
		}
		lua_pop(L, 1);
	}
	return 0;
}

void script_space_push_value(lua_State *L, const struct space_axis *a, uint16_t at)
{
	double x = a->numbers[at];

	if (isnan(x))
		lua_pushstring(L, a->texts[at]);
	else if (x == floor(x) && fabs(x) < 0x1p53)
		lua_pushinteger(L, (lua_Integer)x);
	else
		lua_pushnumber(L, x);
}

void script_space_push_config(lua_State *L, const struct space *space, const struct space_config *c)
{
	const struct space_part *p = &space->parts[c->part];

	lua_createtable(L, 0, (int)p->axes_n + 1);
	lua_pushstring(L, p->name);
	lua_setfield(L, -2, "variant");
	for (size_t i = 0; i < p->axes_n; i++) {
		script_space_push_value(L, &p->axes[i], c->at[i]);
		lua_setfield(L, -2, p->axes[i].name);
	}
}

static void check_config(lua_State *L, int idx, struct space_config *c)
{
	struct err e = { 0 };

	if (script_space_read(L, idx, policy_of(L)->space, c, &e))
		script_raise(L, &e);
}

int script_space_push_found(lua_State *L, int found, const struct space_config *c, const struct err *e)
{
	if (found < 0)
		return script_raise(L, e);
	if (found)
		script_space_push_config(L, policy_of(L)->space, c);
	else
		lua_pushnil(L);
	return 1;
}

static int l_legal(lua_State *L)
{
	struct err e = { 0 };
	struct space_config c;
	char text[256] = "";
	struct buf why;
	int legal;

	check_config(L, 2, &c);
	buf_init(&why);
	legal = space_legal(policy_of(L)->space, &c, &why, &e);
	if (legal == 0)
		snprintf(text, sizeof text, "%s", buf_text(&why));
	buf_free(&why);
	if (legal < 0)
		return script_raise(L, &e);
	lua_pushboolean(L, legal);
	if (legal)
		return 1;
	lua_pushstring(L, text);
	return 2;
}

static int l_neighbours(lua_State *L)
{
	static const char *const moves[] = { "step", "any", NULL };
	struct space_config c, out[NEIGHBOURS_MAX];
	struct err e = { 0 };
	enum space_move how;
	long n;

	script_check_limits(L);
	check_config(L, 2, &c);
	how = luaL_checkoption(L, 3, "step", moves) ? SPACE_ANY : SPACE_STEP;
	n = space_neighbours(policy_of(L)->space, &c, how, out, NEIGHBOURS_MAX, &e);
	if (n < 0)
		return script_raise(L, &e);
	lua_createtable(L, (int)n, 0);
	for (long i = 0; i < n; i++) {
		script_space_push_config(L, policy_of(L)->space, &out[i]);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

static int l_adjacent(lua_State *L)
{
	struct script_policy *p = policy_of(L);
	struct err e = { 0 };
	struct space_config c, out;

	script_check_limits(L);
	check_config(L, 2, &c);
	return script_space_push_found(L, space_adjacent(p->space, &c, true, &p->rng, &out, &e), &out, &e);
}

int script_space_check_part(lua_State *L, int idx)
{
	const char *name = luaL_optstring(L, idx, NULL);
	int part = name ? space_find_part(policy_of(L)->space, name) : -1;

	if (name && part < 0)
		luaL_error(L, "no variant \"%s\" in this space", name);
	return part;
}

static int l_random(lua_State *L)
{
	struct script_policy *p = policy_of(L);
	struct err e = { 0 };
	struct space_config out;
	int part = script_space_check_part(L, 2);

	script_check_limits(L);
	return script_space_push_found(L, space_random(p->space, part, false, &p->rng, &out, &e), &out, &e);
}

static int l_repair(lua_State *L)
{
	struct err e = { 0 };
	struct space_config c, out;

	script_check_limits(L);
	check_config(L, 2, &c);
	return script_space_push_found(L, space_repair(policy_of(L)->space, &c, &out, &e), &out, &e);
}

static int l_default(lua_State *L)
{
	struct err e = { 0 };
	struct space_config out;
	int part = script_space_check_part(L, 2);

	return script_space_push_found(L, space_default(policy_of(L)->space, part < 0 ? 0 : (uint32_t)part, &out, &e), &out, &e);
}

static int l_key(lua_State *L)
{
	struct space_config c;
	char text[2048];
	struct buf b;

	check_config(L, 2, &c);
	buf_init(&b);
	space_text(policy_of(L)->space, &c, &b);
	snprintf(text, sizeof text, "%s", buf_text(&b));
	buf_free(&b);
	lua_pushstring(L, text);
	return 1;
}

static int l_seen(lua_State *L)
{
	struct space_config c;

	check_config(L, 2, &c);
	lua_pushboolean(L, space_seen(policy_of(L)->space, &c));
	return 1;
}

static int l_distance(lua_State *L)
{
	struct space_config a, b;

	check_config(L, 2, &a);
	check_config(L, 3, &b);
	if (a.part != b.part)
		lua_pushnil(L);
	else
		lua_pushinteger(L, space_distance(policy_of(L)->space, &a, &b));
	return 1;
}

static void push_axis(lua_State *L, const struct space_axis *a)
{
	lua_createtable(L, 0, 6);
	lua_pushstring(L, a->name);
	lua_setfield(L, -2, "name");
	lua_pushstring(L, a->strategy);
	lua_setfield(L, -2, "strategy");
	lua_pushstring(L, a->about);
	lua_setfield(L, -2, "about");
	lua_pushboolean(L, a->ordered);
	lua_setfield(L, -2, "ordered");
	script_space_push_value(L, a, a->usual);
	lua_setfield(L, -2, "default");
	lua_createtable(L, a->n, 0);
	for (uint16_t i = 0; i < a->n; i++) {
		script_space_push_value(L, a, i);
		lua_rawseti(L, -2, i + 1);
	}
	lua_setfield(L, -2, "values");
}

static void push_variants(lua_State *L, const struct space *space)
{
	lua_createtable(L, (int)space->parts_n, 0);
	for (size_t i = 0; i < space->parts_n; i++) {
		const struct space_part *p = &space->parts[i];

		lua_createtable(L, 0, 2);
		lua_pushstring(L, p->name);
		lua_setfield(L, -2, "name");
		lua_createtable(L, (int)p->axes_n, 0);
		for (size_t a = 0; a < p->axes_n; a++) {
			push_axis(L, &p->axes[a]);
			lua_rawseti(L, -2, (lua_Integer)a + 1);
		}
		lua_setfield(L, -2, "axes");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

/* Methods are upvalue 1; `variants` is built at its first use, as most policies never look. */
static int l_index(lua_State *L)
{
	lua_settop(L, 2);
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	if (!lua_isnil(L, -1))
		return 1;
	if (lua_type(L, 2) == LUA_TSTRING && !strcmp(lua_tostring(L, 2), "variants")) {
		push_variants(L, policy_of(L)->space);
		lua_pushvalue(L, 2);
		lua_pushvalue(L, -2);
		lua_rawset(L, lua_upvalueindex(1));
		return 1;
	}
	return luaL_error(L, "no field \"%s\" here", luaL_tolstring(L, 2, NULL));
}

static void push_object(lua_State *L, const luaL_Reg *methods)
{
	lua_newuserdatauv(L, 0, 0);
	lua_createtable(L, 0, 2);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_pushcclosure(L, l_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
}

void script_space_push(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "legal", l_legal },     { "neighbours", l_neighbours }, { "adjacent", l_adjacent }, { "random", l_random },
		{ "repair", l_repair },   { "default", l_default },       { "key", l_key },           { "seen", l_seen },
		{ "distance", l_distance }, { "suggest", script_model_suggest }, { NULL, NULL },
	};

	push_object(L, methods);
}

static int l_int(lua_State *L)
{
	lua_Integer n = luaL_checkinteger(L, 2);

	luaL_argcheck(L, n >= 1, 2, "at least 1 was expected");
	lua_pushinteger(L, 1 + (lua_Integer)stats_rng_below(&policy_of(L)->rng, (uint64_t)n));
	return 1;
}

static int l_uniform(lua_State *L)
{
	lua_pushnumber(L, stats_rng_uniform(&policy_of(L)->rng));
	return 1;
}

static int l_normal(lua_State *L)
{
	lua_pushnumber(L, stats_rng_normal(&policy_of(L)->rng));
	return 1;
}

static int l_pick(lua_State *L)
{
	lua_Integer n;

	luaL_checktype(L, 2, LUA_TTABLE);
	n = (lua_Integer)lua_rawlen(L, 2);
	if (n)
		lua_rawgeti(L, 2, 1 + (lua_Integer)stats_rng_below(&policy_of(L)->rng, (uint64_t)n));
	else
		lua_pushnil(L);
	return 1;
}

/* Fisher and Yates, in place; the list is returned too. */
static int l_shuffle(lua_State *L)
{
	luaL_checktype(L, 2, LUA_TTABLE);
	for (lua_Integer i = (lua_Integer)lua_rawlen(L, 2); i > 1; i--) {
		lua_Integer j = 1 + (lua_Integer)stats_rng_below(&policy_of(L)->rng, (uint64_t)i);

		lua_rawgeti(L, 2, i);
		lua_rawgeti(L, 2, j);
		lua_rawseti(L, 2, i);
		lua_rawseti(L, 2, j);
	}
	lua_settop(L, 2);
	return 1;
}

void script_space_push_rng(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "int", l_int },   { "uniform", l_uniform }, { "normal", l_normal },
		{ "pick", l_pick }, { "shuffle", l_shuffle }, { NULL, NULL },
	};

	push_object(L, methods);
}
