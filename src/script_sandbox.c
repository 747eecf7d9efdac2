/* script_sandbox: what a script file can see. Each file runs in an environment of its own: an allow-listed base library
 * (no io, os, debug, load, coroutine, collectgarbage, math.random), `require` for lua/NAME.lua, and nothing of another
 * file. What could hang or swallow a limit is wrapped: pcall passes limits on, metatables lose __gc and __close (both
 * run where no limit can end them), and C functions that loop over their arguments' size are bounded. What differs from
 * run to run is replaced by lua/strict.lua: pairs is ordered, table.sort is stable. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "attune/fs.h"
#include "script_internal.h"

#define PATTERN_COST_MAX 2e9 /* worst-case steps of one pattern match, a few seconds */
#define MOVE_MAX 10000000LL

static const char BASE_KEY, STRICT_KEY; /* registry keys, by address */

/* Raises again what a limit raised, so that no script can go on after it. */
static int sandbox_pcall(lua_State *L)
{
	struct script *s = script_of(L);
	int status;

	luaL_checkany(L, 1);
	lua_pushboolean(L, 1);
	lua_insert(L, 1);
	status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
	if (status == LUA_OK)
		return lua_gettop(L);
	if (s->spent == SPENT_NOTHING && (status == LUA_ERRMEM || (s->refused && lua_type(L, -1) == LUA_TSTRING &&
	    strstr(lua_tostring(L, -1), "not enough memory"))))
		s->spent = SPENT_MEMORY;
	if (s->spent != SPENT_NOTHING)
		return lua_error(L);
	lua_pushboolean(L, 0);
	lua_insert(L, -2);
	return 2;
}

static int sandbox_setmetatable(lua_State *L)
{
	static const char *const allowed[] = {
		"__index", "__newindex", "__call", "__tostring", "__name", "__concat", "__eq", "__lt", "__le", "__unm",
		"__add", "__sub", "__mul", "__div", "__mod", "__pow", "__idiv", "__band", "__bor", "__bxor", "__shl",
		"__shr", "__bnot",
	};

	luaL_checktype(L, 1, LUA_TTABLE);
	if (!lua_isnoneornil(L, 2))
		luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	script_rule_unfold(L, 1);
	if (lua_isnil(L, 2)) {
		lua_setmetatable(L, 1);
		return 1;
	}
	lua_newtable(L);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
		lua_pushstring(L, allowed[i]);
		lua_pushvalue(L, -1);
		lua_rawget(L, 2);
		lua_rawset(L, 3);
	}
	lua_setmetatable(L, 1);
	lua_settop(L, 1);
	return 1;
}

/* Worst-case cost of a Lua pattern with k repetitions on n bytes: each adds a loop over what is left, n^(k+1)/k!. */
static double pattern_cost(const char *p, size_t len, double n)
{
	double cost = n + 1.0, repeats = 0.0;

	for (size_t i = 0; i < len; i++) {
		if (p[i] == '%') {
			i++;
		} else if (p[i] == '[') {
			for (i += 2; i < len && p[i] != ']'; i++)
				if (p[i] == '%')
					i++;
		} else if (p[i] == '*' || p[i] == '+' || p[i] == '-') {
			repeats += 1.0;
			cost *= fmax(1.0, n / repeats);
		} else if (p[i] == '?') {
			cost *= 2.0;
		}
	}
	return cost;
}

