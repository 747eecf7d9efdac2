/* judge_internal: the judge's state and the seams between its files.
 *   judge.c           greeting, message loop, problems
 *   judge_images.c    the images that the host has loaded, least recently used dropped first
 *   judge_link.c      the GPU child: asking, losing, restarting, probing
 *   judge_compare.c   outputs against answers, memory against what it must still be
 *   judge_check.c     one check: fresh inputs, two poisons, one verdict
 *   judge_time.c      timing of a call
 *   judge_fresh.c     the verdict on what timed calls did, on sets made anew
 *   judge_sums.c      the same of all calls, by sums of what they left
 *   judge_trial.c     a trial: all checks, timing, race; retried alone before blame
 *   judge_baseline.c  baselines: images and programs
 *   judge_final.c     the championship */
#ifndef ATTUNE_JUDGE_INTERNAL_H
#define ATTUNE_JUDGE_INTERNAL_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "attune/buf.h"
#include "attune/child.h"
#include "attune/err.h"
#include "attune/inputs.h"
#include "attune/judge.h"
#include "attune/launch.h"
#include "attune/oracle.h"
#include "attune/spec.h"

enum { WHY_MAX = 900 };

/* What was found about a candidate; an empty verdict means nothing against it. */
struct finding {
	char verdict[20];
	char why[WHY_MAX];
};

/* How a step went: negative: the judge itself cannot go on (err says why). */
enum {
	STEP_OK = 0,
	STEP_FOUND = 1, /* the candidate's verdict is known */
	STEP_LOST = 2,  /* the GPU child is gone; the finding says what it looks like */
};

struct image_store;
struct nvml;
struct baseline;

/* Who is judged or timed. */
struct subject {
	const char *id;
	const json_t *launches;  /* one for each problem */
	bool nondeterministic;   /* declared: reruns may differ */
};

/* What calls on each class of sets leave, since the inputs were last made anew. */
struct call_sums {
	uint64_t key, like[SET_CLASSES];
	bool known[SET_CLASSES];
	long compared; /* in this trial */
};

struct judge {
	struct judge_options o;
	struct buf in;
	struct child gpu;
	bool gpu_greeted, gpu_told, gpu_probed;
	long restarts;
	double lost_s;           /* when the GPU child was lost; 0: it was not, or is back */
	double restart_ms;       /* the longest time from a loss to a child that has passed its probe, in this trial */
	json_t *phases;          /* milliseconds of this trial by what they went into; NULL between trials */
	json_t *device;          /* D, once the GPU child has greeted */
	char bus_id[32];
	struct oracle *oracle;
	struct inputs *inputs;
	struct nvml *nvml;
	json_t *problem;         /* the problem message that children are told */
	struct spec *specs;
	int spec_count;
	struct buf reference;    /* the reference image */
	struct image_store *images;
	unsigned turn;           /* of the values' rotation */
	/* check: what the device was given; what lay around the same inputs the second time; what it gave back first */
	struct buf image, again, outputs;
	struct buf sets_image;            /* timing: what the sets were made from; image is then one set as it must be */
	uint64_t seed;           /* of the sets */
	long sets;
	struct call_sums sums;
	struct baseline *baselines;
};

#define REFERENCE_ID "attune reference"

