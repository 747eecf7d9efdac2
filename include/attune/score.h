/* score: `attune bench`: how well search policies do on recorded spaces, without a GPU. Drives a policy through the same
 * code as a live run; only the trials are looked up. */
#ifndef ATTUNE_SCORE_H
#define ATTUNE_SCORE_H
#include <stddef.h>
#include <stdint.h>
#include "attune/err.h"
#include "attune/space.h"

/* The subcommand: options as `attune bench --help` says them. Returns the process's exit status. root: the folder that holds
 * lua/; NULL: $ATTUNE_ROOT, else the folder above the program's own. */
int score_main(int argc, char **argv);

struct score_run {
	const char *root, *policy;
	uint64_t seed;
	long trials;
	long lookahead; /* candidates proposed ahead of the results; negative: as many as the policy says */
	double prior;   /* 0: none, see score_search */
	long *passed;   /* may be NULL: increased by the proposals that were only compiled */
};

/* One search of `trials` trials in a recorded space: best_ms[i] is the best time after i + 1 trials, infinity while none has a
 * time. Failed configurations count as trials. A space that runs out repeats its last value. ask_s (may be NULL) is increased
 * by the time spent in proposing.
 * With a prior, a proposal that is predicted to take more than `prior` times what is predicted of the best trial is only
 * compiled: the policy is told the predicted time, scaled by the best trial's own, and no trial is spent; at most 20 such in
 * a row. */
struct score;
int score_open(struct score **out, const char *root, const char *policy, struct err *e);
void score_close(struct score *s);
int score_search(struct score *s, struct space *space, const struct space_record *record, const struct score_run *run,
		 double *best_ms, double *ask_s, struct err *e);
/* What a random search without repeats expects to have found after 1 .. trials trials: best_ms[i], the mean over the draws
 * that hold a configuration with a time. */
void score_random(const struct space_record *record, long trials, double *best_ms);

/* Time that is predicted of a row from what compiling told, in cycles; infinity when nothing was told. */
double score_predicted(const struct space_record *record, size_t row);
/* Prints a line with the rank correlation of predicted and recorded times, and one for each variant; returns the former, NaN
 * when too few candidates have both. */
double score_static(const struct space_record *record, const char *name);

#endif
