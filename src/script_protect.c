/* script_protect: calls into Lua that cannot hang, flood or unwind past their caller.
 * Instructions are counted by a hook; every allocation is charged as well, so that a loop over few but heavy C
 * functions ends too; memory is bounded by the allocator. Once a limit is passed, `spent` stays set until the outermost
 * call has returned: the hook and the sandbox's pcall (script_sandbox.c) then raise again, so no handler in Lua can go
 * on. */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "script_internal.h"

#define FRAMES_MAX 200
#define LARGE 65536 /* bytes */

static double cpu_now_s(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
		return 0.0;
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct script *script_of(lua_State *L)
{
	return *(struct script **)lua_getextraspace(L);
}

void *script_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
	struct script *s = ud;
	size_t old = ptr ? osize : 0;
	void *p;

	if (nsize == 0) {
		free(ptr);
		s->memory -= old;
		return NULL;
	}
	if (nsize > old && nsize - old > s->memory_limit - s->memory) {
		s->refused = true;
		if (s->L)
			script_where(s->L, s->at, sizeof(s->at));
		return NULL;
	}
	/* 16 bytes cost about as much as one instruction. The hook may be far away, so large ones are refused at once. */
	s->steps -= (long long)(nsize / 16);
	if (s->depth > 0 && s->steps < 0 && nsize > old && nsize > LARGE) {
		if (s->spent == SPENT_NOTHING)
			script_where(s->L, s->at, sizeof(s->at));
		s->spent = SPENT_INSTRUCTIONS;
		return NULL;
	}
	p = realloc(ptr, nsize);
	if (p)
		s->memory = s->memory - old + nsize;
	return p;
}

static bool is_vocabulary(const char *source)
{
	return !strcmp(source, "@lua/family.lua") || !strcmp(source, "@lua/strict.lua");
}

/* Calls no function that may raise or allocate: the allocator asks too. A constructor in tail position (`return variant
 * {`) has left no frame of its file; the file being loaded is named then. */
void script_where(lua_State *L, char *out, size_t size)
{
	const char *loading = script_of(L)->loading;
	lua_Debug ar;

	snprintf(out, size, "%s%s", loading, loading[0] ? ": " : "");
	for (int level = 0; level < FRAMES_MAX && lua_getstack(L, level, &ar); level++) {
		if (!lua_getinfo(L, "Sl", &ar) || ar.currentline <= 0 || is_vocabulary(ar.source))
			continue;
		snprintf(out, size, "%s:%d: ", ar.short_src, ar.currentline);
		return;
	}
}

void script_hook(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	script_of(L)->steps -= SCRIPT_HOOK_EVERY;
	script_check_limits(L);
}

void script_check_limits(lua_State *L)
{
	struct script *s = script_of(L);

	if (s->spent == SPENT_NOTHING) {
		if (s->steps < 0)
			s->spent = SPENT_INSTRUCTIONS;
		else if (cpu_now_s() - s->cpu_s > SCRIPT_CPU_S)
			s->spent = SPENT_TIME;
		else
			return;
		script_where(L, s->at, sizeof(s->at));
	}
	lua_pushliteral(L, "limit");
	lua_error(L);
}

/* Whether a message begins with "file:line:", as Lua's own do. */
static bool has_place(const char *text)
{
	const char *c = strchr(text, ':');
	size_t digits = c ? strspn(c + 1, "0123456789") : 0;

	return digits > 0 && c[1 + digits] == ':';
}

/* File and line of the outermost Lua function, when it is another file than the message names. */
static void add_caller(lua_State *L, const char *text, char *out, size_t size)
{
	lua_Debug ar;

	out[0] = '\0';
	for (int level = 0; level < FRAMES_MAX && lua_getstack(L, level, &ar); level++)
		if (lua_getinfo(L, "Sl", &ar) && ar.currentline > 0 && !is_vocabulary(ar.source)) {
			if (strncmp(text, ar.short_src, strlen(ar.short_src)) != 0)
				snprintf(out, size, " (called at %s:%d)", ar.short_src, ar.currentline);
			else
				out[0] = '\0';
		}
}

/* Message handler: runs where the error was raised, so the stack can still say where that is. */
static int handler(lua_State *L)
{
	struct script *s = script_of(L);
	const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
	char place[192], caller[192];

	if (s->spent != SPENT_NOTHING)
		return 1;
	script_where(L, place, sizeof(place));
	if (!text) {
		lua_pushfstring(L, "%sraised a %s value instead of a text", place, luaL_typename(L, 1));
		return 1;
	}
	if (has_place(text) || (s->loading[0] && !strncmp(text, s->loading, strlen(s->loading))))
		place[0] = '\0';
	lua_pushfstring(L, "%s%s", place, text);
	add_caller(L, lua_tostring(L, -1), caller, sizeof(caller));
	lua_pushfstring(L, "%s%s", lua_tostring(L, -1), caller);
	return 1;
}

/* One line of printable text. */
static void set_line(struct err *e, const char *text)
{
	char line[1024];
	size_t n = 0;

	for (; text[n] && n < sizeof(line) - 1; n++)
		line[n] = (unsigned char)text[n] < ' ' || text[n] == 127 ? ' ' : text[n];
	line[n] = '\0';
	err_set(e, "%s", line);
}

static void describe(struct script *s, int status, struct err *e)
{
	const char *text = lua_type(s->L, -1) == LUA_TSTRING ? lua_tostring(s->L, -1) : NULL;

	if (status == LUA_ERRMEM && s->spent == SPENT_NOTHING)
		s->spent = SPENT_MEMORY;
	switch (s->spent) {
	case SPENT_INSTRUCTIONS:
		err_set_code(e, ERR_LIMIT, "%smore than %lld million steps in one call (an endless loop?)", s->at,
			     SCRIPT_INSTRUCTIONS / 1000000);
		break;
	case SPENT_TIME:
		err_set_code(e, ERR_LIMIT, "%smore than %.0f s in one call", s->at, SCRIPT_CPU_S);
		break;
	case SPENT_MEMORY:
		err_set_code(e, ERR_LIMIT, "%smore than %u MiB of memory", s->at, SCRIPT_MEMORY >> 20);
		break;
	default:
		set_line(e, text ? text : "raised a value instead of a text");
	}
}

int script_protect(struct script *s, lua_CFunction body, void *ud, struct err *e)
{
	lua_State *L = s->L;
	int top = lua_gettop(L), status;

	if (!lua_checkstack(L, 8))
		return err_set(e, "script: too many nested calls");
	if (s->depth == 0) {
		s->steps = SCRIPT_INSTRUCTIONS;
		s->cpu_s = cpu_now_s();
		s->spent = SPENT_NOTHING;
		s->refused = false;
		s->at[0] = '\0';
	}
	lua_pushcfunction(L, handler);
	lua_pushcfunction(L, body);
	lua_pushlightuserdata(L, ud);
	s->depth++;
	status = lua_pcall(L, 1, 0, top + 1);
	s->depth--;
	if (status != LUA_OK)
		describe(s, status, e);
	lua_settop(L, top);
	if (s->depth == 0)
		s->loading[0] = '\0';
	if (s->depth == 0 && s->spent == SPENT_MEMORY)
		lua_gc(L, LUA_GCCOLLECT);
	return status == LUA_OK ? 0 : ERR_FAIL;
}

int script_raise(lua_State *L, const struct err *e)
{
	lua_pushstring(L, e->text);
	return lua_error(L);
}
