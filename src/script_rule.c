/* script_rule: the rule by which a family's space asks a variant's legal(), many times for one problem and device. Says
 * only yes or no; where a reason is wanted, or anything is out of order, script_legal is asked, which words it.
 * legal() gets empty tables that look their fields up: c through a function that notes which axes are read, p and device
 * in tables shared by all calls (what legal() assigns stays in its own). As legal() depends on nothing else, the axes that
 * it reads and their values are a path in a tree of decisions: a candidate that agrees in them needs no call. Families whose
 * legal() does not always read alike are found out at insertion, and then called each time. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include "script_policy.h"

enum {
	UNKNOWN = 0,
	LEGAL = -1,
	ILLEGAL = -2,
	BRANCHES_MAX = 4000000, /* children of all nodes: 16 MB, and what is beyond is asked each time */
	READS_USUAL = 16,
	REF_P = 1,              /* members of the rule's table in the registry: metatables of p and device, */
	REF_DEVICE,
	REF_PARTS,              /* then for each part its legal() and the metatable of c */
};

/* An inner node: which axis is read; branch[first + value index] is what follows. */
struct decision {
	uint32_t axis, first;
};

struct rule_part {
	bool fits;     /* the device has the compute capability */
	bool unsteady; /* reads differently from call to call: not remembered */
	int32_t root;  /* LEGAL, ILLEGAL, UNKNOWN or the index of a decision */
};

struct rule_memory {
	struct rule_part *parts;
	struct decision *decisions;
	int32_t *branches;
	size_t decisions_n, branches_n;
	int ref;
	json_t *values, *device; /* for which all this holds */
};

/* One call: struct script points to it while it runs. */
struct script_query {
	struct script_rule *rule;
	const struct space_config *config;
	const void *c; /* the table that stands for config */
	bool whole;    /* c was copied out: no reads were noted */
	uint64_t read;
	uint32_t path[SPACE_AXES];
	size_t path_n;
	int answer; /* 1, 0, or -1: script_legal must say */
};

enum kind { KIND_C, KIND_P, KIND_DEVICE };
static const char *const NAMES[] = { "c", "p", "device" };
static const char KIND_KEY; /* in the metatables of these tables: which one it is */

/* --- the tables that legal() gets ---------------------------------------------------------------------------------- */

static int c_index(lua_State *L)
{
	struct script_query *q = script_of(L)->asking;
	size_t axis;

	if (!q || lua_topointer(L, 1) != q->c)
		return luaL_error(L, "c of another call");
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	if (lua_type(L, -1) != LUA_TNUMBER) {
		if (lua_isnil(L, -1))
			return luaL_error(L, "c has no such field");
		return 1; /* the variant's name */
	}
	axis = (size_t)lua_tointeger(L, -1);
	if (!(q->read >> axis & 1)) {
		q->read |= (uint64_t)1 << axis;
		q->path[q->path_n++] = (uint32_t)axis;
	}
	script_space_push_value(L, &q->rule->space->parts[q->config->part].axes[axis], q->config->at[axis]);
	/* Most are read several times. */
	lua_pushvalue(L, 2);
	lua_pushvalue(L, -2);
	lua_rawset(L, 1);
	return 1;
}

static const json_t *fields_of(const struct script_query *q, enum kind kind)
{
	return kind == KIND_P ? q->rule->memory->values : q->rule->memory->device;
}

/* What is no plain value is not shared. */
static int nested_index(lua_State *L)
{
	struct script_query *q = script_of(L)->asking;
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
	const json_t *v = q ? json_object_get(fields_of(q, (enum kind)lua_tointeger(L, lua_upvalueindex(1))), name) : NULL;

	if (!v)
		return luaL_error(L, "no such field");
	script_push_json(L, v);
	return 1;
}

