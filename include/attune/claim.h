/* claim: what a championship allows to be said: that one of its entries is faster than another. */
#ifndef ATTUNE_CLAIM_H
#define ATTUNE_CLAIM_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* answer: a "champion" message or record (messages.md). Entries are timed in each process one after the other, so their times
 * are compared there: true when the mean of the logarithms of the ratios is above 0 by Student's paired test (two-sided, 5%),
 * and above what the kernel against itself shows within a process (noise.aa_p95). Never true of one process. */
bool claim_faster(const json_t *answer, size_t entry, size_t than);

/* The other entry that came nearest to the one with this candidate text, by time_us: its index, and in *ahead how much longer
 * it takes, as a share. -1: there is none, or no such text. *entry is the index of the text's. */
long claim_next(const json_t *answer, const char *candidate, size_t *entry, double *ahead);

#endif
