/* dtype: element types of tensors, and their values as doubles. Rounding is to nearest, ties to even; f16 and bf16 are
 * done in integer arithmetic, so that they are the same on every machine. */
#ifndef ATTUNE_DTYPE_H
#define ATTUNE_DTYPE_H
#include <stddef.h>
#include <stdint.h>

enum dtype { DTYPE_F16, DTYPE_BF16, DTYPE_F32, DTYPE_F64, DTYPE_I32, DTYPE_COUNT };

/* A dtype, or negative for an unknown name. */
int dtype_parse(const char *name);
size_t dtype_bytes(enum dtype d);

/* n elements that stand `stride` elements apart, as doubles. */
void dtype_decode(double *to, const void *from, size_t n, int64_t stride, enum dtype d);
/* One value into the dtype's bytes. Too large becomes infinite; for i32 it saturates. */
void dtype_encode(void *to, double value, enum dtype d);

#endif
