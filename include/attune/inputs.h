/* inputs: values that a candidate cannot predict, and patterns to poison and to guard memory with. The generator is
 * xoshiro256** with its whole state from getrandom(2); 16 of its bits choose a value among 65536 quantiles of a
 * distribution, which is as fine as f16 itself and costs no logarithm (f32 and f64 get random low bits added). Large memory is
 * filled by several threads, each part of it by a generator whose whole state is drawn from the first one. */
#ifndef ATTUNE_INPUTS_H
#define ATTUNE_INPUTS_H
#include <stddef.h>
#include <stdint.h>
#include "attune/err.h"
#include "attune/spec.h"

/* normal: mean 0, variance 1. wide: magnitudes log-uniform in 2^-10 to 2^4, random sign. peaked: normal * 8, so that a
 * softmax over products is nearly one-hot. tiny: normal / 128. */
enum values { VALUES_NORMAL, VALUES_WIDE, VALUES_PEAKED, VALUES_TINY, VALUES_COUNT };
const char *values_name(enum values v);

enum pattern {
	PATTERN_BYTES, /* random bytes */
	PATTERN_NAN,   /* NaN in every floating-point dtype, with a few random bits */
};

struct inputs;
int inputs_open(struct inputs **out, struct err *e);
void inputs_close(struct inputs *in);
uint64_t inputs_next(struct inputs *in);
uint64_t inputs_below(struct inputs *in, uint64_t n);

/* Fresh elements for a tensor whose first element is at data; gaps between rows are left alone. */
void inputs_values(struct inputs *in, void *data, const struct tensor *t, enum values v);
/* The same for the whole span, gaps included. */
void inputs_span(struct inputs *in, void *data, const struct tensor *t, enum values v);
void inputs_pattern(struct inputs *in, void *data, size_t bytes, enum pattern p);

/* Timed calls run on many sets made from one: a set belongs to one of SET_CLASSES classes, and in a class the span of
 * each input tensor is rotated left by so many elements. Both sides compute it from a seed. The classes are so many that all
 * sets differ unless they are tiny: a call that keeps results by content finds none of another set. */
enum { SET_CLASSES = 1024 };
unsigned inputs_set_class(uint64_t set);
uint64_t inputs_rotation(uint64_t seed, unsigned set_class, int tensor, int64_t span);

#endif
