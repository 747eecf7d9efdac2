/* script_call: calls one function of a family or a variant: tables in, JSON out. What the results must be is decided by
 * the callers (script_problem.c, script_candidate.c, script_launch.c). */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>
#include "script_internal.h"

void script_file(const struct script *s, const char *variant, char out[SCRIPT_PATH])
{
	snprintf(out, SCRIPT_PATH, "%s/%s/%s.lua", s->folder, s->kernel, variant ? variant : s->kernel);
}

static void push_field(lua_State *L, const char *variant, const char *field)
{
	struct script *s = script_of(L);

	lua_rawgeti(L, LUA_REGISTRYINDEX, variant ? s->ref_variants : s->ref_family);
	if (variant) {
		lua_getfield(L, -1, variant);
		lua_remove(L, -2);
		luaL_checktype(L, -1, LUA_TTABLE);
	}
	lua_getfield(L, -1, field);
	lua_remove(L, -2);
}

/* Calls host function `name` of the vocabulary on the n values on top; leaves its one result. */
static void call_host(lua_State *L, const char *name, int n)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref_vocabulary);
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
	lua_insert(L, -n - 1);
	lua_call(L, n, 1);
}

void script_set_guard(lua_State *L, int idx, const char *what)
{
	idx = lua_absindex(L, idx);
	lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref_vocabulary);
	lua_getfield(L, -1, "guards");
	lua_getfield(L, -1, what);
	lua_getmetatable(L, -1);
	lua_setmetatable(L, idx);
	lua_pop(L, 3);
}

static void push_guarded(lua_State *L, const json_t *fields, const char *what)
{
	script_push_json(L, fields);
	script_set_guard(L, -1, what);
}

static int convert(lua_State *L, const struct script_call *c, int idx, const char *what, json_t **out)
{
	struct err e = { 0 };
	char file[SCRIPT_PATH];

	if (script_to_json(L, idx, out, &e) == 0)
		return 0;
	script_file(script_of(L), c->variant, file);
	return luaL_error(L, "%s: %s: %s%s", file, c->field, what, e.text);
}

static int body_call(lua_State *L)
{
	struct script_call *c = lua_touserdata(L, 1);
	struct script *s = script_of(L);
	int args = 0;

	luaL_checkstack(L, 12, "call");
	push_field(L, c->variant, c->of ? c->of : c->field);
	if (c->of) {
		lua_getfield(L, -1, c->field);
		lua_remove(L, -2);
	}
	if (lua_isnil(L, -1))
		return 0;
	luaL_checktype(L, -1, LUA_TFUNCTION);
	if (c->candidate) {
		push_guarded(L, c->candidate, "c");
		args++;
	}
	if (c->symbols) {
		script_push_json(L, c->values);
		script_push_json(L, c->symbols);
		script_push_json(L, c->hidden);
		call_host(L, "symbolic", 3);
	} else {
		push_guarded(L, c->values, "p");
	}
	args++;
	if (c->device) {
		push_guarded(L, s->device, "device");
		args++;
	}
	if (c->extra) {
		lua_pushstring(L, c->extra);
		args++;
	}
	lua_call(L, args, 2);
	convert(L, c, -2, "", &c->out);
	convert(L, c, -1, "second result: ", &c->second);
	return 0;
}

int script_call(struct script *s, struct script_call *c, struct err *e)
{
	int rc;

	c->out = c->second = NULL;
	rc = script_protect(s, body_call, c, e);
	if (rc < 0)
		script_call_free(c);
	return rc;
}

void script_call_free(struct script_call *c)
{
	json_decref(c->out);
	json_decref(c->second);
	c->out = c->second = NULL;
}
