/* threads: several threads on one device and in two contexts, each launching mixed problems through every entry that the
 * device runs, directly and from captured graphs, every output compared bit for bit with one that double precision has found
 * right. Threads share the loaded kernels; streams, outputs and workspaces are their own.
 * usage: threads [CALLS a thread, 10000] [THREADS, 8]. Exit status: 0 right, 1 wrong or failed, 77 no device. */
#include <pthread.h>

#include "problem.h"

#define CONTEXTS 2
#define PROBLEMS_MAX 60
#define THREADS_MAX 64

struct place { /* one context: its kernels, and its problems with the outputs they must give */
	CUcontext context;
	struct attn_best kernels[ATTN_BEST_ENTRIES];
	struct problem problems[PROBLEMS_MAX];
	int n;
};

struct own { /* what one thread has in one context */
	CUstream stream;
	CUdeviceptr out[PROBLEMS_MAX], workspace;
};

struct worker {
	pthread_t thread;
	struct place *places;
	struct own own[CONTEXTS];
	unsigned short *host;
	unsigned long long random;
	CUdevice device;
	long calls, done;
	size_t workspace_bytes;
	int wrong;
};

/* --- the problems ---------------------------------------------------------------------------------------------------- */

static const int shapes[][6] = { /* b h hkv sq sk bshd */
	{ 2, 4, 2, 65, 130, 0 },
	{ 1, 8, 1, 1, 300, 1 },
	{ 1, 2, 2, 128, 100, 1 },
};

static int add_problem(struct place *place, struct reference_call c, int b, int bshd, CUdevice device, CUstream stream)
{
	struct problem *p = &place->problems[place->n];
	const struct attn_best_entry *entry;
	struct attn_best *kernel;
	struct attn_best_args ask;
	unsigned long long random = 17 + (unsigned long long)place->n;
	CUdeviceptr workspace = 0;
	size_t bytes;
	double error;
	int rc;

	memset(&ask, 0, sizeof ask);
	ask.b = ask.h = ask.hkv = ask.sq = ask.sk = 1;
	ask.d = c.d;
	ask.dtype = c.bf16 ? 2 : 1;
	ask.causal = c.causal;
	if (attn_best_plan(&ask, device, &entry) != CUDA_SUCCESS)
		return 0;
	place->n++;
	if (problem_open(p, c, b, bshd, &random) < 0)
		return -1;
	kernel = problem_kernel(p, device, place->kernels);
	if (!kernel)
		return -1;
	bytes = attn_best_entry_workspace_bytes(kernel->entry, &p->args);
	if (bytes && problem_check(cuMemAlloc(&workspace, bytes), "cuMemAlloc") < 0)
		return -1;
	rc = problem_run(p, kernel, workspace, stream);
	if (workspace)
		(void)cuMemFree(workspace);
	error = rc == 0 ? problem_error(p) : HUGE_VAL;
	if (!(error <= 1)) {
		problem_print(p);
		printf(": %.3g times the error that rounding allows\n", error);
		return -1;
	}
	return 0;
}

