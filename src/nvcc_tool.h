/* nvcc_tool: the compiler as a program (see nvcc_tool.c). Private to nvcc.c. */
#ifndef ATTUNE_NVCC_TOOL_H
#define ATTUNE_NVCC_TOOL_H
#include "attune/buf.h"
#include "attune/err.h"
#include "attune/hash.h"

/* What the compiler prints for one argument. */
int nvcc_tool_ask(const char *program, const char *arg, struct buf *out, struct err *e);
/* The hash over the binaries that make the machine code, remembered in the cache's folder. */
int nvcc_tool_identity(const char *program, const char *cache, char identity[HASH_HEX], struct err *e);
/* Whether -arch=ARCH is known to the compiler; an unknown one names the known ones. */
int nvcc_tool_check_arch(const char *program, const char *version, const char *arch, struct err *e);

#endif
