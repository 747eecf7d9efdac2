/* tune: what `attune tune`, `trial`, `judge` and `compile` are made of. A session joins the scripts, the compiler and the
 * runner for one problem; a tune asks the policy, evaluates, tells it, and emits the winner. No Lua and no CUDA here. */
#ifndef ATTUNE_TUNE_H
#define ATTUNE_TUNE_H
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include "attune/buf.h"
#include "attune/err.h"
#include "attune/hash.h"
#include "attune/journal.h"
#include "attune/nvcc.h"
#include "attune/runner.h"
#include "attune/script.h"

/* Where the times of a session come from. */
enum session_mode {
	SESSION_LIVE,   /* a runner with a GPU on which the arch runs */
	SESSION_REPLAY, /* a recorded run, replayed */
	SESSION_STATIC, /* neither: compiled and ranked by the static model, nothing is timed */
};

struct session_options {
	const char *root, *kernel, *problem;
	const char *arch;    /* NULL: the GPU's, or the record's */
	const char *policy;  /* NULL: none is loaded */
	const char *runner;  /* NULL: attune-run beside this program */
	const char *record;  /* a recorded run to replay; NULL: found under tuned/records when there is no GPU */
	const char *nvcc, *python;
	const char *cache;   /* folder of the cubin cache; NULL: <root>/build/<kernel> */
	long jobs;           /* 0: one for each core */
	double compile_limit_s; /* of one compile; 0: nvcc.h's */
	bool any_image;      /* accept an arch whose code the driver must translate or cannot run (compile only) */
	void (*say)(void *to, const char *line);
	void *say_to;
};

struct session {
	struct session_options o;
	enum session_mode mode;
	char *arch, *runner_command, *record, *attune_run;
	struct script *script;
	struct nvcc *nvcc;
	struct runner *runner;
	json_t *device;
	json_t *problems; /* resolved: the tuned one, then the odd ones */
	json_t *specs;    /* the runner's specification of each */
	bool problem_sent;
};

int session_open(struct session *s, const struct session_options *o, struct err *e);
void session_close(struct session *s);
const json_t *session_problem(const struct session *s);
const char *session_problem_text(const struct session *s);
/* Starts the runner again after it was lost; the problem must be sent again. */
int session_restart(struct session *s, struct err *e);

/* The flat source of a candidate, whole and without its first comment, for an arch, and its compiler flags (borrowed). */
int session_source(struct session *s, const json_t *candidate, const char *arch, struct buf *source, struct buf *body,
		   const json_t **flags, struct err *e);
/* The variant's entry in script_family, or NULL. */
const json_t *session_variant(const struct session *s, const char *name);
/* Compiles one candidate (or, with NULL, the reference) and waits for it. */
int session_compile(struct session *s, const json_t *candidate, const char *arch, struct nvcc_result *r, struct err *e);
/* Compiles the reference and gives the problems to the runner. */
int session_send_problem(struct session *s, struct err *e);
/* What the compiled image shows without a GPU (vet.h): NULL, or a verdict with why. */
const char *session_vet(struct session *s, const json_t *candidate, const struct nvcc_result *image, struct buf *why);
/* Sends the image and a trial or judge message for it. launches: of session_launches, or NULL to have them made. */
int session_send_trial(struct session *s, const char *type, const json_t *candidate, const struct nvcc_result *image,
		       const json_t *launches, const json_t *incumbent, struct err *e);
/* The launches of a candidate for each problem of the session. */
int session_launches(struct session *s, const json_t *candidate, json_t **launches, struct err *e);
/* One message to the runner, one answer. */
int session_request(struct session *s, const json_t *head, const void *blob, size_t len, double timeout_s, json_t **answer,
		    struct err *e);
/* Registers, shared memory, occupancy and what limits it, from the compile's report and the launch; NULL launch: the
 * session's own for the tuned problem. */
int session_resources(struct session *s, const json_t *candidate, const json_t *resources, json_t **out, struct err *e);
/* What compiling a candidate tells about running it for the tuned problem (chip_static), from the image and the compiler's own
 * report in it. New reference; NULL when that is nothing, as of PTX. */
json_t *session_static(struct session *s, const json_t *candidate, const struct nvcc_result *image);
/* Baselines of the family, measured by the runner: array of {"name","time_us"...|"why"}; `early` only starts programs. */
int session_start_programs(struct session *s, long count, struct err *e);
int session_baselines(struct session *s, json_t **entries, json_t **versions, struct err *e);
const char *session_mode_text(const struct session *s);

/* Whether code of an arch ("sm_90a", "compute_80") runs on a device of compute capability major.minor; *translated: only
 * after the driver has compiled its PTX. */
bool session_arch_runs(const char *arch, int major, int minor, bool *translated);

/* When baselines are measured: before the search and in every process of the championship; once, after the search, so that what a
 * program of theirs must import is imported meanwhile; never. */
enum tune_baselines { BASELINES_EACH, BASELINES_ONCE, BASELINES_NONE };

enum { TUNE_PROFILES = 3 };

struct tune_options {
	struct session_options session;
	const char *out;       /* folder of the winner: tuned */
	const char *policy_name;
	long trials;           /* 45 */
	uint64_t seed;
	long finalists;        /* how many enter the championship: 3; 0: only a search, nothing is published or written */
	long processes;        /* fresh processes of the championship: 3 */
	enum tune_baselines baselines;
	bool record_all;       /* champion entries and trials are kept for replay */
	bool no_sanitizer;     /* the winner is not run under compute-sanitizer */
	long profiles;         /* at most so many elites are profiled with ncu: TUNE_PROFILES */
	const volatile sig_atomic_t *stop; /* set by SIGINT or SIGTERM */
};

