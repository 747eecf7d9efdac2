/* judge_baseline: what the championship asks about baselines. */
#ifndef ATTUNE_JUDGE_BASELINE_H
#define ATTUNE_JUDGE_BASELINE_H
#include <jansson.h>
#include <stdbool.h>
#include "attune/err.h"

struct baseline;
struct judge;
struct subject;

/* A baseline that the host has named before, or NULL. */
struct baseline *baseline_find(struct judge *j, const char *name);
const char *baseline_name(const struct baseline *b);
/* True when it is an image with launches, which are then put into *s; false for a program. */
bool baseline_subject(const struct baseline *b, struct subject *s);
/* Lets a program of its own process measure: the next one that was started early, else a new one. */
int baseline_ask(struct judge *j, struct baseline *b, json_t **answer, struct err *e);

#endif