/* string.find, match, gmatch and gsub (upvalue 1) with the worst case of the pattern bounded. */
static int sandbox_pattern(lua_State *L)
{
	size_t text_len, pattern_len;
	const char *pattern;
	double cost;

	luaL_checklstring(L, 1, &text_len);
	pattern = luaL_checklstring(L, 2, &pattern_len);
	cost = pattern_cost(pattern, pattern_len, (double)text_len);
	if (lua_toboolean(L, 4) && lua_toboolean(L, lua_upvalueindex(2)))
		cost = 0.0;
	if (cost > PATTERN_COST_MAX)
		return luaL_error(L, "pattern with too many repetitions for a text of %d bytes", (int)text_len);
	if (cost > 1e5)
		script_check_limits(L);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

static int sandbox_rep(lua_State *L)
{
	size_t len, sep_len = 0;

	luaL_checklstring(L, 1, &len);
	luaL_checkinteger(L, 2);
	luaL_optlstring(L, 3, "", &sep_len);
	if (len + sep_len == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

static int sandbox_move(lua_State *L)
{
	lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);

	if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from > MOVE_MAX)
		return luaL_error(L, "table.move of too many values");
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

/* next, rawget and rawset (upvalue 1), which see what a table holds itself. */
static int sandbox_raw(lua_State *L)
{
	script_rule_unfold(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* tostring without addresses, which differ from run to run. */
static int sandbox_tostring(lua_State *L)
{
	luaL_checkany(L, 1);
	if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL || lua_type(L, 1) <= LUA_TNUMBER || lua_isstring(L, 1))
		luaL_tolstring(L, 1, NULL);
	else
		lua_pushstring(L, luaL_typename(L, 1));
	return 1;
}

/* Copies names (NULL-terminated) from the library table on top to a new table, which replaces it. */
static void keep(lua_State *L, const char *const *names)
{
	lua_newtable(L);
	for (; *names; names++) {
		lua_getfield(L, -2, *names);
		lua_setfield(L, -2, *names);
	}
	lua_remove(L, -2);
}

/* Replaces field of the table on top by a closure over it and a boolean. */
static void wrap(lua_State *L, const char *field, lua_CFunction f, bool flag)
{
	lua_getfield(L, -1, field);
	lua_pushboolean(L, flag);
	lua_pushcclosure(L, f, 2);
	lua_setfield(L, -2, field);
}

static void open_base(lua_State *L)
{
	static const char *const globals[] = {
		"ipairs", "type", "tonumber", "select", "error", "assert", "rawget", "rawset", "rawequal",
		"rawlen", "pairs", "next", NULL,
	};
	static const char *const maths[] = {
		"abs", "ceil", "cos", "exp", "floor", "fmod", "huge", "log", "max", "maxinteger", "min",
		"mininteger", "modf", "pi", "sin", "sqrt", "tan", "tointeger", "type", "ult", NULL,
	};
	static const char *const strings[] = {
		"byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse",
		"sub", "upper", NULL,
	};
	static const char *const tables[] = { "concat", "insert", "move", "pack", "remove", "sort", "unpack", NULL };

	luaL_requiref(L, "_G", luaopen_base, 0);
	keep(L, globals);
	wrap(L, "next", sandbox_raw, false);
	wrap(L, "rawget", sandbox_raw, false);
	wrap(L, "rawset", sandbox_raw, false);
	luaL_requiref(L, "math", luaopen_math, 0);
	keep(L, maths);
	lua_setfield(L, -2, "math");
	luaL_requiref(L, "table", luaopen_table, 0);
	keep(L, tables);
	wrap(L, "move", sandbox_move, false);
	lua_setfield(L, -2, "table");
	luaL_requiref(L, "string", luaopen_string, 0);
	keep(L, strings);
	wrap(L, "find", sandbox_pattern, true);
	wrap(L, "match", sandbox_pattern, false);
	wrap(L, "gmatch", sandbox_pattern, false);
	wrap(L, "gsub", sandbox_pattern, false);
	wrap(L, "rep", sandbox_rep, false);
	/* Methods of texts: ("x"):rep(3) finds the wrapped functions too. */
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 2);
	lua_setfield(L, -2, "string");
	lua_pushcfunction(L, sandbox_pcall);
	lua_setfield(L, -2, "pcall");
	lua_pushcfunction(L, sandbox_setmetatable);
	lua_setfield(L, -2, "setmetatable");
	lua_pushcfunction(L, sandbox_tostring);
	lua_setfield(L, -2, "tostring");
}

static int sandbox_where(lua_State *L)
{
	char place[192];

	script_where(L, place, sizeof(place));
	lua_pushstring(L, place);
	return 1;
}

void script_sandbox_open(lua_State *L)
{
	int top = lua_gettop(L);

	open_base(L);
	lua_pushcfunction(L, sandbox_where);
	lua_setfield(L, -2, "where");
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &BASE_KEY);
	/* strict.lua is the only file that runs in the base table itself: it completes it and returns the guard. */
	script_load(L, "lua/strict.lua", top + 1);
	luaL_checktype(L, -1, LUA_TFUNCTION);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &STRICT_KEY);
	lua_pushnil(L);
	lua_setfield(L, top + 1, "next");
	lua_settop(L, top);
}