bool finding_set(struct finding *f, const char *verdict, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Adds the time since start_s (proc_now_s) to a phase of the trial. */
void phase_add(struct judge *j, const char *name, double start_s);

/* --- judge_images.c --- */
struct image_store *images_open(size_t max_bytes);
void images_close(struct image_store *s);
void images_put(struct image_store *s, const char *id, const void *data, size_t len);
void images_drop(struct image_store *s, const char *id);
/* NULL when unknown; marks it as used. */
const struct buf *images_get(struct image_store *s, const char *id);
/* Which images the present GPU child has. */
bool images_on_device(const struct image_store *s, const char *id);
void images_set_on_device(struct image_store *s, const char *id, bool there);
void images_device_lost(struct image_store *s);
/* Some image that it has beside `keep` (which may be NULL); NULL when there is none. */
const char *images_other_on_device(const struct image_store *s, const char *keep);
/* The declaration that a trial made for its image, for the championship. */
void images_set_nondeterministic(struct image_store *s, const char *id, bool yes);
bool images_nondeterministic(const struct image_store *s, const char *id);
/* Counts that the GPU child was lost while it worked on an image; the second time the image is to blame, however long ago
 * the first one was: what fails once in a while must not win either. */
int images_count_loss(struct image_store *s, const char *id);
enum { LOSSES_TO_BLAME = 2 };

/* --- judge_link.c --- */
/* Forks the GPU child unless it runs; does not wait for it. */
int link_fork(struct judge *j, struct err *e);
/* Forks if need be, takes the greeting; why is its text when it has no device (and the device stays NULL). */
int link_greet(struct judge *j, struct buf *why, struct err *e);
/* A child that knows the problem and has passed the known-good probe. */
int link_ready(struct judge *j, struct err *e);
void link_kill(struct judge *j);
/* A request, whose reference is taken, and its answer. stage names what a loss is to be called ("load" or "fault"). */
int link_ask(struct judge *j, json_t *request, const void *blob, size_t len, double limit_s, const char *stage,
	     json_t **answer, struct finding *f, struct err *e);
/* Loads the subject's image unless the child has it. */
int link_load(struct judge *j, const char *id, struct finding *f, struct err *e);
/* Forgets the sets and slots in the child, and all images but one (NULL: all). */
int link_clear(struct judge *j, const char *keep, struct err *e);
/* Seconds that one call of a problem may take; gemm steps have a library to load first. */
double link_call_limit_s(const struct judge *j, int problem, const json_t *launch);

/* --- judge_compare.c --- */
struct accuracy {
	double max_abs, plain_max_abs; /* largest differences from the answer */
	double over_abs;               /* the largest that is more than the element's own rounding (tolerance.rounding) */
	double rms, plain_rms, want_rms; /* RMS of the differences, and of the answer */
	char worst[96];                /* the element with over_abs */
	double worst_got, worst_want;
	char unfit[96];                /* the first element that is not finite; "" when all are */
	double unfit_value;
	bool answer_unfit;             /* it is the answer that is not finite */
	int64_t answered;              /* elements that the reference answered: rows that it left alone count for nothing else */
};
void compare_output(const struct tensor *t, const void *got, const double *want, const void *plain, double rounding,
		    struct accuracy *a);
/* The bound on over_abs, and the verdict. */
double compare_limit(const struct accuracy *a, const struct tolerance *t, enum values v);
bool compare_verdict(const struct accuracy *a, const struct tolerance *t, enum values v, const char *where,
		     struct finding *f);
/* Everything but the outputs' elements must be as given: inputs, gaps, guard zones. Inputs without gaps are those of `inputs`,
 * whose layout is the same and which may be `given` itself. */
bool compare_surroundings(const struct spec *s, const struct layout *l, const unsigned char *given,
			  const unsigned char *inputs, const unsigned char *got, const char *where, struct finding *f);
/* Elements of an output that still hold their poison, in both of two runs (or in one, given NULL). */
bool compare_written(const struct tensor *t, const unsigned char *poison, const unsigned char *got,
		     const unsigned char *poison2, const unsigned char *got2, const char *where, struct finding *f);
/* Two runs on equal inputs, element by element, bit for bit. */
bool compare_runs(const struct tensor *t, const unsigned char *one, const unsigned char *two, const char *where,
		  struct finding *f);

/* --- judge_check.c --- */
/* Makes room for an image; what was there is lost. */
void image_resize(struct buf *b, size_t len);
/* Walks the stretches of an image that hold no input without gaps (or, with `gaps`, no input at all): [*from, *to). The walk
 * starts with {0}. */
struct around {
	int next;
	size_t done;
	bool ended;
};
bool around_next(const struct spec *s, const struct layout *l, bool gaps, struct around *w, size_t *from, size_t *to);
/* A record of the check is appended to checks when it got as far as comparing values. */
int check_run(struct judge *j, const struct subject *s, int problem, enum values v, json_t *checks, struct finding *f,
	      struct err *e);
/* Inputs in j->image at the layout are given to the oracle by the caller; judges outputs that lie at `got`. */
bool check_outputs(struct judge *j, int problem, enum values v, const struct layout *l, const unsigned char *got,
		   const struct oracle_answer *a, const char *where, json_t *checks, struct finding *f, struct err *e);

/* --- judge_time.c --- */
struct timing {
	double us, lo_us, hi_us, warm_us, roofline_us;
	double fresh_us; /* the fastest replay on sets made anew */
	double new_us, again_us, after_us; /* the fastest rounds on new inputs, on inputs met before, and right after either */
	long replays, nodes, compared; /* compared: timed calls whose outputs were held against others' */
};
double time_roofline_us(const struct judge *j);
/* Makes the sets for problem 0 from fresh values. */
int time_sets(struct judge *j, struct finding *f, struct err *e);
/* Makes the subject's graphs in a slot; *call_us is a first, rough time. */
int time_slot(struct judge *j, const struct subject *s, int slot, struct timing *t, double *call_us, struct finding *f,
	      struct err *e);
/* Cold (and warm) times of a slot, and the verdict on the outputs that the last timed calls left. warm_replays may be 0. */
int time_measure(struct judge *j, const struct subject *s, int slot, long replays, long warm_replays, bool verify,
		 double call_us, struct timing *t, json_t *checks, struct finding *f, struct err *e);
/* Slot 1's time over slot 0's, of `quads` quads: the ratios in order. */
int time_race(struct judge *j, long quads, double quad_us, double *ratios, struct finding *f, struct err *e);

/* --- judge_fresh.c --- */
/* Replays a slot's calls on sets made anew (t->fresh_us) and judges what they left. */
int fresh_check(struct judge *j, const struct subject *s, int slot, double replay_us, struct timing *t, json_t *checks,
		struct finding *f, struct err *e);

/* Judges a set as it is now against the oracle; it has the inputs of a class. */
int fresh_verify_set(struct judge *j, long set, unsigned set_class, json_t *checks, struct finding *f, struct err *e);

/* --- judge_sums.c --- */
/* Draws a seed for the inputs of the sets, and forgets what calls on the old ones left. */
void sums_reseed(struct judge *j);
int sums_room(struct judge *j, struct err *e);
/* A request about sets made anew by j->seed, or as they are; us: as bench_round gives them. s NULL: what comes back is
 * compared by the caller. */
int sums_ask(struct judge *j, const struct subject *s, const char *type, int slot, long calls, double about_us, double us[2],
	     json_t **answer, struct finding *f, struct err *e);
/* The n sums in the shared memory against those before. */
bool sums_compare(struct judge *j, const struct subject *s, long n, struct finding *f);
/* Times rounds on new inputs against rounds on the same inputs again; compares what all of them left. */
int sums_pairs(struct judge *j, const struct subject *s, int slot, double about_us, struct timing *t, struct finding *f,
	       struct err *e);
/* type "disguised": some calls once more, with tensors that lie as in a check: they must leave what the timed ones left that
 * came last. "patched": the same, of calls on inputs that have changed in part; makes all sets anew. */
int sums_disguised(struct judge *j, const struct subject *s, const char *type, int slot, double call_us, struct finding *f,
		   struct err *e);
/* So many rounds more that a thousand calls and more are compared, `calls` in each. */
int sums_rounds(struct judge *j, const struct subject *s, int slot, double replay_us, long calls, struct finding *f,
		struct err *e);

/* --- judge_trial.c --- */
/* The whole trial or judgement of a message; *result is the answer, also for a bad candidate. */
int trial_run(struct judge *j, const json_t *message, bool timed, json_t **result, struct err *e);

/* --- judge_baseline.c, judge_final.c --- */
int final_baseline(struct judge *j, const json_t *message, const struct buf *program, json_t **answer, struct err *e);
int final_champion(struct judge *j, const json_t *message, json_t **answer, struct err *e);
void final_close(struct judge *j);

#endif
