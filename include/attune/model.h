/* model: a small statistical model of how fast the configurations of one part are, learned from its trials, and what it
 * says to try next. A Gaussian process with one factor for each axis: (1 - c) + c * exp(-distance / length), where c says
 * how much the axis matters and distance is counted in value indices, 0 to 1 over the axis; strings and pairs of values
 * are the same or not. The scale is integrated out; c, length and noise wander by Metropolis steps under their priors, a
 * few for each proposal, so that successive proposals are made under different plausible models
 * (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 5; expected improvement: Jones,
 * Schonlau and Welch, 1998). */
#ifndef ATTUNE_MODEL_H
#define ATTUNE_MODEL_H
#include <stdbool.h>
#include <stddef.h>
#include "attune/err.h"
#include "attune/space.h"
#include "attune/stats.h"

#define MODEL_TRIALS 160 /* learned from: the faster half of so many are the fastest, the others the latest */

struct model_trial {
	struct space_config config;
	double speed; /* 1 / time in any unit; 0: it failed */
	bool waiting; /* proposed, not known yet: taken as good as expected, so that the next proposal goes elsewhere */
};

struct model_ask {
	double shape;   /* the power of the speed that is modelled: 1 the speed, 2 stresses the fast ones, 0 its logarithm */
	double explore; /* factor on the model's uncertainty near the best trials: 1 as it is, more looks further away */
	double far;     /* the same for random configurations, which with many axes are all far from every trial */
	double belief;  /* for so many trials what is believed beforehand of values (round ones, middling ones) counts; 0: never */
	bool spread;    /* propose what is known least, whatever its speed: for the first trials */
	size_t pool;    /* random configurations that are looked at, beside those near the best trials */
};

/* What is kept between proposals: the model's parameters and the random pool. */
struct model;
struct model *model_open(struct space *s, uint32_t part);
void model_close(struct model *m);

/* The most promising configuration of the part that is legal and not seen. 1 found; 0: nothing to choose from (no trial has a
 * time, or nothing is left in the pool); negative: the space's rule failed. Below 1 ms at 45 trials, some
 * 4 ms with MODEL_TRIALS of them, beside what the rule takes. */
int model_suggest(struct model *m, const struct model_trial *trials, size_t n, const struct model_ask *ask,
		  struct stats_rng *rng, struct space_config *out, struct err *e);

#endif
