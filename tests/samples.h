/* samples: journals of known records, for the suites of the journal. */
#ifndef ATTUNE_TESTS_SAMPLES_H
#define ATTUNE_TESTS_SAMPLES_H
#include <jansson.h>
#include <stdbool.h>
#include "attune/buf.h"

/* Record i: texts that need escapes, a fraction, nested values. */
json_t *samples_one(int i);
/* Whether a record that was read is this one with "seq" and "crc" added. */
bool samples_same(const json_t *read, const json_t *record, long seq);
/* Makes a journal of n samples anew; its bytes in b. */
void samples_make(const char *path, int n, struct buf *b);
/* That these records are the first n samples. */
void samples_check(json_t *records, size_t n);

#endif
