/* script: opens and closes the embedded Lua: its state with bounded memory, the sandbox, then the family and the
 * policy. What these mean is elsewhere (script_family.c, script_launch.c, script_policy.c). */
#include <lauxlib.h>
#include <lua.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "script_internal.h"

static int body_open(lua_State *L)
{
	script_sandbox_open(L);
	return 0;
}

static int open_state(struct script *s, struct err *e)
{
	lua_State *L = lua_newstate(script_alloc, s);

	if (!L)
		return err_set(e, "script: no memory for Lua");
	*(struct script **)lua_getextraspace(L) = s;
	s->L = L;
	lua_sethook(L, script_hook, LUA_MASKCOUNT, SCRIPT_HOOK_EVERY);
	return script_protect(s, body_open, NULL, e);
}

int script_open(struct script **out, const struct script_options *o, struct err *e)
{
	struct script *s = calloc(1, sizeof(*s));
	int rc = ERR_FAIL;

	*out = NULL;
	if (!s)
		return err_set(e, "script: no memory");
	s->memory_limit = SCRIPT_MEMORY;
	s->log = o->log;
	s->log_to = o->log_to;
	s->ref_vocabulary = s->ref_family = s->ref_variants = LUA_NOREF;
	s->root = strdup(o->root);
	s->folder = strdup(o->families ? o->families : "kernels");
	s->kernel = strdup(o->kernel ? o->kernel : "");
	if (!s->root || !s->folder || !s->kernel) {
		err_set(e, "script: no memory");
		goto out;
	}
	if (open_state(s, e) < 0 || (o->kernel && script_family_open(s, e) < 0))
		goto out;
	if (o->policy && script_policy_open(s, o->policy, e) < 0)
		goto out;
	*out = s;
	s = NULL;
	rc = 0;
out:
	script_close(s);
	return rc;
}

void script_close(struct script *s)
{
	if (!s)
		return;
	script_policy_close(s);
	if (s->L)
		lua_close(s->L);
	json_decref(s->device);
	json_decref(s->family);
	json_decref(s->named);
	json_decref(s->known);
	free(s->root);
	free(s->folder);
	free(s->kernel);
	free(s);
}

const json_t *script_family(const struct script *s)
{
	return s->family;
}

void script_log(struct script *s, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	if (!s->log)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' ';
	s->log(s->log_to, line);
}
