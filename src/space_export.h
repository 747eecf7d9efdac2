/* space_export: what the two writers of a recorded run share. */
#ifndef ATTUNE_SPACE_EXPORT_H
#define ATTUNE_SPACE_EXPORT_H
#include <jansson.h>
#include "attune/err.h"

/* A member that is a text, or an object with a "text"; NULL when it is neither. */
const char *export_text(const json_t *record, const char *key);
/* The first run line, borrowed; NULL without one. */
const json_t *export_run(const json_t *records);
/* {candidate text: {"configuration":{"variant",axis:text...},"trial":record}} of the run's problem, in the order of the first
 * trials. No trial is an error. */
int export_rows(const json_t *records, json_t **rows, struct err *e);

#endif
