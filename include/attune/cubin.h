/* cubin: what is inside a compiled kernel: its entries, the mix of their instructions, and device globals.
 * Reads the ELF file that nvcc -cubin writes, without CUDA. The file may be hostile: every offset is checked. It does not
 * disassemble: an instruction is known by its opcode alone, operands are not looked at. */
#ifndef ATTUNE_CUBIN_H
#define ATTUNE_CUBIN_H
#include <jansson.h>
#include <stddef.h>
#include "attune/err.h"

/* {"cc":90,"kernels":[{"name","code_bytes","instructions":n,"mix":{"HMMA":n,...}}],"globals":[{"name","bytes","writable"}],
 * "calls":[names]}
 * Kernels and globals in the order of the file's symbols. mix counts the instructions of an entry and of the device functions
 * compiled with it, by mnemonic without modifiers and each once, however often a loop runs it; NOPs (padding) are left out,
 * opcodes that are not in the table are "other". globals are __device__ (writable) and __constant__ (not) variables;
 * calls are the functions that the driver has to supply (vprintf, malloc, launches from the device).
 * Anything but an intact 64-bit cubin of compute capability 7.0 or later is an error. */
int cubin_read(const void *data, size_t len, json_t **info, struct err *e);

/* The machine code of an entry, in the file that data holds, and its compute capability. */
int cubin_code(const void *data, size_t len, const char *entry, const void **code, size_t *bytes, int *cc, struct err *e);

/* What one warp executes on its way through an entry, and how long that takes it alone, by the control bits of the machine
 * code; nothing is measured. work_cta: floating-point operations that a CTA of `warps` warps has to do, 0 when unknown; the
 * hot loop is passed as often as it takes for them (unknown: once), other loops once. Numbers, new reference:
 *   trips       passes of the hot loop
 *   alu, tensor, mufu, shared, global, barrier, control   instructions by class; issued: their sum
 *   latency     cycles from the first to the last instruction of a warp that has the SM for itself
 *   tensor_cycles, shared_cycles   of one scheduler's tensor unit and of the SM's shared memory, for one warp
 *   loads       loads from global memory, taken as 16 bytes a thread
 *   pass_bytes  shared memory that the products of one pass of the hot loop read, where the copy engine fills it; else 0
 * Branches are guessed (cubin_trace.c), so these are no counts of a run. */
int cubin_trace(const void *data, size_t len, const char *entry, double work_cta, long warps, json_t **trace, struct err *e);

/* The instruction that a branch (BRA), the at-th of n, leads to: its index, or -1 outside the code. */
long cubin_branch(unsigned long long word, unsigned long long control, long at, int cc, long n);

/* The mnemonic of an instruction from its first 64-bit word, or NULL when the table does not know it. */
const char *cubin_mnemonic(unsigned long long word, int cc);

#endif
