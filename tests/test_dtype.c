/* dtype: every 16-bit value both ways, and rounding against the definition. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attune/dtype.h"
#include "scratch.h"

/* The value of a 16-bit format by its definition. */
static double defined(unsigned bits, int exponent, int mantissa)
{
	const int bias = (1 << (exponent - 1)) - 1, e = (int)(bits >> mantissa & ((1u << exponent) - 1));
	const double fraction = ldexp((double)(bits & ((1u << mantissa) - 1)), -mantissa), sign = bits >> 15 ? -1 : 1;

	if (e == (1 << exponent) - 1)
		return fraction != 0 ? (double)NAN : sign * INFINITY;
	return sign * (e ? ldexp(1 + fraction, e - bias) : ldexp(fraction, 1 - bias));
}

static const struct {
	enum dtype d;
	int exponent, mantissa;
} formats[] = { { DTYPE_F16, 5, 10 }, { DTYPE_BF16, 8, 7 } };

START_TEST(every_value_both_ways)
{
	for (unsigned bits = 0; bits < 65536; bits++) {
		const uint16_t in = (uint16_t)bits;
		const double want = defined(bits, formats[_i].exponent, formats[_i].mantissa);
		uint16_t out;
		double got;

		dtype_decode(&got, &in, 1, 1, formats[_i].d);
		if (isnan(want)) {
			ck_assert_double_nan(got);
			dtype_encode(&out, got, formats[_i].d);
			ck_assert_double_nan(defined(out, formats[_i].exponent, formats[_i].mantissa));
			continue;
		}
		ck_assert_msg(memcmp(&got, &want, sizeof got) == 0, "0x%04x is %a, not %a", bits, want, got);
		dtype_encode(&out, got, formats[_i].d);
		ck_assert_uint_eq(out, in);
	}
}
END_TEST

/* Between two neighbours: nearer one below and above the middle, the even one in it. */
START_TEST(rounds_to_nearest_even)
{
	const int x = formats[_i].exponent, m = formats[_i].mantissa;

	for (unsigned bits = 0; bits + 1 < ((1u << x) - 1) << m; bits++) {
		const double lo = defined(bits, x, m), hi = defined(bits + 1, x, m), middle = lo + (hi - lo) / 2;
		uint16_t at, below, above;

		dtype_encode(&at, middle, formats[_i].d);
		dtype_encode(&below, nextafter(middle, lo), formats[_i].d);
		dtype_encode(&above, nextafter(middle, hi), formats[_i].d);
		ck_assert_uint_eq(at, bits % 2 ? bits + 1 : bits);
		ck_assert_uint_eq(below, bits);
		ck_assert_uint_eq(above, bits + 1);
		dtype_encode(&at, -middle, formats[_i].d);
		ck_assert_uint_eq(at, 0x8000 | (bits % 2 ? bits + 1 : bits));
	}
}
END_TEST

START_TEST(too_large_is_infinite)
{
	uint16_t h;
	int32_t k;

	dtype_encode(&h, 65519.9, DTYPE_F16);
	ck_assert_uint_eq(h, 0x7bff);
	dtype_encode(&h, 65520, DTYPE_F16);
	ck_assert_uint_eq(h, 0x7c00);
	dtype_encode(&h, -1e300, DTYPE_BF16);
	ck_assert_uint_eq(h, 0xff80);
	dtype_encode(&k, 1e10, DTYPE_I32);
	ck_assert_int_eq(k, INT32_MAX);
	dtype_encode(&k, -7, DTYPE_I32);
	ck_assert_int_eq(k, -7);
}
END_TEST

START_TEST(strides_and_names)
{
	const float f[5] = { 1, 2, 3, 4, 5 };
	double w[2];

	dtype_decode(w, f, 2, 3, DTYPE_F32);
	ck_assert_double_eq(w[0], 1);
	ck_assert_double_eq(w[1], 4);
	ck_assert_int_eq(dtype_parse("bf16"), DTYPE_BF16);
	ck_assert_int_lt(dtype_parse("f15"), 0);
	ck_assert_int_lt(dtype_parse(NULL), 0);
	ck_assert_uint_eq(dtype_bytes(DTYPE_F64), 8);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("dtype");

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, every_value_both_ways, 0, 2);
	tcase_add_loop_test(c, rounds_to_nearest_even, 0, 2);
	tcase_add_test(c, too_large_is_infinite);
	tcase_add_test(c, strides_and_names);
	return scratch_run("dtype", c);
}
