// ptx_math: conversions between float32 and the 16-bit types, and the fast special functions, as PTX has them. The 16-bit
// types travel as bits (u16, and u32 for two of them, the first element in the low half), so that no CUDA header is needed.
#ifndef ATTUNE_PTX_MATH_CUH
#define ATTUNE_PTX_MATH_CUH

__device__ __forceinline__ float cvt_f32_f16(u16 x) {
	float y;
	asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
	return y;
}

__device__ __forceinline__ float cvt_f32_bf16(u16 x) { return __uint_as_float((u32)x << 16); }

__device__ __forceinline__ u16 cvt_rn_f16_f32(float x) {
	u16 y;
	asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
	return y;
}

__device__ __forceinline__ u16 cvt_rn_bf16_f32(float x) {
	u16 y;
	asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
	return y;
}

__device__ __forceinline__ u32 cvt_rn_f16x2_f32(float low, float high) {
	u32 y;
	asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
	return y;
}

__device__ __forceinline__ u32 cvt_rn_bf16x2_f32(float low, float high) {
	u32 y;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
	return y;
}

// One element, or two packed, of the problem's dtype.
template <bool BF16> __device__ __forceinline__ float element_to_f32(u16 x) {
	if constexpr (BF16) return cvt_f32_bf16(x);
	else return cvt_f32_f16(x);
}

template <bool BF16> __device__ __forceinline__ u16 element_from_f32(float x) {
	if constexpr (BF16) return cvt_rn_bf16_f32(x);
	else return cvt_rn_f16_f32(x);
}

template <bool BF16> __device__ __forceinline__ u32 element_pair_from_f32(float low, float high) {
	if constexpr (BF16) return cvt_rn_bf16x2_f32(low, high);
	else return cvt_rn_f16x2_f32(low, high);
}

// 2^x; 2^-infinity is 0.
__device__ __forceinline__ float ex2_approx_ftz_f32(float x) {
	float y;
	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

// 2^x without the special-function unit, for x <= 127: x = n + f with |f| <= 1/2 by adding and subtracting 1.5 * 2^23, whose
// low bits then hold n; 2^f by a cubic of least relative error, 1.0e-4, exact at 0; n added to the exponent. Exactly 0 for
// -infinity, which makes a masked key weigh nothing. With ANY any x will do, and what is beyond 127 becomes 2^127.
template <bool ANY = false> __device__ __forceinline__ float ex2_cubic_f32(float x) {
	constexpr float SHIFTER = 12582912.0f;
	x = fmaxf(x, -127.0f);
	if constexpr (ANY) x = fminf(x, 127.0f);
	float n = x + SHIFTER, f = x - (n - SHIFTER);
	float y = fmaf(fmaf(fmaf(0.05500897f, f, 0.24221106f), f, 0.69328293f), f, 1.0f);
	return __int_as_float(__float_as_int(y) + (__float_as_int(n) << 23));
}

__device__ __forceinline__ float rcp_approx_ftz_f32(float x) {
	float y;
	asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

#endif