void script_rule_unfold(lua_State *L, int idx)
{
	struct script_query *q = script_of(L)->asking;
	enum kind kind;

	if (!q || !lua_istable(L, idx) || !lua_getmetatable(L, idx))
		return;
	idx = lua_absindex(L, idx);
	luaL_checkstack(L, 8, "copying a table");
	if (lua_rawgetp(L, -1, &KIND_KEY) == LUA_TNIL) {
		lua_pop(L, 2);
		return;
	}
	kind = (enum kind)lua_tointeger(L, -1);
	lua_pop(L, 2);
	q->whole = q->whole || kind == KIND_C;
	if (kind == KIND_C)
		script_space_push_config(L, q->rule->space, q->config);
	else
		script_push_json(L, fields_of(q, kind));
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		if (lua_rawget(L, idx) == LUA_TNIL) {
			lua_pushvalue(L, -3);
			lua_pushvalue(L, -3);
			lua_rawset(L, idx);
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	script_set_guard(L, idx, NAMES[kind]);
}

/* A metatable whose __index is the table or function on top, which it replaces. */
static void wrap_index(lua_State *L, enum kind kind)
{
	lua_createtable(L, 0, 2);
	lua_insert(L, -2);
	lua_setfield(L, -2, "__index");
	lua_pushinteger(L, kind);
	lua_rawsetp(L, -2, &KIND_KEY);
}

/* --- opening --------------------------------------------------------------------------------------------------------- */

/* A table of the plain fields, through which the empty tables of all calls look. */
static void push_shared(lua_State *L, const json_t *fields, enum kind kind)
{
	const char *name;
	json_t *value;

	lua_createtable(L, 0, (int)json_object_size(fields));
	json_object_foreach((json_t *)fields, name, value) {
		if (json_is_object(value) || json_is_array(value))
			continue;
		script_push_json(L, value);
		lua_setfield(L, -2, name);
	}
	lua_createtable(L, 0, 1);
	lua_pushinteger(L, kind);
	lua_pushcclosure(L, nested_index, 1);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	wrap_index(L, kind);
}

/* legal() of a part, nil when it has none, and the metatable of its candidates, into the table on top. */
static void set_part(lua_State *L, const struct space_part *p, lua_Integer at)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->ref_variants);
	lua_getfield(L, -1, p->name);
	luaL_checktype(L, -1, LUA_TTABLE);
	lua_getfield(L, -1, "legal");
	lua_rawseti(L, -4, at);
	lua_pop(L, 2);
	lua_createtable(L, 0, (int)p->axes_n + 1);
	lua_pushstring(L, p->name);
	lua_setfield(L, -2, "variant");
	for (size_t i = 0; i < p->axes_n; i++) {
		lua_pushinteger(L, (lua_Integer)i);
		lua_setfield(L, -2, p->axes[i].name);
	}
	lua_pushcclosure(L, c_index, 1);
	wrap_index(L, KIND_C);
	lua_rawseti(L, -2, at + 1);
}

