/* script_policy: drives a policy: seed() once, then breed(), with observe() and done() between. Each call is protected;
 * whatever it raises or returns, the run goes on: what is wrong becomes a note that names file and line, and after a few
 * fruitless calls random legal candidates stand in. What is handed out is legal and new, and depends on nothing but the
 * seed, the space and what was told, in order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attune/fs.h"
#include "script_policy.h"

enum {
	FRUITLESS = 3,     /* calls in a row without a usable candidate before random ones stand in */
	LIST_MAX = 100000, /* candidates looked at in one answer */
	NOTES_MAX = 4,     /* kinds of mistakes reported for one answer */
	LOOKAHEAD_MAX = 1000,
};

/* What the bodies need; json and bufs hang here so that a raise loses nothing. */
struct call {
	struct script *s;
	const char *name;
	long want;
	const json_t *trial, *credit;
	const char *key;
	long answer;
	json_t *notes;
	long dropped;
	bool absent;
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

static void drop_ref(lua_State *L, int *ref)
{
	luaL_unref(L, LUA_REGISTRYINDEX, *ref);
	*ref = LUA_NOREF;
}

static int body_load(lua_State *L)
{
	struct script_policy *p = ((struct call *)lua_touserdata(L, 1))->s->policy;

	drop_ref(L, &p->ref_env);
	script_push_env(L);
	lua_pushvalue(L, -1);
	p->ref_env = luaL_ref(L, LUA_REGISTRYINDEX);
	/* A path as the user typed it, or one under the root ("lua/policy.lua" from any folder). */
	if (p->path[0] == '/' || fs_exists(p->path))
		script_load_as(L, p->path, p->path, lua_gettop(L));
	else
		script_load(L, p->path, lua_gettop(L));
	return 0;
}

int script_policy_open(struct script *s, const char *path, struct err *e)
{
	struct script_policy *p = calloc(1, sizeof *p);
	struct call c = { .s = s };

	if (!p)
		abort();
	p->ref_env = p->ref_told = p->ref_fixed = LUA_NOREF;
	p->path = strdup(path);
	if (!p->path)
		abort();
	s->policy = p;
	return script_protect(s, body_load, &c, e);
}

static void end_run(struct script_policy *p)
{
	for (size_t i = 0; i < p->n; i++)
		json_decref(p->proposals[i].credit);
	for (size_t i = p->queue_at; i < p->queue_n; i++)
		json_decref(p->queue[i].credit);
	free(p->proposals);
	free(p->order);
	free(p->ranks);
	free(p->queue);
	p->proposals = p->queue = NULL;
	p->order = p->ranks = NULL;
	p->n = p->cap = p->order_n = p->queue_n = p->queue_at = 0;
	space_map_free(&p->index);
	model_close(p->model);
	p->model = NULL;
	if (p->own_space)
		space_close(p->space);
	p->space = NULL;
	json_decref(p->problem);
	p->problem = NULL;
	free(p->strategy);
	p->strategy = NULL;
}

void script_policy_close(struct script *s)
{
	struct script_policy *p = s->policy;

	if (!p)
		return;
	end_run(p);
	drop_ref(s->L, &p->ref_env);
	drop_ref(s->L, &p->ref_told);
	drop_ref(s->L, &p->ref_fixed);
	free(p->path);
	free(p);
	s->policy = NULL;
}

/* The rule of a family's space: the variant's legal(). */
static int ask_legal(void *to, const struct space_config *c, struct buf *why, struct err *e)
{
	struct script *s = to;
	json_t *candidate = space_to_json(s->policy->space, c);
	struct buf unread;
	int rc;

	buf_init(&unread);
	rc = script_legal(s, s->policy->problem, candidate, why ? why : &unread, e);
	buf_free(&unread);
	json_decref(candidate);
	return rc;
}

static int body_begin(lua_State *L)
{
	struct call *c = lua_touserdata(L, 1);
	struct script_policy *p = c->s->policy;

	drop_ref(L, &p->ref_told);
	lua_newtable(L);
	p->ref_told = luaL_ref(L, LUA_REGISTRYINDEX);
	drop_ref(L, &p->ref_fixed);
	script_run_push_fixed(L);
	p->ref_fixed = luaL_ref(L, LUA_REGISTRYINDEX);
	script_run_push_global(L, "lookahead");
	if (lua_isnil(L, -1))
		return 0;
	if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0 || lua_tointeger(L, -1) > LOOKAHEAD_MAX)
		return luaL_error(L, "%s: lookahead is a whole number from 0 to %d", p->path, LOOKAHEAD_MAX);
	p->lookahead = (long)lua_tointeger(L, -1);
	return 0;
}

