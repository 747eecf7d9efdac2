/* nvcc_cache: the two halves of nvcc.c that touch no process (see nvcc_cache.c). Private to nvcc.c. */
#ifndef ATTUNE_NVCC_CACHE_H
#define ATTUNE_NVCC_CACHE_H
#include "attune/nvcc.h"

/* What `ptxas -v` and the compilers printed: {"regs","stack_bytes",...,"warnings":[...]} (nvcc.h). */
json_t *nvcc_parse_log(const char *log);
/* The line of a failed compile that says most, malloc'ed. */
char *nvcc_first_error(const char *log);
/* Fills r from the entry in dir when it is whole; *hit says so. image: "candidate.cubin" or "candidate.ptx". */
int nvcc_cache_load(const char *dir, const char *image, struct nvcc_result *r, bool *hit, struct err *e);
/* Completes the entry in the temporary folder tmp (reads the image into r, writes candidate.json) and renames it to dir. */
int nvcc_cache_store(const char *tmp, const char *dir, const char *image, struct nvcc_result *r, struct err *e);

#endif