static int body_open(lua_State *L)
{
	const struct script_rule *r = lua_touserdata(L, 1);
	const struct space *space = r->space;

	luaL_checkstack(L, 12, "rule");
	lua_createtable(L, REF_PARTS + 2 * (int)space->parts_n, 0);
	push_shared(L, r->memory->values, KIND_P);
	lua_rawseti(L, -2, REF_P);
	push_shared(L, r->memory->device, KIND_DEVICE);
	lua_rawseti(L, -2, REF_DEVICE);
	for (size_t i = 0; i < space->parts_n; i++)
		set_part(L, &space->parts[i], REF_PARTS + 2 * (lua_Integer)i);
	r->memory->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

void script_rule_close(struct script_rule *r)
{
	struct rule_memory *m = r->memory;

	if (!m)
		return;
	luaL_unref(r->s->L, LUA_REGISTRYINDEX, m->ref);
	free(m->parts);
	free(m->decisions);
	free(m->branches);
	json_decref(m->values);
	json_decref(m->device);
	free(m);
	r->memory = NULL;
}

static int open_memory(struct script_rule *r, struct err *e)
{
	struct rule_memory *m;
	const json_t *known;
	struct buf unread;
	int fits = 0;

	if (script_known(r->s, r->problem, &known, e) < 0)
		return ERR_FAIL;
	r->memory = m = calloc(1, sizeof *m);
	if (!m)
		abort();
	m->ref = LUA_NOREF;
	m->values = json_incref(json_object_get(known, "values"));
	m->device = json_incref(r->s->device);
	m->parts = calloc(r->space->parts_n, sizeof *m->parts);
	m->decisions_n = 1; /* 0 is UNKNOWN */
	m->decisions = calloc(1, sizeof *m->decisions);
	if (!m->parts || !m->decisions)
		abort();
	buf_init(&unread);
	for (size_t i = 0; i < r->space->parts_n && fits >= 0; i++) {
		fits = script_fits(r->s, r->problem, r->space->parts[i].name, &unread, e);
		m->parts[i].fits = fits > 0;
	}
	buf_free(&unread);
	if (fits >= 0 && script_protect(r->s, body_open, r, e) == 0)
		return 0;
	script_rule_close(r);
	return ERR_FAIL;
}

/* --- the tree ---------------------------------------------------------------------------------------------------------- */

static int32_t look_up(const struct rule_memory *m, const struct space_config *c)
{
	int32_t at = m->parts[c->part].root;

	while (at > 0)
		at = m->branches[m->decisions[at].first + c->at[m->decisions[at].axis]];
	return at;
}

static bool room_for(struct rule_memory *m, size_t branches)
{
	if (m->branches_n + branches > BRANCHES_MAX)
		return false;
	/* Grown when a power of two is reached. */
	if (!(m->decisions_n & (m->decisions_n - 1)))
		m->decisions = realloc(m->decisions, 2 * m->decisions_n * sizeof *m->decisions);
	for (size_t had = m->branches_n, i = had; i < had + branches; i++)
		if (!(i & (i - 1)))
			m->branches = realloc(m->branches, (i ? 2 * i : 1) * sizeof *m->branches);
	if (!m->decisions || !m->branches)
		abort();
	return true;
}

/* Where the path leads to: a place that holds what follows. NULL when the tree is full or says otherwise. */
static int32_t *follow(struct rule_memory *m, const struct script_query *q, struct rule_part *part)
{
	const struct space_part *p = &q->rule->space->parts[q->config->part];
	size_t at = SIZE_MAX; /* of the branch; SIZE_MAX: the root */

	for (size_t i = 0; i < q->path_n; i++) {
		uint32_t axis = q->path[i], n = p->axes[axis].n;
		int32_t next = at == SIZE_MAX ? part->root : m->branches[at];

		if (next < 0 || (next > 0 && m->decisions[next].axis != axis)) {
			part->unsteady = true;
			return NULL;
		}
		if (next == UNKNOWN) {
			if (!room_for(m, n))
				return NULL;
			next = (int32_t)m->decisions_n++;
			m->decisions[next] = (struct decision){ .axis = axis, .first = (uint32_t)m->branches_n };
			memset(m->branches + m->branches_n, 0, n * sizeof *m->branches);
			m->branches_n += n;
			*(at == SIZE_MAX ? &part->root : &m->branches[at]) = next;
		}
		at = m->decisions[next].first + q->config->at[axis];
	}
	return at == SIZE_MAX ? &part->root : &m->branches[at];
}

static void remember(struct rule_memory *m, const struct script_query *q)
{
	struct rule_part *part = &m->parts[q->config->part];
	int32_t answer = q->answer ? LEGAL : ILLEGAL, *at;

	if (q->whole || part->unsteady)
		return;
	at = follow(m, q, part);
	if (at && *at != UNKNOWN && *at != answer)
		part->unsteady = true;
	else if (at)
		*at = answer;
	if (part->unsteady)
		part->root = UNKNOWN;
}

/* --- asking -------------------------------------------------------------------------------------------------------------- */

static void push_empty(lua_State *L, int rule, lua_Integer meta, int room)
{
	lua_createtable(L, 0, room);
	lua_rawgeti(L, rule, meta);
	lua_setmetatable(L, -2);
}

static int body_ask(lua_State *L)
{
	struct script_query *q = lua_touserdata(L, 1);
	lua_Integer part = REF_PARTS + 2 * (lua_Integer)q->config->part;

	lua_rawgeti(L, LUA_REGISTRYINDEX, q->rule->memory->ref);
	if (lua_rawgeti(L, 2, part) == LUA_TNIL) {
		q->answer = 1;
		return 0;
	}
	push_empty(L, 2, part + 1, READS_USUAL);
	q->c = lua_topointer(L, -1);
	push_empty(L, 2, REF_P, 0);
	push_empty(L, 2, REF_DEVICE, 0);
	lua_call(L, 3, 2);
	if (lua_isnil(L, -2) || (lua_isboolean(L, -2) && lua_toboolean(L, -2)))
		q->answer = 1;
	else if (lua_isboolean(L, -2) && lua_type(L, -1) == LUA_TSTRING)
		q->answer = 0;
	return 0;
}

/* 1 or 0 without words; negative: it must be asked in full. */
static int ask_quickly(struct script_rule *r, const struct space_config *c)
{
	struct script_query q = { .rule = r, .config = c, .answer = -1 }, *outer = r->s->asking;
	struct err unread = { 0 };
	int32_t known = UNKNOWN;
	int rc;

	if (!r->s->device || (r->memory && r->memory->device != r->s->device))
		script_rule_close(r);
	if (!r->s->device || (!r->memory && open_memory(r, &unread)))
		return -1;
	if (!r->memory->parts[c->part].fits)
		return 0;
	known = look_up(r->memory, c);
	if (known != UNKNOWN)
		return known == LEGAL;
	r->s->asking = &q;
	rc = script_protect(r->s, body_ask, &q, &unread);
	r->s->asking = outer;
	if (rc || q.answer < 0)
		return -1;
	remember(r->memory, &q);
	return q.answer;
}

int script_rule_legal(void *rule, const struct space_config *c, struct buf *why, struct err *e)
{
	struct script_rule *r = rule;
	json_t *candidate;
	struct buf unread;
	int rc = why ? -1 : ask_quickly(r, c);

	if (rc >= 0)
		return rc;
	candidate = space_to_json(r->space, c);
	buf_init(&unread);
	rc = script_legal(r->s, r->problem, candidate, why ? why : &unread, e);
	buf_free(&unread);
	json_decref(candidate);
	return rc;
}
