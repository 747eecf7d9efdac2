/* script_family: loads a family and its variants and describes them as JSON. Does not call their functions
 * (script_call.c). Tables made by the vocabulary (lua/family.lua) are checked there, where the line is known; what
 * needs more than one of them is checked here. */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "attune/fs.h"
#include "attune/problem.h"
#include "script_internal.h"

/* --- description ------------------------------------------------------------------------------------------------- */

/* A constructor's table as an object in a fixed order; the first positional field is the name. Absent members take the
 * default, and are left out when that is NULL. */
struct member {
	const char *name, *otherwise;
};

static json_t *described(const json_t *from, const struct member *members)
{
	json_t *to = json_object(), *name = json_object_get(from, "1");

	if (name)
		json_object_set(to, "name", name);
	for (; members->name; members++) {
		json_t *value = json_object_get(from, members->name);

		if (value)
			json_object_set(to, members->name, value);
		else if (members->otherwise)
			json_object_set_new(to, members->name, json_loads(members->otherwise, JSON_DECODE_ANY, NULL));
	}
	return to;
}

static json_t *described_list(const json_t *list, const struct member *members)
{
	json_t *to = json_array(), *item;
	size_t i;

	json_array_foreach((json_t *)list, i, item) {
		json_t *one = described(item, members), *values = json_object_get(one, "values");

		if (json_is_null(json_object_get(one, "default")))
			json_object_set(one, "default", json_array_get(values, 0));
		json_array_append_new(to, one);
	}
	return to;
}

static const struct member DIM[] = { { "min", NULL }, { "max", NULL }, { "values", NULL }, { "default", NULL },
	{ "divides", NULL }, { "fixed", "false" }, { "about", "\"\"" }, { NULL, NULL } };
static const struct member FLAG[] = {
	{ "values", "[]" }, { "default", NULL }, { "fixed", "false" }, { "about", "\"\"" }, { NULL, NULL }
};
static const struct member AXIS[] = { { "values", "[]" }, { "default", "null" }, { "strategy", "\"other\"" },
	{ "about", "\"\"" }, { NULL, NULL } };

/* Field of the table at idx as JSON; absent: what `otherwise` says. */
static json_t *field_json(lua_State *L, int idx, const char *file, const char *name, const char *otherwise)
{
	struct err e = { 0 };
	json_t *out = NULL;

	idx = lua_absindex(L, idx);
	lua_getfield(L, idx, name);
	if (lua_isnil(L, -1))
		out = otherwise ? json_loads(otherwise, JSON_DECODE_ANY, NULL) : NULL;
	else if (script_to_json(L, -1, &out, &e) < 0)
		luaL_error(L, "%s: %s: %s", file, name, e.text);
	lua_pop(L, 1);
	return out;
}

static void take_field(lua_State *L, json_t *to, const char *file, const char *name, const char *otherwise)
{
	json_t *value = field_json(L, -1, file, name, otherwise);

	if (value)
		json_object_set_new(to, name, value);
}

/* --- loading ----------------------------------------------------------------------------------------------------- */

struct loading {
	json_t *family; /* becomes script_family */
	json_t *raw;    /* parts of the family's table as JSON */
	json_t *part;   /* under construction */
};

static bool file_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < 64 && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == len;
}

/* Runs a family or variant file; leaves its table, made by constructor `kind`. */
static void load_file(lua_State *L, const char *file, const char *kind)
{
	int env;

	script_push_env(L);
	env = lua_gettop(L);
	lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref_vocabulary);
	lua_getfield(L, -1, "words");
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_rawset(L, env);
	}
	lua_settop(L, env);
	script_load(L, file, env);
	lua_remove(L, env);
	if (!lua_istable(L, -1))
		luaL_error(L, "%s: does not end with `return %s { ... }`", file, kind);
	lua_getfield(L, -1, "kind");
	if (!lua_isstring(L, -1) || strcmp(lua_tostring(L, -1), kind))
		luaL_error(L, "%s: does not end with `return %s { ... }`", file, kind);
	lua_pop(L, 1);
}

static void check_flags(lua_State *L, const json_t *flags, const char *file)
{
	size_t i;
	json_t *flag;

	if (!json_is_array(flags))
		luaL_error(L, "%s: flags: a list of nvcc's options expected", file);
	json_array_foreach((json_t *)flags, i, flag)
		if (!json_is_string(flag) || json_string_value(flag)[0] != '-')
			luaL_error(L, "%s: flags[%d]: an option of nvcc, as \"--use_fast_math\", expected", file,
				   (int)i + 1);
}

