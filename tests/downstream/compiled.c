/* compiled: attn_best.cu as a user's own build compiled it (argv[1]: a cubin or fatbin), launched with the geometry of
 * attn_best.h, and the same call with the header's machine code: both must be right, and equal bit for bit when the builds
 * are the same. Exit status: 0 right, 1 wrong or failed, 77 no device that can run it. */
#include "problem.h"

static int read_file(const char *path, unsigned char **data)
{
	FILE *f = fopen(path, "rb");
	long n = -1;

	*data = NULL;
	if (f && fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) > 0 && fseek(f, 0, SEEK_SET) == 0) {
		*data = (unsigned char *)calloc((size_t)n + 1, 1);
		if (*data && fread(*data, 1, (size_t)n, f) != (size_t)n)
			n = -1;
	}
	if (f)
		(void)fclose(f);
	return *data && n > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	static const struct reference_call shape = { 4, 2, 100, 200, ATTN_BEST_PROBLEM_D, 0, ATTN_BEST_PROBLEM_CAUSAL };
	struct reference_call c = shape;
	struct attn_best kernels[2];
	struct problem p;
	CUcontext context = NULL;
	CUstream stream = NULL;
	CUdevice device;
	unsigned long long random = 3;
	unsigned char *image = NULL;
	const struct attn_best_entry *entry = &attn_best_entries[0], *other = NULL;
	CUdeviceptr workspace = 0;
	unsigned short *first = NULL;
	size_t bytes;
	int i, wrong = 0;
	CUresult r;

	if (argc != 2 || read_file(argv[1], &image) < 0) {
		printf("usage: compiled IMAGE: a cubin or fatbin of attn_best.cu\n");
		return 1;
	}
	memset(kernels, 0, sizeof kernels);
	c.bf16 = strcmp(ATTN_BEST_PROBLEM_DTYPE, "bf16") == 0;
	r = cuInit(0);
	if (r == CUDA_SUCCESS)
		r = cuDeviceGet(&device, 0);
	if (r != CUDA_SUCCESS) {
		free(image);
		return problem_no_device(r);
	}
	if (problem_check(cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain") < 0 ||
	    problem_check(cuCtxSetCurrent(context), "cuCtxSetCurrent") < 0 ||
	    problem_check(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate") < 0 ||
	    problem_open(&p, c, 2, 0, &random) < 0)
		return 1;
	r = attn_best_plan(&p.args, device, &other);
	if (r != CUDA_SUCCESS || strcmp(other->arch, entry->arch) != 0) {
		printf("the device is no %s: skipped\n", entry->arch);
		return PROBLEM_SKIPPED;
	}
	bytes = attn_best_entry_workspace_bytes(entry, &p.args);
	if (problem_check(attn_best_load_image(&kernels[0], entry, image), "attn_best_load_image") < 0 ||
	    problem_check(attn_best_load_entry(&kernels[1], entry), "attn_best_load_entry") < 0 ||
	    (bytes && problem_check(cuMemAlloc(&workspace, bytes), "cuMemAlloc") < 0))
		return 1;
	first = (unsigned short *)malloc(p.bytes[3]);
	for (i = 0; i < 2 && first; i++) {
		double error = problem_run(&p, &kernels[i], workspace, stream) == 0 ? problem_error(&p) : HUGE_VAL;

		printf("%s: %.2f of the error that rounding allows: %s\n", i ? "the header's machine code" : "attn_best.cu, compiled here",
		       error, error <= 1 ? "right" : "WRONG");
		wrong += !(error <= 1);
		if (i == 0)
			memcpy(first, p.host[3], p.bytes[3]);
		else
			printf("the two outputs are %s\n", memcmp(first, p.host[3], p.bytes[3]) == 0 ? "equal" : "different");
		wrong += problem_check(attn_best_unload(&kernels[i]), "attn_best_unload") < 0;
	}
	free(first);
	free(image);
	if (workspace)
		(void)cuMemFree(workspace);
	problem_close(&p);
	(void)cuStreamDestroy(stream);
	(void)cuDevicePrimaryCtxRelease(device);
	return wrong != 0;
}
