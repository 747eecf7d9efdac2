/* replay_internal: what the files of replay share. */
#ifndef REPLAY_INTERNAL_H
#define REPLAY_INTERNAL_H
#include <jansson.h>
#include <stdbool.h>

/* Everything is borrowed from records, but for the tables. */
struct replay {
	const char *file;
	json_t *records;
	json_t *run;        /* first run record */
	json_t *trials;     /* {problem: {candidate: record}} */
	json_t *baselines;  /* {problem: {name: record}} */
	json_t *champions;  /* {problem: [record]}, oldest first */
	json_t *notes;      /* {kind: {problem: {candidate: record}}}: what tools said of candidates */
	const char *problem; /* the one asked for, NULL until then */
};

/* A text, or the "text" of an object; NULL for anything else. */
const char *replay_text(const json_t *v);
bool replay_is_ok(const json_t *record);
/* What was recorded of a baseline for the problem asked for, or NULL. Borrowed. */
json_t *replay_baseline(const struct replay *r, const char *name);
/* The answer to a championship, a new reference. */
json_t *replay_champion(const struct replay *r, const json_t *head);

#endif