static void push_env(lua_State *L, int cache);

static bool module_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < 64 && name[0] != '/' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_/") == len;
}

/* require "evolve": lua/evolve.lua, run once for each script file in an environment of its own. */
static int sandbox_require(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	char path[80];

	if (!module_name_ok(name))
		return luaL_error(L, "require: a module is the name of a file in lua/, without .lua");
	lua_settop(L, 1);
	lua_getfield(L, lua_upvalueindex(1), name);
	if (lua_isboolean(L, -1))
		return luaL_error(L, "require: lua/%s.lua requires itself", name);
	if (!lua_isnil(L, -1))
		return 1;
	lua_pushboolean(L, 1);
	lua_setfield(L, lua_upvalueindex(1), name);
	snprintf(path, sizeof(path), "lua/%s.lua", name);
	push_env(L, lua_upvalueindex(1));
	script_load(L, path, lua_gettop(L));
	if (lua_isnil(L, -1) || lua_isboolean(L, -1))
		return luaL_error(L, "require: lua/%s.lua returns nothing", name);
	lua_pushvalue(L, -1);
	lua_setfield(L, lua_upvalueindex(1), name);
	return 1;
}

/* A copy of the base library, tables in it included. */
static void push_env(lua_State *L, int cache)
{
	int env;

	luaL_checkstack(L, 10, "script environment");
	lua_pushvalue(L, cache);
	lua_newtable(L);
	env = lua_gettop(L);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &BASE_KEY);
	for (lua_pushnil(L); lua_next(L, env + 1); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		if (lua_istable(L, -2)) {
			lua_newtable(L);
			for (lua_pushnil(L); lua_next(L, -4); lua_pop(L, 1)) {
				lua_pushvalue(L, -2);
				lua_pushvalue(L, -2);
				lua_rawset(L, -5);
			}
		} else {
			lua_pushvalue(L, -2);
		}
		lua_rawset(L, env);
	}
	lua_pop(L, 1);
	lua_pushvalue(L, env - 1);
	lua_pushcclosure(L, sandbox_require, 1);
	lua_setfield(L, env, "require");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &STRICT_KEY);
	lua_pushvalue(L, env);
	lua_call(L, 1, 0);
	lua_remove(L, env - 1);
}

void script_push_env(lua_State *L)
{
	lua_newtable(L);
	push_env(L, lua_gettop(L));
	lua_remove(L, -2);
}

void script_load(lua_State *L, const char *path, int env)
{
	struct script *s = script_of(L);
	char file[4096];

	snprintf(file, sizeof(file), "%s/%s", s->root, path);
	script_load_as(L, file, path, env);
}

void script_load_as(lua_State *L, const char *file, const char *shown, int env)
{
	struct script *s = script_of(L);
	char name[512], before[sizeof(s->loading)];
	struct err e = { 0 };
	struct buf text;
	int status = LUA_OK;

	env = lua_absindex(L, env);
	luaL_checkstack(L, 4, "script file");
	snprintf(name, sizeof(name), "@%s", shown);
	buf_init(&text);
	if (fs_read(file, &text, SCRIPT_FILE_MAX, &e) == 0 && text.len > 0 && text.data[0] == LUA_SIGNATURE[0])
		err_set(&e, "%s: compiled Lua is refused: the source is needed", shown);
	if (!e.code)
		status = luaL_loadbufferx(L, buf_text(&text), text.len, name, "t");
	buf_free(&text);
	if (e.code)
		script_raise(L, &e);
	if (status != LUA_OK)
		lua_error(L);
	lua_pushvalue(L, env);
	lua_setupvalue(L, -2, 1);
	snprintf(before, sizeof(before), "%s", s->loading);
	snprintf(s->loading, sizeof(s->loading), "%s", shown);
	lua_call(L, 0, 1);
	snprintf(s->loading, sizeof(s->loading), "%s", before);
}
