// axis: turns the defines of a flat source into constants. An axis or flag with words for values is defined as 1 under the
// name of the chosen word only (KV_CACHE_EVICT_LAST, PROBLEM_DTYPE_BF16); axis_is() makes 0 or 1 of such a name, so that
// kernels choose with `if constexpr` instead of the preprocessor.
#ifndef ATTUNE_AXIS_CUH
#define ATTUNE_AXIS_CUH

#define AXIS_FIRST_1 0,
#define axis_second(a, b, ...) b
#define axis_pick(...) axis_second(__VA_ARGS__, 0, 0)
#define axis_join(x) AXIS_FIRST_##x
#define axis_probe(x) axis_join(x)
#define axis_is(x) (axis_pick(axis_probe(x) 1))

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

__host__ __device__ constexpr int ceildiv(int a, int b) { return (a + b - 1) / b; }
__host__ __device__ constexpr int larger(int a, int b) { return a > b ? a : b; }
__host__ __device__ constexpr int smaller(int a, int b) { return a < b ? a : b; }

#endif
