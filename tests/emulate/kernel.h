// kernel: what a kernel sees when g++ compiles it for the emulator: the vocabulary of CUDA C++ (qualifiers, vector types,
// built-in variables and functions) as host code. Everything that needs other threads goes through emu::, whose side is in
// machine.cc; asm statements have become EMU_ASM by then (lift.cc). It is put in front of every lifted source.
#ifndef EMULATE_KERNEL_H
#define EMULATE_KERNEL_H
#include <initializer_list>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <type_traits>
#include <utility>

namespace emu {

struct dim {
	unsigned x, y, z;
};

// What a thread knows of its place. `here` is that of the thread that runs.
struct view {
	dim thread, block, threads, blocks;
	char *shared;
};
extern view *here;

// An operand of an asm statement. `at` is where an lvalue lives: outputs are written there, and products that run late
// look there whether their registers were left alone.
struct operand {
	void *at;
	uint64_t bits;
	unsigned char size;
	char kind;  // 'r' read, 'w' written, 'm' both
	bool lives; // `at` outlives the statement
};

struct program;
struct site {
	const char *text, *file;
	int line;
	const program *code; // the text parsed, once it has been met
};

void execute(site &s, std::initializer_list<operand> operands);

template <class T> uint64_t to_bits(const T &x) {
	uint64_t bits = 0;
	static_assert(sizeof(T) <= 8, "operands of asm are registers");
	memcpy(&bits, &x, sizeof(T));
	return bits;
}
template <class T> operand reads(T &&x) {
	return { (void *)&x, to_bits(x), sizeof(x), 'r', std::is_lvalue_reference<T>::value };
}
template <class T> operand writes(T &x) { return { (void *)&x, 0, sizeof(x), 'w', true }; }
template <class T> operand modifies(T &x) { return { (void *)&x, to_bits(x), sizeof(x), 'm', true }; }

enum shuffle_kind { SHUFFLE_INDEX, SHUFFLE_XOR, SHUFFLE_UP, SHUFFLE_DOWN };
uint64_t shuffle(shuffle_kind kind, unsigned mask, uint64_t bits, int by, int width, const char *file, int line);
unsigned ballot(unsigned mask, bool vote, const char *file, int line);
void sync_warp(unsigned mask, const char *file, int line);
void sync_threads(const char *file, int line);
void pause(const char *file, int line);
uint32_t shared_address(const void *p);
void trap(const char *what, const char *file, int line);

struct kernel {
	const char *name;
	void (*call)(const kernel *k, void *const *params);
	void (*function)(void);
	int parameters;
	const size_t *sizes;
	int threads, ctas; // __launch_bounds__; 0: not given
	kernel(const char *name, void (*call)(const kernel *, void *const *), void (*function)(void), int parameters,
	       const size_t *sizes, int threads = 0, int ctas = 0);
};

// Notes that a module has shared variables of fixed size, which here are one for all CTAs.
struct static_shared {
	static_shared();
};

template <class... A> struct entry {
	static constexpr size_t sizes[sizeof...(A) + 1] = { sizeof(A)..., 0 };
	template <size_t... I>
	static void call_with(void (*f)(A...), void *const *p, std::index_sequence<I...>) { f(*(A *)p[I]...); }
	static void call(const kernel *k, void *const *p) {
		call_with((void (*)(A...))k->function, p, std::index_sequence_for<A...>());
	}
	entry(void (*)(A...)) {}
	static constexpr int count = sizeof...(A);
};

template <class T> T *shared_as() { return (T *)here->shared; }

} // namespace emu

#define EMU_ASM(text, ...)                                                                                                     \
	do {                                                                                                                   \
		static emu::site emu_site = { text, __FILE__, __LINE__, nullptr };                                             \
		emu::execute(emu_site, { __VA_ARGS__ });                                                                       \
	} while (0)
#define EMU_KERNEL(name, ...)                                                                                                  \
	static emu::kernel emu_kernel_##name(#name, decltype(emu::entry(name))::call, (void (*)(void))name,                    \
					     decltype(emu::entry(name))::count, decltype(emu::entry(name))::sizes,             \
					     ##__VA_ARGS__)
#define EMU_STATIC_SHARED static emu::static_shared emu_static_shared
#define EMU_WHERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __grid_constant__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __align__(n) __attribute__((aligned(n)))
#define threadIdx (emu::here->thread)
#define blockIdx (emu::here->block)
#define blockDim (emu::here->threads)
#define gridDim (emu::here->blocks)
constexpr int warpSize = 32;

struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct uint3 { unsigned x, y, z; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
inline int2 make_int2(int x, int y) { return { x, y }; }
inline int4 make_int4(int x, int y, int z, int w) { return { x, y, z, w }; }
inline uint2 make_uint2(unsigned x, unsigned y) { return { x, y }; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return { x, y, z, w }; }
inline float2 make_float2(float x, float y) { return { x, y }; }
inline float4 make_float4(float x, float y, float z, float w) { return { x, y, z, w }; }

template <class A, class B> constexpr std::common_type_t<A, B> min(A a, B b) {
	using T = std::common_type_t<A, B>;
	return (T)a < (T)b ? (T)a : (T)b;
}
template <class A, class B> constexpr std::common_type_t<A, B> max(A a, B b) {
	using T = std::common_type_t<A, B>;
	return (T)a > (T)b ? (T)a : (T)b;
}

template <class TO, class FROM> inline TO emu_cast(FROM x) {
	TO y;
	static_assert(sizeof(TO) == sizeof(FROM), "");
	memcpy(&y, &x, sizeof(y));
	return y;
}
inline int __float_as_int(float x) { return emu_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return emu_cast<unsigned>(x); }
inline float __int_as_float(int x) { return emu_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return emu_cast<float>(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline unsigned __umulhi(unsigned x, unsigned y) { return (unsigned)((unsigned long long)x * y >> 32); }
template <class T> inline T __ldg(const T *p) { return *p; }

// Address spaces
inline size_t __cvta_generic_to_shared(const void *p) { return emu::shared_address(p); }
inline size_t __cvta_generic_to_global(const void *p) { return (size_t)p; }

// Warps and CTAs
template <class T> inline T emu_shuffle(emu::shuffle_kind kind, unsigned mask, T x, int by, int width, const char *file, int line) {
	uint64_t bits = emu::shuffle(kind, mask, emu::to_bits(x), by, width, file, line);
	memcpy(&x, &bits, sizeof(x));
	return x;
}
template <class T> inline T __shfl_sync(unsigned mask, T x, int from, int width = 32, EMU_WHERE) {
	return emu_shuffle(emu::SHUFFLE_INDEX, mask, x, from, width, file, line);
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T x, int by, int width = 32, EMU_WHERE) {
	return emu_shuffle(emu::SHUFFLE_XOR, mask, x, by, width, file, line);
}
template <class T> inline T __shfl_up_sync(unsigned mask, T x, int by, int width = 32, EMU_WHERE) {
	return emu_shuffle(emu::SHUFFLE_UP, mask, x, by, width, file, line);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T x, int by, int width = 32, EMU_WHERE) {
	return emu_shuffle(emu::SHUFFLE_DOWN, mask, x, by, width, file, line);
}
inline unsigned __ballot_sync(unsigned mask, int vote, EMU_WHERE) { return emu::ballot(mask, vote, file, line); }
inline int __any_sync(unsigned mask, int vote, EMU_WHERE) { return emu::ballot(mask, vote, file, line) != 0; }
inline int __all_sync(unsigned mask, int vote, EMU_WHERE) { return emu::ballot(mask, !vote, file, line) == 0; }
inline void __syncwarp(unsigned mask = ~0u, EMU_WHERE) { emu::sync_warp(mask, file, line); }
inline void __syncthreads(EMU_WHERE) { emu::sync_threads(file, line); }
inline void __nanosleep(unsigned, EMU_WHERE) { emu::pause(file, line); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __trap(EMU_WHERE) { emu::trap("__trap", file, line); }

// Threads run one at a time, so plain code is atomic.
template <class T> inline T emu_exchange(T *p, T x) {
	T old = *p;
	*p = x;
	return old;
}
template <class T, class U> inline T atomicAdd(T *p, U x) { return emu_exchange(p, (T)(*p + (T)x)); }
template <class T, class U> inline T atomicSub(T *p, U x) { return emu_exchange(p, (T)(*p - (T)x)); }
template <class T, class U> inline T atomicExch(T *p, U x) { return emu_exchange(p, (T)x); }
template <class T, class U> inline T atomicMax(T *p, U x) { return emu_exchange(p, *p > (T)x ? *p : (T)x); }
template <class T, class U> inline T atomicMin(T *p, U x) { return emu_exchange(p, *p < (T)x ? *p : (T)x); }
inline unsigned atomicInc(unsigned *p, unsigned top) { return emu_exchange(p, *p >= top ? 0u : *p + 1); }
template <class T, class U, class V> inline T atomicCAS(T *p, U compare, V x) {
	return emu_exchange(p, *p == (T)compare ? (T)x : *p);
}

#endif
