/* script_internal: what the script_*.c files share: the state, protected calls under limits, copies between JSON and
 * Lua. Only they include it (it shows lua.h). Rules:
 *  - Lua may raise only inside a body run by script_protect; a body owns no memory that a raise would lose: what it
 *    builds hangs on the structure that its caller passes as `ud`, and the caller frees it after a failure.
 *  - Limits are counted from the outermost script_protect; nested ones share its budget. Once a limit is passed, every
 *    pcall inside Lua raises again and the count hook keeps raising, until the outermost call has returned. */
#ifndef SCRIPT_INTERNAL_H
#define SCRIPT_INTERNAL_H
#include <jansson.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include "attune/buf.h"
#include "attune/err.h"
#include "attune/script.h"

#define SCRIPT_INSTRUCTIONS 200000000LL /* of one outermost call; an endless loop ends after a few seconds */
#define SCRIPT_MEMORY (64u << 20)       /* bytes that Lua may hold */
#define SCRIPT_CPU_S 20.0 /* of one outermost call; for C functions that an instruction count does not see */
#define SCRIPT_HOOK_EVERY 1000          /* instructions between two looks at the limits */
#define SCRIPT_FILE_MAX (1u << 20)      /* bytes of one script file */

enum script_spent { SPENT_NOTHING = 0, SPENT_INSTRUCTIONS, SPENT_MEMORY, SPENT_TIME };

struct script_policy; /* script_policy.c: everything of a policy and its run */

struct script {
	lua_State *L;
	char *root, *folder, *kernel; /* folder: of the families, relative to root; kernel: the family's name */
	void (*log)(void *to, const char *line);
	void *log_to;

	size_t memory, memory_limit; /* bytes held by Lua */
	long long steps;             /* instructions left of the outermost call */
	int depth;                   /* nesting of script_protect */
	double cpu_s;                /* thread CPU time when it began */
	enum script_spent spent;     /* limit passed in the outermost call under way */
	bool refused;                /* the allocator said no in it */
	char at[192];                /* file:line where a limit was passed */
	char loading[192];           /* script file whose chunk is running, "" when none */

	json_t *device; /* D of messages.md with cc_number, or NULL */
	json_t *family; /* what script_family returns */
	json_t *named;  /* named problems: name -> {"problem":resolved,"max_abs"?} */
	json_t *known;  /* what is known of problems asked for lately: text -> see script_known */
	int ref_vocabulary; /* registry: what lua/family.lua returned */
	int ref_family;     /* registry: the family table */
	int ref_variants;   /* registry: variant name -> variant table */

	struct script_query *asking; /* script_rule.c: the call of a legal() under way, or NULL */

	struct script_policy *policy; /* NULL: none loaded */
};

/* --- script_protect.c -------------------------------------------------------------------------------------------- */

/* Runs body(L) with ud as light userdata on stack index 1, protected and limited. A failure becomes one line in e, with
 * file and line where Lua code was running. The stack is as before in either case. */
int script_protect(struct script *s, lua_CFunction body, void *ud, struct err *e);
/* The script that a state belongs to. */
struct script *script_of(lua_State *L);
/* Raises the text of e (a body or a binding calls it when nothing is owned any more). */
int script_raise(lua_State *L, const struct err *e);
/* "file:line: " of the innermost running function that is no vocabulary (lua/family.lua, lua/strict.lua), or "". */
void script_where(lua_State *L, char *out, size_t size);
/* Raises when a limit of the call under way is passed; for C functions that can take long. */
void script_check_limits(lua_State *L);
/* The allocator of the state and its count hook. */
void *script_alloc(void *ud, void *ptr, size_t osize, size_t nsize);
void script_hook(lua_State *L, lua_Debug *ar);

/* --- script_json.c ----------------------------------------------------------------------------------------------- */

/* Pushes a copy of a JSON value; JSON null becomes nil. May raise (memory). */
void script_push_json(lua_State *L, const json_t *v);
/* Copies the Lua value at idx to *out (new reference). Never raises; calls no metamethods. Tables with keys 1..n are
 * arrays (an empty one too), others objects with sorted keys, numbers among them as text. Functions, depth over 20 (so
 * cycles), numbers that are not finite, text that is not UTF-8 and more than 200000 values are errors that name the
 * path
 * (`steps[1].grid`). */
int script_to_json(lua_State *L, int idx, json_t **out, struct err *e);

/* --- script_sandbox.c -------------------------------------------------------------------------------------------- */

/* Inside a body: builds the base library in the registry (reads lua/strict.lua). */
void script_sandbox_open(lua_State *L);
/* Pushes a new environment table for a script file: own copies of the base library (math, string, table, ...) and a
 * `require` with a cache of its own. Reading a global that is neither there nor assigned raises and names it; C looks
 * for optional globals by lua_rawget. */