static void describe_variant(lua_State *L, struct loading *l, const char *name, const char *file, bool baseline)
{
	json_t *v = l->part = json_object(), *axes;
	const char *source;

	json_object_set_new(v, "name", json_string(name));
	take_field(L, v, file, "source", NULL);
	source = json_string_value(json_object_get(v, "source"));
	if (!source || strchr(source, '/') || source[0] == '.')
		luaL_error(L, "%s: source: the name of a file beside it expected", file);
	take_field(L, v, file, "about", "\"\"");
	take_field(L, v, file, "min_cc", NULL);
	take_field(L, v, file, "max_cc", NULL);
	take_field(L, v, file, "flags", "[]");
	check_flags(L, json_object_get(v, "flags"), file);
	take_field(L, v, file, "baseline", "false");
	take_field(L, v, file, "nondeterministic", NULL);
	take_field(L, v, file, "globals", NULL);
	axes = field_json(L, -1, file, "axes", "[]");
	json_object_set_new(v, "axes", described_list(axes, AXIS));
	json_decref(axes);
	if (baseline != json_is_true(json_object_get(v, "baseline")))
		luaL_error(L, "%s: %s", file, baseline ? "named in `baselines`, so it needs `baseline = true`" :
			   "`baseline = true`, so it belongs in the family's `baselines`");
	json_array_append_new(json_object_get(l->family, "variants"), v);
	l->part = NULL;
}

static void load_variant(lua_State *L, struct loading *l, const char *name, bool baseline)
{
	struct script *s = script_of(L);
	char file[SCRIPT_PATH];

	if (!name || !file_name_ok(name)) {
		script_file(s, NULL, file);
		luaL_error(L, "%s: %s: a list of file names without .lua expected", file,
			   baseline ? "baselines" : "variants");
	}
	script_file(s, name, file);
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_variants);
	lua_getfield(L, -1, name);
	if (!lua_isnil(L, -1))
		luaL_error(L, "%s: named twice in the family", file);
	lua_pop(L, 1);
	load_file(L, file, "variant");
	describe_variant(L, l, name, file, baseline);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

/* {"cublas", sdpa = {program=, needs=}}: names of variants, then programs. */
static void load_baselines(lua_State *L, struct loading *l, const char *file)
{
	json_t *list = json_object_get(l->raw, "baselines"), *to = json_object_get(l->family, "baselines"), *item;
	const char *key;
	size_t i;

	for (i = 0; i < (json_is_array(list) ? json_array_size(list) : json_object_size(list)); i++) {
		char number[24];

		snprintf(number, sizeof(number), "%zu", i + 1);
		item = json_is_array(list) ? json_array_get(list, i) : json_object_get(list, number);
		if (!item)
			break;
		load_variant(L, l, json_string_value(item), true);
		json_array_append_new(to, json_pack("{sOsO}", "name", item, "variant", item));
	}
	if (!json_is_object(list))
		return;
	json_object_foreach(list, key, item) {
		json_t *program = json_object_get(item, "program"), *needs = json_object_get(item, "needs");

		if (key[0] >= '0' && key[0] <= '9')
			continue;
		if (!json_is_string(program) || (needs && !json_is_string(needs)))
			luaL_error(L, "%s: baselines: %s: { program = \"file\", needs = \"text\" } expected", file,
				   key);
		l->part = json_pack("{sssO}", "name", key, "program", program);
		if (needs)
			json_object_set(l->part, "needs", needs);
		json_array_append_new(to, l->part);
		l->part = NULL;
	}
}

static void check_family(lua_State *L, const struct loading *l, const char *file)
{
	json_t *dims = json_object_get(l->family, "dims"), *flags = json_object_get(l->family, "flags"), *item;
	size_t i, runtime = 0;

	json_array_foreach(dims, i, item) {
		const char *name = json_string_value(json_object_get(item, "name"));
		const char *other = json_string_value(json_object_get(item, "default"));
		const char *divides = json_string_value(json_object_get(item, "divides"));

		if (other && !problem_dim(l->family, other))
			luaL_error(L, "%s: dim %s: default '%s' is no dimension", file, name, other);
		if (divides && !problem_dim(l->family, divides))
			luaL_error(L, "%s: dim %s: divides '%s', which is no dimension", file, name, divides);
	}
	json_array_foreach(flags, i, item) {
		const char *name = json_string_value(json_object_get(item, "name"));

		if (problem_dim(l->family, name))
			luaL_error(L, "%s: flag %s: a dimension has that name", file, name);
		if (json_is_true(json_object_get(item, "fixed")))
			continue;
		runtime++;
		if (!json_is_string(json_array_get(json_object_get(item, "values"), 0)))
			luaL_error(L, "%s: flag %s: the values of a run-time flag must be words", file, name);
	}
	if (runtime > 1)
		luaL_error(L, "%s: at most one flag may be left to run time (without `fixed = true`)", file);
	if (!json_array_size(json_object_get(l->family, "variants")))
		luaL_error(L, "%s: variants: at least one expected", file);
}

