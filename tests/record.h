/* record: for the tests of replay: a small recorded run, and a child process that serves it. */
#ifndef TESTS_RECORD_H
#define TESTS_RECORD_H
#include <jansson.h>
#include "attune/journal.h"
#include "peer.h"

#define RECORD_PROBLEM "rows=33 cols=64"
#define RECORD_OTHER "rows=1 cols=8"

struct record {
	char folder[256];
	char *path; /* trials.jsonl in it */
};

void record_set_up(struct record *r);
void record_tear_down(struct record *r);
/* Starts the journal with its run line. */
void record_open(struct record *r, struct journal *j);
/* Takes the reference. */
void record_add(struct journal *j, json_t *line);
/* A trial line of RECORD_PROBLEM; with a time when time_us > 0. */
json_t *record_trial(const char *candidate, const char *verdict, double time_us);
/* The whole run: four candidates (v A=1 is 8 us, A=2 wrong, A=3 7 us, A=4 6 us), baselines, a championship of A=3, A=1
 * and the baseline plain, a trial of RECORD_OTHER. */
void record_all(struct record *r);
/* Starts the replay; its greeting. */
json_t *record_greeted(const struct record *r, struct peer *p);
/* A problem message. */
json_t *record_problem(const char *text);
/* Starts it, and RECORD_PROBLEM is accepted. */
void record_ready(const struct record *r, struct peer *p);

#endif
