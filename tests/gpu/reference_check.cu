// The oracle of attn held against a float64 computation on the CPU that shares nothing with it but the definition.
// Compiled with -DPROBLEM_D=.. -DPROBLEM_CAUSAL=.. -DPROBLEM_DTYPE_F16 or _BF16, which is also how the oracle is compiled.
// Prints the largest difference relative to the RMS of the output; fails above 1e-9 (the sums differ in order only).
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>
#include "../../kernels/attn/reference.cu"

static u16 random_element() {
	float x = 0;
	for (int i = 0; i < 12; i++) x += (float)rand() / (float)RAND_MAX;
	x -= 6;
	unsigned bits;
	memcpy(&bits, &x, 4);
	if (BF16) return (u16)(bits >> 16);
	int exponent = (int)(bits >> 23 & 255) - 112;
	return exponent <= 0 ? (u16)0 : (u16)(bits >> 16 & 0x8000 | exponent << 10 | (bits >> 13 & 1023));
}

static double value(u16 x) {
	if (BF16) {
		unsigned bits = (unsigned)x << 16;
		float f;
		memcpy(&f, &bits, 4);
		return f;
	}
	int exponent = x >> 10 & 31, mantissa = x & 1023;
	double v = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
	return x & 0x8000 ? -v : v;
}

struct shape { int b, h, hkv, sq, sk; };

static double check(shape s) {
	std::vector<u16> q((size_t)s.b * s.h * s.sq * D), k((size_t)s.b * s.hkv * s.sk * D), v(k.size());
	std::vector<double> got(q.size());
	for (auto *t : {&q, &k, &v})
		for (auto &x : *t) x = random_element();
	u16 *dq, *dk, *dv;
	double *out;
	cudaMalloc(&dq, q.size() * 2), cudaMalloc(&dk, k.size() * 2), cudaMalloc(&dv, v.size() * 2), cudaMalloc(&out, got.size() * 8);
	cudaMemcpy(dq, q.data(), q.size() * 2, cudaMemcpyHostToDevice);
	cudaMemcpy(dk, k.data(), k.size() * 2, cudaMemcpyHostToDevice);
	cudaMemcpy(dv, v.data(), v.size() * 2, cudaMemcpyHostToDevice);
	const float scale = (float)(1 / sqrt((double)D));
	attn_reference<<<dim3(s.sq, s.h, s.b), THREADS>>>(dq, dk, dv, out, s.h, s.hkv, s.sq, s.sk, (i64)s.h * s.sq * D, (i64)s.sq * D, D,
		(i64)s.hkv * s.sk * D, (i64)s.sk * D, D, (i64)s.hkv * s.sk * D, (i64)s.sk * D, D, (i64)s.h * s.sq * D, (i64)s.sq * D, D,
		scale);
	if (cudaMemcpy(got.data(), out, got.size() * 8, cudaMemcpyDeviceToHost) != cudaSuccess) {
		printf("FAIL: %s\n", cudaGetErrorString(cudaGetLastError()));
		exit(1);
	}
	double worst = 0, squares = 0;
	std::vector<double> weight(s.sk);
	for (size_t row = 0; row < (size_t)s.b * s.h * s.sq; row++) {
		size_t i = row % s.sq, head = row / s.sq % s.h, batch = row / s.sq / s.h;
		size_t first = (batch * s.hkv + head / (s.h / s.hkv)) * s.sk;
		double largest = -INFINITY, sum = 0;
		for (int j = 0; j < s.sk; j++) {
			bool seen = !PROBLEM_CAUSAL || j <= (int)i + s.sk - s.sq;
			weight[j] = seen ? 0 : -INFINITY;
			for (int x = 0; seen && x < D; x++) weight[j] += value(q[row * D + x]) * value(k[(first + j) * D + x]);
			weight[j] *= (double)scale;
			largest = fmax(largest, weight[j]);
		}
		for (auto &w : weight) sum += w = w == -INFINITY ? 0 : exp(w - largest);
		for (int x = 0; x < D; x++) {
			double want = 0;
			for (int j = 0; j < s.sk; j++) want += sum > 0 ? weight[j] / sum * value(v[(first + j) * D + x]) : 0;
			worst = fmax(worst, fabs(want - got[row * D + x]));
			squares += want * want;
		}
	}
	cudaFree(dq), cudaFree(dk), cudaFree(dv), cudaFree(out);
	return worst / sqrt(squares / (double)got.size());
}

int main() {
	const shape shapes[] = {{1, 2, 2, 64, 64}, {2, 4, 2, 33, 77}, {1, 1, 1, 1, 129}, {1, 2, 1, 130, 65}, {1, 1, 1, 5, 3001}};
	int failed = 0;
	for (shape s : shapes) {
		double error = check(s);
		bool good = error < 1e-9;
		printf("%s: oracle against the CPU: b=%d h=%d hkv=%d sq=%d sk=%d d=%d %s causal=%d: %.2g of the RMS\n",
		       good ? "ok" : "FAIL", s.b, s.h, s.hkv, s.sq, s.sk, D, BF16 ? "bf16" : "f16", PROBLEM_CAUSAL, error);
		failed |= !good;
	}
	return failed;
}
