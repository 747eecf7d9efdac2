/* script_ask: asks a policy for candidates: seed() once, then breed(). Whatever it raises or returns, the run goes on: what
 * is wrong becomes a note that names file and line, and after a few fruitless calls random legal candidates stand in.
 * What is handed out is legal and new, and depends on nothing but the seed, the space and what was told, in order. */
#include <stdlib.h>
#include <string.h>
#include "script_policy.h"

enum {
	FRUITLESS = 3,     /* answers in a row without a usable candidate before random ones stand in */
	LIST_MAX = 100000, /* candidates looked at in one answer */
	NOTES_MAX = 4,     /* kinds of mistakes reported for one answer */
};

/* What the body needs; what it collects hangs here, so that a raise loses nothing. */
struct call {
	struct script *s;
	const char *name;
	long want, taken, dropped;
	json_t *notes;
};

static void note(json_t *notes, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(json_t *notes, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < json_array_size(notes); i++)
		if (!strcmp(json_string_value(json_array_get(notes, i)), text))
			return;
	json_array_append_new(notes, json_string(text));
}

static void queue_add(struct script_policy *p, const struct space_config *c, json_t *credit)
{
	if (p->queue_at == p->queue_n)
		p->queue_at = p->queue_n = 0;
	p->queue = realloc(p->queue, (p->queue_n + 1) * sizeof *p->queue);
	if (!p->queue)
		abort();
	p->queue[p->queue_n++] = (struct proposal){ .config = *c, .credit = credit };
	space_see(p->space, c);
}

/* The members _op and _parents of the candidate on top. */
static json_t *read_credit(lua_State *L)
{
	static const char *const names[] = { "op", "parents" };
	json_t *credit = NULL;

	for (size_t i = 0; i < 2; i++) {
		json_t *value = NULL;

		lua_pushfstring(L, "_%s", names[i]);
		lua_rawget(L, -2);
		if (!lua_isnil(L, -1) && !script_to_json(L, lua_gettop(L), &value, NULL)) {
			if (!credit)
				credit = json_object();
			json_object_set_new(credit, names[i], value);
		}
		lua_pop(L, 1);
	}
	return credit;
}

/* Takes over the candidate on top when it is legal and new; says what is wrong otherwise. */
static void take_candidate(lua_State *L, struct call *c, long number)
{
	struct script_policy *p = c->s->policy;
	struct space_config config;
	struct err e = { 0 };
	struct buf why;
	int legal;

	if (script_space_read(L, -1, p->space, &config, &e)) {
		c->dropped++;
		if (json_array_size(c->notes) < NOTES_MAX)
			note(c->notes, "%s: %s: candidate %ld: %s", p->path, c->name, number, e.text);
		return;
	}
	if (space_seen(p->space, &config)) {
		c->dropped++;
		return;
	}
	buf_init(&why);
	legal = space_legal(p->space, &config, &why, &e);
	if (legal > 0) {
		queue_add(p, &config, read_credit(L));
		c->taken++;
	} else {
		c->dropped++;
		if (legal < 0 && json_array_size(c->notes) < NOTES_MAX)
			note(c->notes, "%s", e.text);
	}
	buf_free(&why);
}

/* Pushes the function: the policy's own, or the one of that name in lua/evolve.lua. */
static void push_function(lua_State *L, const char *name)
{
	script_run_push_global(L, name);
	if (!lua_isnil(L, -1))
		return;
	lua_pop(L, 1);
	script_run_push_global(L, "require");
	lua_pushliteral(L, "evolve");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
}

