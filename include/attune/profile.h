/* profile: what NVIDIA's ncu is asked about a kernel, and what its table says. Runs nothing. */
#ifndef ATTUNE_PROFILE_H
#define ATTUNE_PROFILE_H
#include <jansson.h>
#include <stddef.h>
#include "attune/buf.h"

/* A kernel with no utilisation of at least so many percent waits: its limit is latency. The bound is the one below which
 * Nsight Compute's own rule (SpeedOfLight) speaks of latency. */
#define PROFILE_BUSY_PCT 60.0

/* The metrics, for --metrics: names that Nsight Compute's own sections use for compute capability 8.0 to 12.0. */
const char *profile_metrics(void);

/* From the table (--csv --page raw, or ncu's older form with a metric a line) between whatever else the log holds:
 * {"issue","tensor","xu","shared","l2","dram"} how busy each is, percent of what it can do in the elapsed time;
 * "occupancy" achieved warps, percent of what an SM can hold while it is active; "bank_conflicts" percent of the shared
 * memory's work that conflicts add; "limit" the busiest one, or "latency"; "kernels" how many rows were read. Several
 * kernels are weighted by their time. What the table does not hold is left out. NULL: nothing could be read, and why says
 * it in ncu's own words where it has some. */
json_t *profile_read(const char *log, size_t len, struct buf *why);

#endif
