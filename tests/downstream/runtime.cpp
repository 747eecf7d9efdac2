// runtime: the header in a C++11 program of the CUDA runtime API: memory and streams are the runtime's, the kernel comes
// from attn_best_plan on the runtime's device. It computes one problem for each of the header's entries that the device runs.
// Exit status: 0 right, 1 wrong or failed, 77 no device that can run it.
#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdio>
#include <vector>

#include "attn_best.h"
#include "reference.h"

namespace {

bool good(cudaError_t e, const char *what)
{
	if (e != cudaSuccess)
		std::printf("%s: %s\n", what, cudaGetErrorName(e));
	return e == cudaSuccess;
}

bool good(CUresult r, const char *what)
{
	const char *name = nullptr;

	if (r != CUDA_SUCCESS) {
		cuGetErrorName(r, &name);
		std::printf("%s: %s\n", what, name ? name : "unknown error");
	}
	return r == CUDA_SUCCESS;
}

class Kernel {
public:
	explicit Kernel(const attn_best_entry *entry) { loaded_ = good(attn_best_load_entry(&kernel_, entry), "attn_best_load_entry"); }
	~Kernel() { attn_best_unload(&kernel_); }
	Kernel(const Kernel &) = delete;
	Kernel &operator=(const Kernel &) = delete;
	bool loaded() const { return loaded_; }
	const attn_best *get() const { return &kernel_; }

private:
	attn_best kernel_;
	bool loaded_;
};

CUdeviceptr address(void *p)
{
	return reinterpret_cast<CUdeviceptr>(p);
}

bool compute(const attn_best_args &shape, int device, cudaStream_t stream)
{
	const int b = 2, h = 4, hkv = 2, sq = 65, sk = 130, d = shape.d;
	const reference_call c = { h, hkv, sq, sk, d, shape.dtype == 2, shape.causal };
	const size_t sizes[4] = { size_t(b) * h * sq * d, size_t(b) * hkv * sk * d, size_t(b) * hkv * sk * d, size_t(b) * h * sq * d };
	std::vector<unsigned short> host[4];
	void *memory[5] = {};
	unsigned long long random = 7;
	const attn_best_entry *entry = nullptr;
	attn_best_args args = shape;
	bool right = true;

	for (int i = 0; i < 4; i++) {
		host[i].resize(sizes[i]);
		for (auto &v : host[i])
			v = reference_to_bits(reference_normal(&random), c.bf16);
		right = right && good(cudaMalloc(&memory[i], 2 * sizes[i]), "cudaMalloc") &&
			good(cudaMemcpy(memory[i], host[i].data(), 2 * sizes[i], cudaMemcpyHostToDevice), "cudaMemcpy");
	}
	// Copies from pageable memory may still be under way when they return.
	right = right && good(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
	args.q = address(memory[0]);
	args.k = address(memory[1]);
	args.v = address(memory[2]);
	args.o = address(memory[3]);
	args.b = b;
	args.h = h;
	args.hkv = hkv;
	args.sq = sq;
	args.sk = sk;
	CUdevice own;
	right = right && good(cuDeviceGet(&own, device), "cuDeviceGet") && good(attn_best_plan(&args, own, &entry), "attn_best_plan");
	if (right) {
		const Kernel kernel(entry);
		const size_t bytes = attn_best_entry_workspace_bytes(entry, &args);

		right = kernel.loaded() && (bytes == 0 || good(cudaMalloc(&memory[4], bytes), "cudaMalloc")) &&
			good(attn_best_launch(kernel.get(), &args, address(memory[4]), stream), "attn_best_launch") &&
			good(cudaStreamSynchronize(stream), "cudaStreamSynchronize") &&
			good(cudaMemcpy(host[3].data(), memory[3], 2 * sizes[3], cudaMemcpyDeviceToHost), "cudaMemcpy");
	}
	double worst = 0;
	std::vector<double> weights(sk), expected(d);
	const reference_tensor t[4] = { { host[0].data(), h * sq * d, sq * d, d }, { host[1].data(), hkv * sk * d, sk * d, d },
					{ host[2].data(), hkv * sk * d, sk * d, d }, { host[3].data(), h * sq * d, sq * d, d } };
	for (int row = 0; right && row < b * h * sq; row++) {
		const int ib = row / (h * sq), ih = row / sq % h, i = row % sq;

		reference_row(&c, &t[0], &t[1], &t[2], ib, ih, i, weights.data(), expected.data());
		for (int k = 0; k < d; k++) {
			const double error = std::fabs(reference_at(&t[3], c.bf16, ib, ih, i, k) - expected[k]) / (1 + std::fabs(expected[k]));

			if (!(error <= worst))
				worst = error == error ? error : HUGE_VAL;
		}
	}
	if (right) {
		right = worst <= (c.bf16 ? 1.6e-2 : 2e-3);
		std::printf("%s: d=%d dtype=%d causal=%d: largest error %.3g: %s\n", entry->name, d, shape.dtype, shape.causal, worst,
			    right ? "right" : "WRONG");
	}
	for (void *p : memory)
		cudaFree(p);
	return right;
}

} // namespace

int main()
{
	int devices = 0, device = 0, computed = 0;
	cudaStream_t stream = nullptr;
	const cudaError_t e = cudaGetDeviceCount(&devices);
	bool right = true;

	if (e != cudaSuccess || devices == 0) {
		std::printf("no CUDA device: skipped (%s)\n", e != cudaSuccess ? cudaGetErrorName(e) : "none is there");
		return 77;
	}
	if (!good(cudaSetDevice(device), "cudaSetDevice") || !good(cudaFree(nullptr), "cudaFree") ||
	    !good(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"))
		return 1;
	for (int d : { 64, 96, 128, 192, 256 })
		for (int dtype = 1; dtype <= 2; dtype++)
			for (int causal = 0; causal <= 1; causal++) {
				const attn_best_entry *entry = nullptr;
				attn_best_args args = {};

				args.b = args.h = args.hkv = args.sq = args.sk = 1;
				args.d = d;
				args.dtype = dtype;
				args.causal = causal;
				if (attn_best_plan(&args, device, &entry) != CUDA_SUCCESS)
					continue;
				computed++;
				right = compute(args, device, stream) && right;
			}
	cudaStreamDestroy(stream);
	if (!computed) {
		std::printf("no entry runs on this device: skipped\n");
		return 77;
	}
	return right ? 0 : 1;
}