enum slot_state { SLOT_NEW, SLOT_COMPILING, SLOT_READY, SLOT_SENT, SLOT_DONE };

struct slot {
	enum slot_state state;
	json_t *candidate; /* as proposed */
	char *text;
	struct nvcc_result image;
	json_t *facts;     /* session_static's, once compiled; NULL: none */
	json_t *trial;     /* the journal's record once done */
	int lost;          /* how often the runner was lost while it ran */
	long epoch;        /* which runner process has its image */
	long generation;
	json_t *launches;  /* of every problem, while they are needed */
	char code[HASH_HEX]; /* of machine code and launches; "" while unknown */
};

enum tune_phase { TUNE_OPENING, TUNE_BASELINES, TUNE_SEARCH, TUNE_FINAL, TUNE_PHASES };

struct tune {
	struct tune_options o;
	struct session s;
	struct journal journal;
	char *run_dir;
	json_t *past;      /* finished trials of an interrupted run, by candidate text */
	json_t *baselines; /* entries */
	json_t *versions;
	double baseline_us; /* the fastest baseline, 0 when none was measured */
	char *baseline_name;
	struct slot *slots;
	char sources_sha256[HASH_HEX], policy_sha256[HASH_HEX];
	long n_slots, told, tried_before;
	long repeats;      /* told slots whose machine code an earlier one had: they take none of the trials */
	long lookahead;
	long epoch;        /* counts lost runners */
	long best;         /* slot with the best time so far, -1 */
	bool exhausted, policy_done;
	json_t *champion;  /* answer of the championship */
	json_t *winner;    /* trial record of the winner */
	json_t *sanitized; /* what compute-sanitizer said, by candidate text: records of the journal */
	json_t *profiled;  /* the same of ncu */
	json_t *past_profiles; /* of an interrupted run, until they are told again */
	bool profiles_off; /* ncu cannot be used */
	double profile_s;  /* spent on profiles so far */
	double started_s, lap_s;
	double spent_s[TUNE_PHASES];
	json_t *phases_ms; /* of all trials that the runner made, by what they went into */
};

/* Runs a tune to its end (or to a stop signal: 130) and emits the winner. */
int tune_main(const struct tune_options *o, struct err *e);

/* Hash of the Lua, the kernels and the includes that a search of this family reads. */
void tune_sources_hash(const char *root, const char *kernel, char hex[HASH_HEX]);

/* tune_run.c: the run's folder and journal. */
int tune_run_open(struct tune *t, struct err *e);
int tune_run_append(struct tune *t, json_t *record, struct err *e); /* takes the reference */
/* tune_eval.c: from a proposed candidate to its trial. */
int tune_evaluate(struct tune *t, struct err *e);
double tune_time_us(const json_t *trial); /* time of an ok trial (static: its score), or infinity */
/* tune_policy.c: takes proposals while the policy may be asked; tells it the finished trials that are next in order, and asks
 * after each of them. */
int tune_ask(struct tune *t, struct err *e);
int tune_tell(struct tune *t, bool busy, struct err *e);
/* tune_same.c: machine code that was tried before. */
#define TUNE_REPEATS 3 /* times the budget: a run in which there are more ends */
/* What identifies a slot's machine code and launches; NULL: nothing is known of it. */
int tune_same_learn(struct tune *t, struct slot *slot, const char *cubin_sha256, struct err *e);
/* Another slot of the same code whose trial is complete, or NULL. */
struct slot *tune_same_done(struct tune *t, const struct slot *slot);
/* Completes a trial by what was found of the other: it says so by "same_as", the other's candidate. */
void tune_same_take(json_t *trial, const struct slot *other);
/* The first slot that was proposed before this one and has the same code, or NULL. */
const struct slot *tune_same_told(struct tune *t, const struct slot *slot);
/* How many more candidates the budget has room for. */
long tune_same_room(const struct tune *t);
/* tune_final.c */
int tune_championship(struct tune *t, struct err *e);
int tune_emit(struct tune *t, struct err *e);
/* What a recorded run holds of a kind ("sanitizer", "profile") on a candidate of this problem; borrowed, NULL: nothing. */
const json_t *tune_recorded(const struct tune *t, const char *kind, const char *candidate);
/* tune_sanitizer.c: runs the candidate under compute-sanitizer unless that is in the journal or the record. *finding: the
 * first finding against it (borrowed), NULL when there is none, or nothing could be found out. */
int tune_sanitize(struct tune *t, const struct slot *slot, const char **finding, struct err *e);
/* tune_profile.c: whether the policy is to be told a profile once `told` trials have been told, before it is asked on. Taking
 * it needs the GPU for itself. */
bool tune_profile_due(const struct tune *t, long told);
int tune_profile(struct tune *t, struct err *e);
/* tune_spent.c: where a live run's time goes. What has passed since the last lap belongs to a phase; a runner's answer to a
 * trial says what it spent. */
void tune_spent_lap(struct tune *t, enum tune_phase phase);
void tune_spent_trial(struct tune *t, const json_t *answer);
void tune_spent_print(const struct tune *t);
/* tune_report.c */
void tune_report_start(struct tune *t);
void tune_report_progress(struct tune *t, const struct slot *slot);
void tune_report_line(struct tune *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tune_report_final(struct tune *t);
/* Whether a slot is finished and took one of the trials: one with an earlier one's machine code takes none. */
bool tune_took_trial(const struct slot *slot);
/* A slot's candidate by what it changes: the axes that are not at their default. Valid wherever the whole text is. */
const char *tune_short_text(const struct tune *t, const struct slot *slot, struct buf *out);

#endif
