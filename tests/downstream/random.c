/* random: problems drawn at random (argv[1]: how many, 200; argv[2]: the seed), each served by the entry that attn_best_plan
 * picks, against double precision. Sizes, head groups, dtype, mask, head dimension and layout are drawn; what no entry of the
 * header serves is drawn again. Exit status: 0 all right, 1 wrong or failed, 77 no device that can run it. */
#include "problem.h"

static int draw(unsigned long long *state, int least, int most)
{
	return least + (int)(reference_random(state) % (unsigned int)(most - least + 1));
}

/* Lengths of every magnitude: 1 to 2048, small ones as often as large ones. */
static int draw_length(unsigned long long *state)
{
	int magnitude = draw(state, 0, 10);

	return draw(state, 1 << magnitude, 2 << magnitude);
}

static struct reference_call draw_call(unsigned long long *state, int *b)
{
	static const int dims[] = { 64, 96, 128, 192, 256 };
	struct reference_call c;
	int group = 1 << draw(state, 0, 3);

	c.hkv = draw(state, 1, 4);
	c.h = c.hkv * group;
	c.sq = draw(state, 0, 3) ? draw_length(state) : 1;
	c.sk = draw_length(state);
	c.d = dims[draw(state, 0, 4)];
	c.bf16 = draw(state, 0, 1);
	c.causal = draw(state, 0, 1);
	*b = draw(state, 1, 3);
	return c;
}

/* Whether any entry serves such calls; asked with the smallest sizes. */
static int served(const struct reference_call *c, CUdevice device)
{
	const struct attn_best_entry *entry;
	struct attn_best_args args;

	memset(&args, 0, sizeof args);
	args.b = args.h = args.hkv = args.sq = args.sk = 1;
	args.d = c->d;
	args.dtype = c->bf16 ? 2 : 1;
	args.causal = c->causal;
	return attn_best_plan(&args, device, &entry) == CUDA_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct attn_best kernels[ATTN_BEST_ENTRIES];
	int count = argc > 1 ? atoi(argv[1]) : 200, used[ATTN_BEST_ENTRIES] = { 0 }, done, wrong = 0, b, i, tries = 0;
	unsigned long long random = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	CUcontext context = NULL;
	CUstream stream = NULL;
	CUdevice device;
	double most = 0;
	CUresult r = cuInit(0);

	if (r == CUDA_SUCCESS)
		r = cuDeviceGet(&device, 0);
	if (r != CUDA_SUCCESS)
		return problem_no_device(r);
	if (problem_check(cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain") < 0 ||
	    problem_check(cuCtxSetCurrent(context), "cuCtxSetCurrent") < 0 ||
	    problem_check(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate") < 0)
		return 1;
	for (done = 0; done < count;) {
		struct reference_call c = draw_call(&random, &b);
		CUdeviceptr workspace = 0;
		struct attn_best *kernel;
		struct problem p;
		double error = HUGE_VAL;

		if (!served(&c, device)) {
			if (done == 0 && ++tries > 1000) {
				printf("no entry runs on this device: skipped\n");
				return PROBLEM_SKIPPED;
			}
			continue;
		}
		done++;
		if (problem_open(&p, c, b, draw(&random, 0, 1), &random) < 0)
			return 1;
		kernel = problem_kernel(&p, device, kernels);
		if (kernel) {
			size_t bytes = attn_best_entry_workspace_bytes(kernel->entry, &p.args);

			used[kernel->entry->index]++;
			if (bytes == 0 || problem_check(cuMemAlloc(&workspace, bytes), "cuMemAlloc") == 0)
				error = problem_run(&p, kernel, workspace, stream) == 0 ? problem_error(&p) : HUGE_VAL;
		}
		if (!(error <= 1)) {
			problem_print(&p);
			printf(": %.3g times the error that rounding allows, by %s: WRONG\n", error,
			       kernel ? kernel->entry->name : "no entry");
			wrong++;
		}
		most = error > most ? error : most;
		if (workspace)
			(void)cuMemFree(workspace);
		problem_close(&p);
	}
	for (i = 0; i < (int)ATTN_BEST_ENTRIES; i++) {
		if (used[i])
			printf("%s: %d problems\n", attn_best_entries[i].name, used[i]);
		wrong += problem_check(attn_best_unload(&kernels[i]), "attn_best_unload") < 0;
	}
	printf("%d random problems, %d wrong; at most %.2f of the error that rounding allows\n", count, wrong, most);
	(void)cuStreamDestroy(stream);
	(void)cuDevicePrimaryCtxRelease(device);
	return wrong != 0;
}
