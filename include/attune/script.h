/* script: the embedded Lua: a kernel family (lua/family.lua, kernels/<family>/), its search space and the user's policy.
 * With script_api the only module that sees lua.h. Everything crosses this seam as JSON values or text: Lua gets copies,
 * C gets copies, nothing is shared. Every call into Lua is protected, and limited in instructions and memory. */
#ifndef ATTUNE_SCRIPT_H
#define ATTUNE_SCRIPT_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "attune/buf.h"
#include "attune/err.h"

struct script;
struct space; /* space.h */

struct script_options {
	const char *root;   /* folder that holds lua/ and kernels/ */
	const char *families; /* folder of the families, relative to root; NULL: "kernels" */
	const char *kernel; /* family name: kernels/<kernel>/<kernel>.lua; NULL: no family, only recorded spaces */
	const char *policy; /* path of the policy file; NULL: no policy is loaded */
	void (*log)(void *to, const char *line); /* run.log(...) of a policy, and warnings */
	void *log_to;
};

int script_open(struct script **out, const struct script_options *o, struct err *e);
void script_close(struct script *s);

/* --- family ------------------------------------------------------------------------------------------------------ */

/* The device that legal() and launch() see (messages.md, D). Must be set before any call that takes a candidate. */
int script_set_device(struct script *s, const json_t *device, struct err *e);

/* A named problem ("seed") or "b=1 h=8 ..." in any order, defaults filled in, checked against the family: a new object
 * with "text" (canonical), "name" when it has one, and every dimension and flag. Unknown or repeated names, values out of
 * range and invalid combinations are errors that name the word and what is allowed. */
int script_problem(struct script *s, const char *text, json_t **problem, struct err *e);
/* The odd problems that a candidate tuned for `problem` is judged on too: array of resolved problems. */
int script_odd_problems(struct script *s, const json_t *problem, json_t **odd, struct err *e);
/* The specification that the runner gets (messages.md), reference launches included. */
int script_spec(struct script *s, const json_t *problem, json_t **spec, struct err *e);

/* {"name","about","reference_source","dims":[{"name","about","fixed"...}],"flags":[...],"problems":[names],
 *  "variants":[{"name","source","about","min_cc","max_cc"?,"flags":[...],"baseline":bool,"nondeterministic"?,
 *    "axes":[{"name","values":[...],"default":v,"strategy","about"}]}],
 *  "baselines":[{"name","variant"?|"program"?,"needs"?}]}; owned by the script. */
const json_t *script_family(const struct script *s);

/* Candidate text <-> {"variant":...,axis:value...} in declared order. Unknown variants, axes and values are errors; axes
 * that are absent take their defaults. */
int script_candidate(struct script *s, const char *text, json_t **candidate, struct err *e);
int script_candidate_text(const json_t *candidate, struct buf *out);
/* What a search tries first of a variant that fits the problem, legal or not: the defaults of its axes, and over them what its
 * start(p, device) says. */
int script_first(struct script *s, const json_t *problem, const char *variant, json_t **candidate, struct err *e);

/* 1: the variant has candidates for such a problem and device, as far as its fits() knows; 0 and negative as script_legal. */
int script_fits(struct script *s, const json_t *problem, const char *variant, struct buf *why, struct err *e);
/* 1: legal for the problem and the device; 0: not, and why is appended; negative: the variant's code failed. */
int script_legal(struct script *s, const json_t *problem, const json_t *candidate, struct buf *why, struct err *e);
/* The #define lines of the candidate's flat source. */
int script_defines(struct script *s, const json_t *problem, const json_t *candidate, struct buf *out, struct err *e);
/* #define lines of the reference for a problem. */
int script_reference_defines(struct script *s, const json_t *problem, struct buf *out, struct err *e);
/* The launch with every number resolved (messages.md, Launch). */
int script_launch(struct script *s, const json_t *problem, const json_t *candidate, json_t **launch, struct err *e);
/* The launch for the header: as script_launch, but every number that depends on a run-time dimension is a string holding a
 * C expression over `a->NAME` (dimensions and derived values as int or long long fields of the arguments structure).
 * Checked against script_launch on the problem and its odd problems; a difference is an error. */
int script_launch_symbolic(struct script *s, const json_t *problem, const json_t *candidate, json_t **launch,
			   struct err *e);
/* Derived values (strides, scale) as C expressions for one value of each unfixed flag:
 * {"layout":{"bhsd":{"q_sb":"...","scale":"0.125f",...},"bshd":{...}}, "types":{"q_sb":"i64","scale":"f32"}}. */
int script_derived_symbolic(struct script *s, const json_t *problem, json_t **derived, struct err *e);

/* --- search ------------------------------------------------------------------------------------------------------ */

struct script_run {
	const json_t *problem;
	uint64_t seed;
	long trials;              /* the budget */
	const char *strategy;     /* free text handed to the policy; may be NULL */
	const json_t *only;       /* array of candidate texts that exist (a recorded run), or NULL: all legal ones */
	struct space *space;      /* a recorded space in place of the family's (borrowed; problem may be NULL), or NULL */
};

/* Starts the policy on a problem. lookahead: how many proposed candidates may be untold when the policy is asked for more
 * (the policy's `lookahead`, 0 by default: it sees every result before it proposes again). */
int script_policy_begin(struct script *s, const struct script_run *run, long *lookahead, struct err *e);
/* Asks seed() the first time and breed() after that: a new array of candidate objects, all legal and not proposed before in
 * this run, at most `most` of them. Illegal or repeated proposals are dropped and counted in *dropped; a policy that fails or
 * gives nothing legal several times in a row is named in *notes (array of strings, may be empty) and random legal candidates
 * stand in, so that a trial is never lost. An empty array means that the space is exhausted. */
int script_policy_ask(struct script *s, long most, double elapsed_s, json_t **candidates, long *dropped, json_t **notes,
		      struct err *e);
/* Tells a finished trial, in the order of proposal: {"candidate":{...},"text","verdict","time_us"?,"fitness","why",
 * "regs","spill_bytes","smem_bytes","occupancy","limit","warnings":n,...}. */
int script_policy_tell(struct script *s, const json_t *trial, double elapsed_s, struct err *e);
/* Adds what a profiler measured (profile.h) to a trial that was told: its member `profile` from now on. */
int script_policy_profile(struct script *s, const json_t *candidate, const json_t *profile, struct err *e);
/* 1 when the policy wants to stop before the budget is spent. */
int script_policy_done(struct script *s, double elapsed_s, struct err *e);
/* 0 seeds, then 1, 2, ...: how often breed() was asked. */
long script_policy_generation(const struct script *s);

/* Legal candidates drawn at random without repeats, for sampling and recording: at most n, fewer when the space has fewer.
 * variant NULL: all variants in turn. */
int script_sample(struct script *s, const json_t *problem, const char *variant, long n, uint64_t seed, json_t **candidates,
		  struct err *e);

#endif
