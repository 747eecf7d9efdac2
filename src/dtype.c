/* dtype: conversions between element types and double. A f16 becomes a float by moving its bits to the float's place and
 * multiplying by 2^112, which corrects the exponent and handles subnormal numbers in one step. */
#include "attune/dtype.h"

#include <math.h>
#include <string.h>

static const struct {
	const char *name;
	size_t bytes;
} dtypes[DTYPE_COUNT] = {
	[DTYPE_F16] = { "f16", 2 }, [DTYPE_BF16] = { "bf16", 2 }, [DTYPE_F32] = { "f32", 4 },
	[DTYPE_F64] = { "f64", 8 }, [DTYPE_I32] = { "i32", 4 },
};

int dtype_parse(const char *name)
{
	for (int i = 0; i < DTYPE_COUNT; i++)
		if (name && strcmp(name, dtypes[i].name) == 0)
			return i;
	return -1;
}

size_t dtype_bytes(enum dtype d)
{
	return dtypes[d].bytes;
}

static float float_of_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof f);
	return f;
}

static float decode_f16(uint16_t h)
{
	const uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;

	if ((h & 0x7c00) == 0x7c00)
		return float_of_bits(sign | 0x7f800000 | rest);
	return float_of_bits(sign | 0x3f800000) * (float_of_bits(rest) * 0x1p112f);
}

void dtype_decode(double *to, const void *from, size_t n, int64_t stride, enum dtype d)
{
	const uint16_t *h = from;
	const float *f = from;
	const double *w = from;
	const int32_t *k = from;

	switch (d) {
	case DTYPE_F16:
		for (size_t i = 0; i < n; i++)
			to[i] = (double)decode_f16(h[(int64_t)i * stride]);
		break;
	case DTYPE_BF16:
		for (size_t i = 0; i < n; i++)
			to[i] = (double)float_of_bits((uint32_t)h[(int64_t)i * stride] << 16);
		break;
	case DTYPE_F32:
		for (size_t i = 0; i < n; i++)
			to[i] = (double)f[(int64_t)i * stride];
		break;
	case DTYPE_F64:
		for (size_t i = 0; i < n; i++)
			to[i] = w[(int64_t)i * stride];
		break;
	default:
		for (size_t i = 0; i < n; i++)
			to[i] = (double)k[(int64_t)i * stride];
	}
}

/* A double to a format with `exponent` and `mantissa` bits (16 with the sign). Scaling to the last kept place and
 * rounding there by nearbyint is exact, for a double has room to spare. */
static uint16_t encode_16(double value, int exponent, int mantissa)
{
	const uint16_t sign = signbit(value) ? 0x8000 : 0, infinity = (uint16_t)(((1 << exponent) - 1) << mantissa);
	const int bias = (1 << (exponent - 1)) - 1;
	double a = fabs(value), steps;
	int e;

	if (isnan(value))
		return infinity | (uint16_t)(1 << (mantissa - 1));
	if (isinf(value))
		return sign | infinity;
	frexp(a, &e);
	e = a == 0 || e - 1 < 1 - bias ? 1 - bias : e - 1; /* subnormal numbers share the smallest exponent */
	steps = nearbyint(ldexp(a, mantissa - e));
	/* A carry out of the mantissa adds one to the exponent, as it should; a normal number's implicit bit does too. */
	a = steps + (double)(e + bias - 1) * (double)(1 << mantissa);
	return a >= (double)infinity ? (uint16_t)(sign | infinity) : (uint16_t)(sign | (uint16_t)a);
}

void dtype_encode(void *to, double value, enum dtype d)
{
	const float f = (float)value;
	const int32_t k = value >= INT32_MAX ? INT32_MAX : value <= INT32_MIN ? INT32_MIN : (int32_t)value;
	uint16_t h;

	switch (d) {
	case DTYPE_F16:
		h = encode_16(value, 5, 10);
		memcpy(to, &h, sizeof h);
		break;
	case DTYPE_BF16:
		h = encode_16(value, 8, 7);
		memcpy(to, &h, sizeof h);
		break;
	case DTYPE_F32:
		memcpy(to, &f, sizeof f);
		break;
	case DTYPE_F64:
		memcpy(to, &value, sizeof value);
		break;
	default:
		memcpy(to, &k, sizeof k);
	}
}
