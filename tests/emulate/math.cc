// math: 16-bit floating point by its bits, rounded to nearest, ties to even.
#include "machine.h"

namespace emu {

static float from_bits(uint32_t bits) {
	float f;
	memcpy(&f, &bits, sizeof(f));
	return f;
}

static uint32_t bits_of(float f) {
	uint32_t bits;
	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

// Shifted into place, a half's exponent is 112 too small; the product mends that, for subnormal halves too.
float f16_to_f32(uint16_t x) {
	float a = from_bits((uint32_t)(x & 0x7fff) << 13) * 0x1p112f;

	if ((x & 0x7c00) == 0x7c00)
		a = from_bits(bits_of(a) | 0x7f800000);
	return from_bits(bits_of(a) | (uint32_t)(x & 0x8000) << 16);
}

// Below the smallest normal half, adding 0.5 leaves a subnormal's bits.
uint16_t f32_to_f16(float x) {
	uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000;

	bits &= 0x7fffffff;
	if (bits > 0x7f800000)
		return 0x7fff;
	if (bits >= 0x47800000)
		return (uint16_t)(sign | 0x7c00);
	if (bits < 0x38800000)
		return (uint16_t)(sign | (bits_of(from_bits(bits) + 0.5f) - 0x3f000000));
	return (uint16_t)(sign | (bits - (112u << 23) + 0xfff + (bits >> 13 & 1)) >> 13);
}

uint16_t f32_to_bf16(float x) {
	uint32_t bits = bits_of(x);

	if ((bits & 0x7fffffff) > 0x7f800000)
		return 0x7fff;
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

} // namespace emu