static int body_ask(lua_State *L)
{
	struct call *c = lua_touserdata(L, 1);
	struct script_policy *p = c->s->policy;
	lua_Integer n;

	push_function(L, c->name);
	if (!lua_isfunction(L, -1))
		return luaL_error(L, "%s: %s is a %s, a function was expected", p->path, c->name, luaL_typename(L, -1));
	script_run_push(L, c->want);
	lua_call(L, 1, 1);
	if (!lua_istable(L, -1))
		return luaL_error(L, "%s: %s returned a %s, a list of candidates was expected", p->path, c->name,
				  luaL_typename(L, -1));
	n = (lua_Integer)lua_rawlen(L, -1);
	if (!n) {
		lua_pushliteral(L, "variant");
		if (lua_rawget(L, -2) != LUA_TNIL)
			return luaL_error(L, "%s: %s returned one candidate, a list of candidates was expected", p->path,
					  c->name);
		lua_pop(L, 1);
	}
	if (n > LIST_MAX)
		note(c->notes, "%s: %s returned %lld candidates, only the first %d are looked at", p->path, c->name,
		     (long long)n, LIST_MAX);
	/* No more than the budget could use: a policy that lists the whole space costs no more than its list. */
	for (lua_Integer i = 1; i <= n && i <= LIST_MAX && c->taken < p->budget; i++) {
		lua_rawgeti(L, -1, i);
		take_candidate(L, c, (long)i);
		lua_pop(L, 1);
	}
	return 0;
}

/* Random candidates in place of the policy's. 0 also when there are none left. */
static int stand_in(struct script_policy *p, long want, struct err *e)
{
	for (long i = 0; i < want; i++) {
		struct space_config c;
		int rc = space_random(p->space, -1, true, &p->rng, &c, e);

		if (rc < 0)
			return rc;
		if (!rc)
			return 0;
		queue_add(p, &c, json_pack("{s:s}", "op", "stand-in"));
	}
	return 0;
}

static long wanted(const struct script_policy *p, long most)
{
	long room = p->lookahead + 1 - p->untold;

	room = room < 1 ? 1 : room;
	return room < most ? room : most;
}

static int fill_queue(struct script *s, long want, long *dropped, json_t *notes, struct err *e)
{
	struct script_policy *p = s->policy;

	for (int attempt = 0; attempt < FRUITLESS; attempt++) {
		struct call c = { .s = s, .name = p->seeded ? "breed" : "seed", .want = want, .notes = notes };
		struct err failed = { 0 };
		int rc;

		p->generation += p->seeded;
		rc = script_protect(s, body_ask, &c, &failed);
		p->seeded = true;
		*dropped += c.dropped;
		if (p->queue_at < p->queue_n && !rc)
			return 0;
		/* What raised would raise again. */
		if (rc) {
			note(notes, "%s", failed.text);
			break;
		}
		if (!rc && !c.dropped)
			note(notes, "%s: %s returned no candidate", p->path, c.name);
	}
	if (p->queue_at < p->queue_n)
		return 0;
	if (!json_array_size(notes))
		note(notes, "%s: nothing new and legal in %d answers", p->path, FRUITLESS);
	return stand_in(p, want, e);
}

static void hand_out(struct script_policy *p, json_t *candidates)
{
	struct proposal *q = &p->queue[p->queue_at++];

	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 64;
		p->proposals = realloc(p->proposals, p->cap * sizeof *p->proposals);
		p->order = realloc(p->order, p->cap * sizeof *p->order);
		p->ranks = realloc(p->ranks, p->cap * sizeof *p->ranks);
		if (!p->proposals || !p->order || !p->ranks)
			abort();
	}
	space_map_put(&p->index, space_key(p->space, &q->config), (int32_t)p->n);
	p->proposals[p->n++] = *q;
	p->untold++;
	json_array_append_new(candidates, space_to_json(p->space, &q->config));
}

int script_policy_ask(struct script *s, long most, double elapsed_s, json_t **candidates, long *dropped, json_t **notes,
		      struct err *e)
{
	struct script_policy *p = s->policy;
	int rc = 0;

	*dropped = 0;
	*notes = json_array();
	*candidates = json_array();
	p->elapsed_s = elapsed_s;
	if (most > 0 && p->queue_at == p->queue_n)
		rc = fill_queue(s, wanted(p, most), dropped, *notes, e);
	while (!rc && most-- > 0 && p->queue_at < p->queue_n)
		hand_out(p, *candidates);
	if (rc) {
		json_decref(*candidates);
		json_decref(*notes);
		*candidates = *notes = NULL;
	}
	return rc;
}