static int open_place(struct place *place, CUdevice device)
{
	static const int dims[] = { 64, 96, 128, 192, 256 };
	struct reference_call c;
	CUstream stream;
	size_t i, d;

	if (problem_check(cuCtxSetCurrent(place->context), "cuCtxSetCurrent") < 0 ||
	    problem_check(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate") < 0)
		return -1;
	for (i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		c.h = shapes[i][1];
		c.hkv = shapes[i][2];
		c.sq = shapes[i][3];
		c.sk = shapes[i][4];
		for (d = 0; d < sizeof dims / sizeof *dims; d++)
			for (c.bf16 = 0; c.bf16 <= 1; c.bf16++)
				for (c.causal = 0; c.causal <= 1; c.causal++) {
					c.d = dims[d];
					if (add_problem(place, c, shapes[i][0], shapes[i][5], device, stream) < 0)
						return -1;
				}
	}
	return problem_check(cuStreamDestroy(stream), "cuStreamDestroy");
}

static int close_place(struct place *place)
{
	int i, rc = problem_check(cuCtxSetCurrent(place->context), "cuCtxSetCurrent");

	for (i = 0; i < (int)ATTN_BEST_ENTRIES; i++)
		rc |= problem_check(attn_best_unload(&place->kernels[i]), "attn_best_unload");
	for (i = 0; i < place->n; i++)
		problem_close(&place->problems[i]);
	return rc;
}

/* --- one thread ------------------------------------------------------------------------------------------------------ */

static size_t most_bytes(const struct worker *w, int workspace)
{
	size_t most = 0;
	int i;

	for (i = 0; i < w->places[0].n; i++) {
		size_t n = workspace ? attn_best_workspace_bytes(&w->places[0].problems[i].args) : w->places[0].problems[i].bytes[3];

		most = n > most ? n : most;
	}
	return most;
}

static int open_worker(struct worker *w)
{
	int k, i;

	w->host = (unsigned short *)malloc(most_bytes(w, 0));
	w->workspace_bytes = most_bytes(w, 1);
	if (!w->host)
		return -1;
	for (k = 0; k < CONTEXTS; k++) {
		if (problem_check(cuCtxSetCurrent(w->places[k].context), "cuCtxSetCurrent") < 0 ||
		    problem_check(cuStreamCreate(&w->own[k].stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate") < 0)
			return -1;
		if (w->workspace_bytes && problem_check(cuMemAlloc(&w->own[k].workspace, w->workspace_bytes), "cuMemAlloc") < 0)
			return -1;
		for (i = 0; i < w->places[k].n; i++)
			if (problem_check(cuMemAlloc(&w->own[k].out[i], w->places[k].problems[i].bytes[3]), "cuMemAlloc") < 0)
				return -1;
	}
	return 0;
}

static void close_worker(struct worker *w)
{
	int k, i;

	for (k = 0; k < CONTEXTS; k++) {
		(void)cuCtxSetCurrent(w->places[k].context);
		for (i = 0; i < PROBLEMS_MAX; i++)
			if (w->own[k].out[i])
				(void)cuMemFree(w->own[k].out[i]);
		if (w->own[k].workspace)
			(void)cuMemFree(w->own[k].workspace);
		if (w->own[k].stream)
			(void)cuStreamDestroy(w->own[k].stream);
	}
	free(w->host);
}

static int launch(const struct attn_best *kernel, const struct attn_best_args *args, const struct own *own, int captured)
{
	CUgraph graph = NULL;
	CUgraphExec exec = NULL;
	int rc;

	if (!captured)
		return problem_check(attn_best_launch(kernel, args, own->workspace, own->stream), "attn_best_launch");
	/* Other threads allocate and wait meanwhile: only this thread's own calls may spoil the capture. */
	rc = problem_check(cuStreamBeginCapture(own->stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "cuStreamBeginCapture");
	if (rc == 0)
		rc = problem_check(attn_best_launch(kernel, args, own->workspace, own->stream), "attn_best_launch, captured");
	if (problem_check(cuStreamEndCapture(own->stream, &graph), "cuStreamEndCapture") < 0)
		return -1;
	if (rc == 0)
		rc = problem_check(cuGraphInstantiateWithFlags(&exec, graph, 0), "cuGraphInstantiateWithFlags");
	if (rc == 0)
		rc = problem_check(cuGraphLaunch(exec, own->stream), "cuGraphLaunch");
	if (rc == 0)
		rc = problem_check(cuStreamSynchronize(own->stream), "cuStreamSynchronize");
	if (exec)
		(void)cuGraphExecDestroy(exec);
	(void)cuGraphDestroy(graph);
	return rc;
}

static int call(struct worker *w)
{
	int k = (int)(reference_random(&w->random) % CONTEXTS), captured = reference_random(&w->random) % 16 == 0;
	const struct place *place = &w->places[k];
	const int i = (int)(reference_random(&w->random) % (unsigned int)place->n);
	const struct problem *p = &place->problems[i];
	const struct own *own = &w->own[k];
	const struct attn_best_entry *entry;
	struct attn_best_args args = p->args;

	args.o = own->out[i];
	if (problem_check(cuCtxSetCurrent(place->context), "cuCtxSetCurrent") < 0 ||
	    problem_check(attn_best_plan(&args, w->device, &entry), "attn_best_plan") < 0 ||
	    problem_check(cuMemsetD8Async(args.o, 0xff, p->bytes[3], own->stream), "cuMemsetD8Async") < 0 ||
	    launch(&place->kernels[entry->index], &args, own, captured) < 0 ||
	    problem_check(cuMemcpyDtoHAsync(w->host, args.o, p->bytes[3], own->stream), "cuMemcpyDtoHAsync") < 0 ||
	    problem_check(cuStreamSynchronize(own->stream), "cuStreamSynchronize") < 0)
		return -1;
	if (memcmp(w->host, p->host[3], p->bytes[3]) != 0) {
		problem_print(p);
		printf(", context %d%s: another output than before: WRONG\n", k, captured ? ", captured" : "");
		return -1;
	}
	return 0;
}

static void *work(void *to)
{
	struct worker *w = (struct worker *)to;

	if (open_worker(w) < 0)
		w->wrong++;
	while (!w->wrong && w->done < w->calls) {
		w->wrong += call(w) < 0;
		w->done++;
	}
	close_worker(w);
	return NULL;
}

/* --- all of them ----------------------------------------------------------------------------------------------------- */

static CUresult second_context(CUcontext *context, CUdevice device)
{
#if CUDA_VERSION >= 13000
	return cuCtxCreate(context, NULL, 0, device);
#else
	return cuCtxCreate(context, 0, device);
#endif
}

int main(int argc, char **argv)
{
	static struct place places[CONTEXTS];
	static struct worker workers[THREADS_MAX];
	long calls = argc > 1 ? atol(argv[1]) : 10000, done = 0;
	int threads = argc > 2 ? atoi(argv[2]) : 8, i, wrong = 0, started = 0;
	CUdevice device;
	CUresult r = cuInit(0);

	if (threads < 1 || threads > THREADS_MAX || calls < 1) {
		printf("usage: threads [CALLS] [THREADS]\n");
		return 1;
	}
	if (r == CUDA_SUCCESS)
		r = cuDeviceGet(&device, 0);
	if (r != CUDA_SUCCESS)
		return problem_no_device(r);
	if (problem_check(cuDevicePrimaryCtxRetain(&places[0].context, device), "cuDevicePrimaryCtxRetain") < 0 ||
	    problem_check(second_context(&places[1].context, device), "cuCtxCreate") < 0)
		return 1;
	for (i = 0; i < CONTEXTS; i++)
		wrong += open_place(&places[i], device) < 0;
	for (i = 0; i < threads && !wrong && places[0].n; i++) {
		workers[i].places = places;
		workers[i].random = 1000 + (unsigned long long)i;
		workers[i].device = device;
		workers[i].calls = calls;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			break;
		started++;
	}
	for (i = 0; i < started; i++) {
		(void)pthread_join(workers[i].thread, NULL);
		wrong += workers[i].wrong;
		done += workers[i].done;
	}
	printf("%d of %d threads, %d contexts, %d problems, %ld calls: %s\n", started, threads, CONTEXTS, places[0].n, done,
	       !places[0].n ? "no entry runs on this device: skipped" : wrong || started < threads ? "WRONG" : "all right");
	for (i = 0; i < CONTEXTS; i++)
		wrong += close_place(&places[i]) < 0;
	wrong += problem_check(cuCtxDestroy(places[1].context), "cuCtxDestroy") < 0;
	wrong += problem_check(cuDevicePrimaryCtxRelease(device), "cuDevicePrimaryCtxRelease") < 0;
	return wrong || (places[0].n && started < threads) ? 1 : places[0].n ? 0 : PROBLEM_SKIPPED;
}
