/* chip: what is known of a GPU without having one: its limits, how many CTAs an SM holds, and a static prediction for compiled
 * kernels. It measures nothing. */
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

/* The step that does the problem's operations: the one whose launch does the most in one pass of its code, tensor core work
 * before other work. kernels: cubin_read's; steps: of a launch, with numbers. */
size_t chip_main_step(const json_t *kernels, const json_t *steps);

/* What compiling a candidate tells about running it, as plain numbers; new reference, NULL when it says nothing (a step that
 * does not fit on the chip, a library's product, no step at all).
 *   device: D of messages.md, or chip_device's; resources: {"regs","smem_static_bytes","spill_store_bytes","spill_load_bytes"}
 *   steps: of the launch, with numbers; traces: for each step cubin_trace's answer, null for a memset
 * Of the main step: regs, spill_bytes, smem_bytes, threads, ctas, occupancy (CTAs an SM holds), trips (of its hot loop), and the
 * instructions that a warp executes by class: tensor, mufu, alu, shared, global, barrier. Of all steps together: steps, waves
 * (of CTAs on the busiest SM), and the cycles for which that SM is kept busy, by what keeps it so:
 *   latency_cycles   one warp's time alone, one wave after the other; with 1000 cycles for each pass of the hot loop where
 *                    shared memory is too small for the copy engine to bring the next pass's tiles meanwhile
 *   issue_cycles, tensor_cycles, mufu_cycles   of a scheduler, for all of its warps
 *   shared_cycles, global_cycles   of the SM's shared memory, and of its way to L2 at 64 bytes a cycle */
json_t *chip_static(const json_t *device, const json_t *resources, const json_t *steps, const json_t *traces);

/* Cycles that a launch is predicted to take, from chip_static's numbers; infinity when one is missing. Lower is better; it is a
 * prediction and no time. The SM is as slow as what keeps it busy longest, a little slower where several come close (the sixth
 * norm of the six), and starting a wave costs 1000 cycles. No constant is fitted to a recorded time. */
double chip_score(const json_t *facts);

#endif
