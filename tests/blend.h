/* blend: for the tests of the runner: the stand-in driver's family (tests/fakecuda/kernels.c) as specifications,
 * launches and messages, and a started runner that has them. */
#ifndef TESTS_BLEND_H
#define TESTS_BLEND_H
#include <jansson.h>
#include "peer.h"

/* Ways to compute the same: one kernel; one with x through a tensor map; two steps after a memset of the workspace. */
enum blend_form { BLEND_PLAIN, BLEND_MAPPED, BLEND_STEPS };

/* The three problems: the tuned one, one with an odd row count and gaps between rows, one of a single row. */
json_t *blend_problems(void);
/* The launch of each problem. */
json_t *blend_launches(enum blend_form form);

/* build/attune-run before the stand-in driver; env: more "NAME=value", NULL-terminated, or NULL. */
void blend_start(struct peer *p, const char *const *env);
/* blend_start, its greeting taken and the problems accepted. */
void blend_ready(struct peer *p);
/* Sends an image under an id. */
void blend_load(struct peer *p, const char *id, const char *image);
/* A whole trial of an image: load, the result, unload. */
json_t *blend_trial(struct peer *p, const char *image, enum blend_form form);
/* The result of an image that has been loaded. */
json_t *blend_ask(struct peer *p, const char *type, const char *id, json_t *launches, json_t *incumbent);

#endif
