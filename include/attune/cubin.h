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

/* The mnemonic of an instruction from its first 64-bit word, or NULL when the table does not know it. */
const char *cubin_mnemonic(unsigned long long word, int cc);

#endif