void script_push_env(lua_State *L);
/* Inside a body: runs a file (text only, never bytecode) in the environment at stack index env, and pushes the value
 * that it returned (nil when none). Raises on failure, naming file and line. script_load takes a path relative to root
 * and shows that in messages; script_load_as takes any path and how to show it. */
void script_load(lua_State *L, const char *path, int env);
void script_load_as(lua_State *L, const char *file, const char *shown, int env);

/* --- script.c ---------------------------------------------------------------------------------------------------- */

/* Hands one line to the log of the options. */
void script_log(struct script *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- script_call.c ----------------------------------------------------------------------------------------------- */

#define SCRIPT_PATH 512
/* Path of a variant's file (NULL: the family's), relative to root. */
void script_file(const struct script *s, const char *variant, char out[SCRIPT_PATH]);

/* A call of one function of a family or a variant. */
struct script_call {
	const char *variant;     /* NULL: the family's */
	const char *of, *field;  /* name of the function; of: of the table that holds it, or NULL */
	const json_t *candidate; /* passed as c first, when there is one */
	const json_t *values;    /* passed as p */
	const json_t *symbols;   /* name -> whether real: these fields of p are symbols; NULL: all are numbers */
	const json_t *hidden;    /* array of names that p must not be asked for; with symbols only */
	bool device;             /* pass the device */
	const char *extra;       /* a last argument, or NULL */
	json_t *out, *second;    /* results; NULL when there is no such function */
};
/* Makes reading a field that the table at idx does not have an error which names it; what: "c", "p" or "device". */
void script_set_guard(lua_State *L, int idx, const char *what);
/* Reading an unknown field of p, c or device raises and names it. */
int script_call(struct script *s, struct script_call *c, struct err *e);
void script_call_free(struct script_call *c);

/* --- script_family.c --------------------------------------------------------------------------------------------- */

int script_family_open(struct script *s, struct err *e);
/* The variant's entry in script_family's "variants" (borrowed), or NULL. */
const json_t *script_variant(const struct script *s, const char *name);

/* --- script_problem.c -------------------------------------------------------------------------------------------- */

/* Resolves the family's named problems; called once after loading. */
int script_name_problems(struct script *s, const json_t *problems, struct err *e);
/* What is known of a problem (borrowed until the next call): {"values":{dims, flags, derived values}, "types":{derived:
 * "i32"|"i64"|"f32"}, "tensors":[as in the specification]}. */
int script_known(struct script *s, const json_t *problem, const json_t **known, struct err *e);
/* Whether valid() accepts the problem: 1, 0 (why is in e), or negative. */
int script_valid(struct script *s, const json_t *problem, struct err *e);
/* A type and its value from what i32(), i64(), f32() returned; NULL when it is none of them. */
const char *script_typed(const json_t *from, json_t **value);

/* --- script_launch.c, script_step.c, script_symbolic.c, script_expr.c -------------------------------------------- */

/* How the numbers of a launch are turned into JSON. */
struct script_numbers {
	const json_t *schema;   /* the family, for the ranges of dimensions */
	const json_t *known;    /* script_known of a problem: evaluate */
	bool text;              /* write expressions as C text instead */
	bool derived_text;      /* ... and derived values as a->NAME */
};
/* An integer within lo..hi, or the C text of an expression. what names it in errors. */
int script_number(const struct script_numbers *n, const json_t *raw, long long lo, long long hi, const char *what,
		  json_t **out, struct err *e);
/* A real number, or C text. */
int script_real(const struct script_numbers *n, const json_t *raw, const char *what, json_t **out, struct err *e);
/* What launch() returned, as the launch of messages.md. baseline: gemm steps are allowed. */
int script_launch_build(const struct script_numbers *n, const json_t *raw, bool baseline, json_t **launch,
			struct err *e);
/* One step of it. */
int script_step_build(const struct script_numbers *n, const json_t *raw, bool baseline, json_t **step, struct err *e);
/* launch() of a variant or (variant NULL) of the reference, on symbols or numbers, not yet built. */
int script_launch_raw(struct script *s, const json_t *problem, const json_t *candidate, bool symbolic,
		      const char *extra, json_t **raw, struct err *e);

/* --- script_rule.c ----------------------------------------------------------------------------------------------- */

/* A table that legal() got and that looks its fields up is filled with them; any other value is left alone. For functions
 * that see what a table holds itself. */
void script_rule_unfold(lua_State *L, int idx);

/* --- script_policy.c (search) ------------------------------------------------------------------------------------ */

/* Loads the policy file of the options; called by script_open after the family. */
int script_policy_open(struct script *s, const char *path, struct err *e);
void script_policy_close(struct script *s); /* called by script_close while L is still open; policy may be NULL */

#endif
