/* chip: what is known of a GPU without having one: its limits, how many CTAs an SM holds, and a static ranking of compiled
 * kernels. It measures nothing and gives no time. */
#ifndef ATTUNE_CHIP_H
#define ATTUNE_CHIP_H
#include <jansson.h>
#include "attune/err.h"

/* Limits of an arch ("sm_89", "sm_90a", "compute_89") as the object D of messages.md, with what a data sheet does not settle
 * left out: name ("sm_89 (limits only)"), arch, cc, cc_number, sms and sms_of (the part whose number of SMs it is),
 * smem_block_bytes, smem_sm_bytes, regs_sm, threads_sm, blocks_sm. New reference. An unknown arch is an error that names
 * the known ones.
 * Source: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability"; CTAs an SM also cuda_occupancy.h
 * of CUDA 13.0; numbers of SMs from the data sheets of the parts. */
int chip_device(const char *arch, json_t **device, struct err *e);

/* CTAs of a kernel that one SM holds at a time, 0 when none fits; *limit (may be NULL) is what decides: "registers",
 * "shared memory", "threads" or "CTAs". smem_bytes: static plus dynamic. The rules are those of cuda_occupancy.h: registers
 * are given to warps in units of 256 out of four equal parts of the file; shared memory in units of 128 bytes (256 before
 * compute capability 8.0), 1 KiB of it taken by the system for each CTA from 8.0 on. */
double chip_occupancy(const json_t *device, long threads, long regs, long smem_bytes, const char **limit);

/* Ranks compiled kernels that cannot be run: lower is better, infinity when a step does not fit on the chip. It is a
 * ranking and no time; its constants are stated guesses that were not fitted to anything.
 *   resources: {"regs","smem_static_bytes","spill_store_bytes","spill_load_bytes","kernels":[cubin_read's]}
 *   launch: of messages.md, with numbers; spec: {"flops"}
 * For each kernel of the launch:
 *   1. One pass over its code costs a warp the sum of its instructions' issue slots: 1 for simple arithmetic, more for tensor
 *      core, special function, shared, global and local memory instructions (the table in chip_score.c).
 *   2. The kernel with the most arithmetic does the problem's operations: its code is passed as often as it takes for its
 *      tensor core instructions (without any: its FFMAs) to add up to them; at least once. Other kernels are passed once.
 *   3. The busiest SM runs ceil(CTAs / SMs) of them over its four schedulers. Few warps hide latency badly: the cost is
 *      multiplied by 1 + 2 / (resident warps a scheduler).
 *   4. Spilled registers multiply by 1 + bytes / 64.
 *   5. Each step adds 1000 slots for being started at all. */
double chip_score(const json_t *device, const json_t *resources, const json_t *launch, const json_t *spec);

#endif