static int open_space(struct script *s, const struct script_run *run, struct err *e)
{
	struct script_policy *p = s->policy;

	if (run->space) {
		p->space = run->space;
		p->own_space = false;
		space_forget(p->space);
		return 0;
	}
	if (!s->family)
		return err_set(e, "neither a family nor a recorded space to search in");
	p->own_space = true;
	if (space_open(&p->space, json_object_get(s->family, "variants"), e))
		return ERR_FAIL;
	p->space->rule = ask_legal;
	p->space->rule_to = s;
	return run->only ? space_list(p->space, run->only, e) : 0;
}

int script_policy_begin(struct script *s, const struct script_run *run, long *lookahead, struct err *e)
{
	struct script_policy *p = s->policy;
	struct call c = { .s = s };
	int rc;

	if (!p)
		return err_set(e, "no policy is loaded");
	end_run(p);
	p->problem = run->problem ? json_deep_copy(run->problem) : NULL;
	p->strategy = run->strategy ? strdup(run->strategy) : NULL;
	p->budget = run->trials;
	p->lookahead = p->generation = p->told = p->untold = 0;
	p->elapsed_s = 0;
	p->seeded = false;
	stats_rng_seed(&p->rng, run->seed);
	rc = open_space(s, run, e);
	if (!rc)
		rc = script_protect(s, body_load, &c, e);
	if (!rc)
		rc = script_protect(s, body_begin, &c, e);
	if (!rc && lookahead)
		*lookahead = p->lookahead;
	return rc;
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
		c->answer++;
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
	for (lua_Integer i = 1; i <= n && i <= LIST_MAX && c->answer < p->budget; i++) {
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
		if (rc)
			note(notes, "%s", failed.text);
		if (p->queue_at < p->queue_n)
			return 0;
		if (!rc && !c.dropped)
			note(notes, "%s: %s returned no candidate", p->path, c.name);
	}
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

static void rank(struct script_policy *p, size_t at)
{
	size_t i = p->order_n++;

	for (; i > 0 && p->proposals[p->order[i - 1]].time_us > p->proposals[at].time_us; i--)
		p->order[i] = p->order[i - 1];
	p->order[i] = at;
}

static int body_tell(lua_State *L)
{
	struct call *c = lua_touserdata(L, 1);
	struct script_policy *p = c->s->policy;

	lua_rawgeti(L, LUA_REGISTRYINDEX, p->ref_told);
	script_run_push_trial(L, c->trial, c->key, c->credit);
	lua_pushvalue(L, -1);
	lua_rawseti(L, -3, (lua_Integer)c->answer + 1);
	script_run_push_global(L, "observe");
	if (!lua_isfunction(L, -1))
		return 0;
	script_run_push(L, 0);
	lua_pushvalue(L, -3);
	lua_call(L, 2, 0);
	return 0;
}

int script_policy_tell(struct script *s, const json_t *trial, double elapsed_s, struct err *e)
{
	struct script_policy *p = s->policy;
	const char *verdict = json_string_value(json_object_get(trial, "verdict"));
	double time_us = json_number_value(json_object_get(trial, "time_us"));
	struct err failed = { 0 };
	struct space_config config;
	struct proposal *of;
	struct buf key;
	int32_t at;

	if (space_from_json(p->space, json_object_get(trial, "candidate"), &config, e))
		return err_where(e, "a trial that the policy is told of");
	at = space_map_get(&p->index, space_key(p->space, &config));
	if (at < 0 || p->proposals[at].told)
		return err_set(e, "a trial that the policy did not propose, or was told before");
	of = &p->proposals[at];
	of->told = true;
	of->ok = verdict && !strcmp(verdict, "ok") && time_us > 0;
	of->time_us = time_us;
	p->elapsed_s = elapsed_s;
	p->untold--;
	p->ranks[p->told++] = (size_t)at;
	if (of->ok)
		rank(p, (size_t)at);
	buf_init(&key);
	space_text(p->space, &config, &key);
	struct call c = { .s = s, .trial = trial, .key = buf_text(&key), .credit = of->credit, .answer = at };
	if (script_protect(s, body_tell, &c, &failed))
		script_log(s, "%s", failed.text);
	buf_free(&key);
	return 0;
}

static int body_done(lua_State *L)
{
	struct call *c = lua_touserdata(L, 1);

	script_run_push_global(L, "done");
	if (!lua_isfunction(L, -1))
		return 0;
	script_run_push(L, 0);
	lua_call(L, 1, 1);
	c->answer = lua_toboolean(L, -1);
	return 0;
}

int script_policy_done(struct script *s, double elapsed_s, struct err *e)
{
	struct call c = { .s = s };
	int rc;

	s->policy->elapsed_s = elapsed_s;
	rc = script_protect(s, body_done, &c, e);
	return rc ? rc : (int)c.answer;
}

long script_policy_generation(const struct script *s)
{
	return s->policy->generation;
}