static int body_load(lua_State *L)
{
	struct loading *l = lua_touserdata(L, 1);
	struct script *s = script_of(L);
	json_t *variants, *item;
	char file[SCRIPT_PATH];
	size_t i;

	luaL_checkstack(L, 12, "family");
	script_push_env(L);
	script_load(L, "lua/family.lua", -1);
	s->ref_vocabulary = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	s->ref_variants = luaL_ref(L, LUA_REGISTRYINDEX);
	script_file(s, NULL, file);
	load_file(L, file, "family");
	take_field(L, l->family, file, "name", NULL);
	if (strcmp(json_string_value(json_object_get(l->family, "name")), s->kernel))
		luaL_error(L, "%s: name: '%s' expected, as the folder", file, s->kernel);
	take_field(L, l->family, file, "about", "\"\"");
	take_field(L, l->raw, file, "dims", NULL);
	take_field(L, l->raw, file, "flags", "[]");
	take_field(L, l->raw, file, "problems", NULL);
	take_field(L, l->raw, file, "baselines", "[]");
	take_field(L, l->raw, file, "variants", NULL);
	lua_getfield(L, -1, "reference");
	take_field(L, l->raw, file, "source", NULL);
	lua_pop(L, 1);
	s->ref_family = luaL_ref(L, LUA_REGISTRYINDEX);
	json_object_set(l->family, "reference_source", json_object_get(l->raw, "source"));
	json_object_set_new(l->family, "dims", described_list(json_object_get(l->raw, "dims"), DIM));
	json_object_set_new(l->family, "flags", described_list(json_object_get(l->raw, "flags"), FLAG));
	json_object_set_new(l->family, "problems", json_array());
	json_object_set_new(l->family, "variants", json_array());
	json_object_set_new(l->family, "baselines", json_array());
	variants = json_object_get(l->raw, "variants");
	json_array_foreach(variants, i, item)
		load_variant(L, l, json_string_value(item), false);
	check_family(L, l, file);
	load_baselines(L, l, file);
	return 0;
}

int script_family_open(struct script *s, struct err *e)
{
	struct loading l = { .family = json_object(), .raw = json_object() };
	char file[SCRIPT_PATH], *path;
	int rc;

	script_file(s, NULL, file);
	path = fs_join(s->root, file);
	if (!file_name_ok(s->kernel) || !fs_exists(path))
		rc = err_set(e, "kernel: no family '%.64s' (%s does not exist)", s->kernel, file);
	else
		rc = script_protect(s, body_load, &l, e);
	free(path);
	if (rc == 0) {
		s->family = json_incref(l.family);
		rc = script_name_problems(s, json_object_get(l.raw, "problems"), e);
	}
	json_decref(l.part);
	json_decref(l.family);
	json_decref(l.raw);
	return rc;
}

const json_t *script_variant(const struct script *s, const char *name)
{
	json_t *variants = json_object_get(s->family, "variants"), *item;
	size_t i;

	json_array_foreach(variants, i, item)
		if (!strcmp(json_string_value(json_object_get(item, "name")), name))
			return item;
	return NULL;
}

int script_set_device(struct script *s, const json_t *device, struct err *e)
{
	json_t *cc = json_object_get(device, "cc"), *copy;

	if (!json_is_integer(json_array_get(cc, 0)) || !json_is_integer(json_array_get(cc, 1)))
		return err_set(e, "device: no compute capability");
	copy = json_deep_copy(device);
	json_object_set_new(copy, "cc_number", json_integer(10 * json_integer_value(json_array_get(cc, 0)) +
			    json_integer_value(json_array_get(cc, 1))));
	json_decref(s->device);
	s->device = copy;
	return 0;
}
