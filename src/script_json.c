/* script_json: copies between JSON and Lua values. Nothing is shared: what Lua does to its copy, C does not see.
 * Reading never raises, calls no metamethods and is bounded in depth, count and text, whatever a script made. */
#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "script_internal.h"

#define DEPTH_MAX 20
#define VALUES_MAX 200000
#define TEXT_MAX (4u << 20)

void script_push_json(lua_State *L, const json_t *v)
{
	const char *key;
	json_t *item;
	size_t i;

	luaL_checkstack(L, 4, "copying a value");
	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_OBJECT:
		lua_createtable(L, 0, (int)json_object_size(v));
		json_object_foreach((json_t *)v, key, item) {
			script_push_json(L, item);
			lua_setfield(L, -2, key);
		}
		return;
	case JSON_ARRAY:
		lua_createtable(L, (int)json_array_size(v), 0);
		json_array_foreach((json_t *)v, i, item) {
			script_push_json(L, item);
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
		return;
	case JSON_STRING:
		lua_pushlstring(L, json_string_value(v), json_string_length(v));
		return;
	case JSON_INTEGER:
		lua_pushinteger(L, json_integer_value(v));
		return;
	case JSON_REAL:
		lua_pushnumber(L, json_real_value(v));
		return;
	case JSON_TRUE:
	case JSON_FALSE:
		lua_pushboolean(L, json_is_true(v));
		return;
	default:
		lua_pushnil(L);
	}
}

struct reader {
	lua_State *L;
	struct err *e;
	char path[256]; /* where in the value, for messages */
	size_t values, text;
};

static int read_value(struct reader *r, int idx, int depth, json_t **out);

static int refuse(struct reader *r, const char *what)
{
	return err_set(r->e, "%s%s%s", r->path[0] ? r->path : "", r->path[0] ? ": " : "", what);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The same object with its keys sorted: the order of a Lua table differs from run to run. */
static json_t *sorted(json_t *object)
{
	size_t n = json_object_size(object), i = 0;
	const char **names = calloc(n + 1, sizeof(*names));
	json_t *out = json_object(), *item;
	const char *key;

	if (!names || !out)
		abort();
	json_object_foreach(object, key, item)
		names[i++] = key;
	qsort(names, n, sizeof(*names), compare_names);
	for (i = 0; i < n; i++)
		json_object_set(out, names[i], json_object_get(object, names[i]));
	free(names);
	json_decref(object);
	return out;
}

/* Whether the keys are 1..n. */
static bool is_list(lua_State *L, int idx)
{
	lua_Unsigned n = lua_rawlen(L, idx), seen = 0;

	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1), seen++)
		if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || (lua_Unsigned)lua_tointeger(L, -2) > n) {
			lua_pop(L, 2);
			return false;
		}
	return seen == n;
}

static int read_table(struct reader *r, int idx, int depth, json_t **out)
{
	lua_State *L = r->L;
	bool list = is_list(L, idx);
	size_t path_len = strlen(r->path);
	json_t *to = list ? json_array() : json_object(), *item = NULL;
	int rc = 0;

	if (list)
		for (lua_Unsigned i = 1, n = lua_rawlen(L, idx); i <= n && rc == 0; i++) {
			snprintf(r->path + path_len, sizeof(r->path) - path_len, "[%llu]", (unsigned long long)i);
			lua_rawgeti(L, idx, (lua_Integer)i);
			rc = read_value(r, lua_gettop(L), depth + 1, &item);
			lua_pop(L, 1);
			if (rc == 0)
				json_array_append_new(to, item);
			r->path[path_len] = '\0';
		}
	else
		for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
			char number[32];
			const char *key = number;
			bool text = lua_type(L, -2) == LUA_TSTRING;

			if (text)
				key = lua_tostring(L, -2);
			else if (lua_isinteger(L, -2))
				snprintf(number, sizeof(number), "%lld", (long long)lua_tointeger(L, -2));
			else
				rc = refuse(r, "a key is neither a text nor an integer");
			if (rc == 0)
				snprintf(r->path + path_len, sizeof(r->path) - path_len, "%s%.60s", path_len ? "." : "",
					 key);
			if (rc == 0)
				rc = read_value(r, lua_gettop(L), depth + 1, &item);
			if (rc == 0 && json_object_set_new(to, key, item) < 0)
				rc = refuse(r, "a key is not UTF-8");
			r->path[path_len] = '\0';
			if (rc < 0) {
				lua_pop(L, 2);
				break;
			}
		}
	if (rc < 0)
		json_decref(to);
	else
		*out = list ? to : sorted(to);
	return rc;
}

static int read_value(struct reader *r, int idx, int depth, json_t **out)
{
	lua_State *L = r->L;
	char what[80];
	size_t len;
	const char *text;

	if (depth > DEPTH_MAX)
		return refuse(r, "a table in a table more than 20 levels deep");
	if (++r->values > VALUES_MAX || r->text > TEXT_MAX)
		return refuse(r, "more than 200000 values or 4 MiB of text");
	if (!lua_checkstack(L, 4))
		return refuse(r, "the Lua stack is full");
	switch (lua_type(L, idx)) {
	case LUA_TTABLE:
		return read_table(r, idx, depth, out);
	case LUA_TSTRING:
		text = lua_tolstring(L, idx, &len);
		r->text += len;
		*out = json_stringn(text, len);
		return *out ? 0 : refuse(r, "a text that is not UTF-8");
	case LUA_TBOOLEAN:
		*out = json_boolean(lua_toboolean(L, idx));
		return 0;
	case LUA_TNUMBER:
		if (lua_isinteger(L, idx))
			*out = json_integer(lua_tointeger(L, idx));
		else
			*out = isfinite(lua_tonumber(L, idx)) ? json_real(lua_tonumber(L, idx)) : NULL;
		return *out ? 0 : refuse(r, "a number that is not finite");
	case LUA_TNIL:
		*out = json_null();
		return 0;
	default:
		snprintf(what, sizeof(what), "a %s where data was expected", lua_typename(L, lua_type(L, idx)));
		return refuse(r, what);
	}
}

int script_to_json(lua_State *L, int idx, json_t **out, struct err *e)
{
	struct reader r = { .L = L, .e = e };

	*out = NULL;
	return read_value(&r, lua_absindex(L, idx), 0, out);
}
