/* gpu_sum: keyed sums of memory on the device, so that what thousands of calls left behind is compared for the price of
 * reading it once. Each 8-byte word is mixed with its place and a key that nothing on the device knows before, and the
 * mixed words are added up, in any order. The kernel is PTX text; it is used only after it has agreed with the same sum made
 * here. Where it cannot be made, there are no sums. Its loads are plain: hinted to evict first, they left what calls had
 * read often in the L2, and the seven calls of attn's `scalar` that followed took 242 us each instead of 277 (H200). */
#include "gpu_driver.h"

#include <stdlib.h>
#include <string.h>

/* sums[ctaid.y] += the sum of `words` words from at + ctaid.y * stride. */
static const char sum_ptx[] =
	".version 6.0\n"
	".target sm_70\n"
	".address_size 64\n"
	".visible .entry attune_sum(.param .u64 at, .param .u64 stride, .param .u64 words, .param .u64 key, .param .u64 sums)\n"
	"{\n"
	"	.reg .pred %past, %more, %first;\n"
	"	.reg .u32 %row32, %thread, %threads, %ctas, %low, %high, %low2, %high2, %delta, %lane;\n"
	"	.reg .u64 %at, %stride, %words, %key, %sums, %i, %step, %x, %y, %sum, %place, %row;\n"
	"	ld.param.u64 %at, [at];\n"
	"	ld.param.u64 %stride, [stride];\n"
	"	ld.param.u64 %words, [words];\n"
	"	ld.param.u64 %key, [key];\n"
	"	ld.param.u64 %sums, [sums];\n"
	"	mov.u32 %row32, %ctaid.y;\n"
	"	cvt.u64.u32 %row, %row32;\n"
	"	mad.lo.u64 %at, %row, %stride, %at;\n"
	"	shl.b64 %place, %row, 3;\n"
	"	add.u64 %sums, %sums, %place;\n"
	"	mov.u32 %ctas, %ctaid.x;\n"
	"	mov.u32 %threads, %ntid.x;\n"
	"	mov.u32 %thread, %tid.x;\n"
	"	mad.lo.u32 %thread, %ctas, %threads, %thread;\n"
	"	cvt.u64.u32 %i, %thread;\n"
	"	mov.u32 %ctas, %nctaid.x;\n"
	"	mul.lo.u32 %threads, %threads, %ctas;\n"
	"	cvt.u64.u32 %step, %threads;\n"
	"	mov.u64 %sum, 0;\n"
	"next:\n"
	"	setp.ge.u64 %past, %i, %words;\n"
	"	@%past bra done;\n"
	"	shl.b64 %place, %i, 3;\n"
	"	add.u64 %place, %at, %place;\n"
	"	ld.global.u64 %x, [%place];\n"
	"	add.u64 %x, %x, %key;\n"
	"	mul.lo.u64 %y, %i, 0x9e3779b97f4a7c15;\n"
	"	add.u64 %x, %x, %y;\n"
	"	shr.u64 %y, %x, 32;\n"
	"	xor.b64 %x, %x, %y;\n"
	"	mul.lo.u64 %x, %x, 0xd6e8feb86659fd93;\n"
	"	shr.u64 %y, %x, 32;\n"
	"	xor.b64 %x, %x, %y;\n"
	"	mul.lo.u64 %x, %x, 0xd6e8feb86659fd93;\n"
	"	shr.u64 %y, %x, 32;\n"
	"	xor.b64 %x, %x, %y;\n"
	"	add.u64 %sum, %sum, %x;\n"
	"	add.u64 %i, %i, %step;\n"
	"	bra next;\n"
	"done:\n"
	"	mov.u32 %delta, 16;\n"
	"fold:\n"
	"	mov.b64 {%low, %high}, %sum;\n"
	"	shfl.sync.bfly.b32 %low2, %low, %delta, 31, 0xffffffff;\n"
	"	shfl.sync.bfly.b32 %high2, %high, %delta, 31, 0xffffffff;\n"
	"	mov.b64 %x, {%low2, %high2};\n"
	"	add.u64 %sum, %sum, %x;\n"
	"	shr.u32 %delta, %delta, 1;\n"
	"	setp.ne.u32 %more, %delta, 0;\n"
	"	@%more bra fold;\n"
	"	mov.u32 %lane, %laneid;\n"
	"	setp.eq.u32 %first, %lane, 0;\n"
	"	@%first red.global.add.u64 [%sums], %sum;\n"
	"	ret;\n"
	"}\n";

/* CTAS: of all ranges together, so that one long range is not left to a part of the device. */
enum { THREADS = 256, WORDS_A_THREAD = 16, ROWS_MAX = 65535, CTAS_MAX = 64, CTAS = 1024 };

struct gpu_sum {
	CUfunction function; /* NULL: there are no sums */
	bool tried;
};

uint64_t gpu_sum_host(const void *data, size_t bytes, uint64_t key)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < bytes / 8; i++) {
		uint64_t x;

		memcpy(&x, (const char *)data + 8 * i, 8);
		x += key + i * 0x9e3779b97f4a7c15;
		x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
		x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
		sum += x ^ x >> 32;
	}
	return sum;
}

static int launch(struct gpu *g, uint64_t at, uint64_t stride, long count, size_t bytes, uint64_t key, uint64_t sums,
		  struct err *e)
{
	uint64_t words = bytes / 8;
	const uint64_t ctas = (words + THREADS * WORDS_A_THREAD - 1) / (THREADS * WORDS_A_THREAD);
	const uint64_t most = CTAS / (uint64_t)count > CTAS_MAX ? CTAS / (uint64_t)count : CTAS_MAX;
	void *params[] = { &at, &stride, &words, &key, &sums };
	CUlaunchConfig config = { .gridDimX = (unsigned)(ctas > most ? most : ctas ? ctas : 1),
				  .gridDimY = (unsigned)count, .gridDimZ = 1, .blockDimX = THREADS, .blockDimY = 1,
				  .blockDimZ = 1, .hStream = g->stream };

	return gpu_check(g, g->d.launch(&config, g->sum->function, params, NULL), GPU_FAULT, e, "summing memory");
}

/* Two ranges of a length that fills neither a CTA nor a warp, a stride apart that is not the length. */
static bool agrees(struct gpu *g)
{
	enum { BYTES = 8 * (3 * THREADS * WORDS_A_THREAD + 77), STRIDE = BYTES + 256, KEY = 12345 };
	unsigned char *data = malloc(STRIDE + BYTES);
	uint64_t at = 0, got[2] = { 0, 0 };
	struct err e = { 0 };
	bool same = false;

	if (!data)
		abort();
	for (size_t i = 0; i < STRIDE + BYTES; i++)
		data[i] = (unsigned char)(i * 167 + (i >> 8) * 13);
	if (gpu_alloc(g, &at, STRIDE + BYTES + sizeof got, &e) == 0 && gpu_upload(g, at, data, STRIDE + BYTES, &e) == 0 &&
	    gpu_fill(g, at + STRIDE + BYTES, 0, sizeof got, &e) == 0 &&
	    launch(g, at, STRIDE, 2, BYTES, KEY, at + STRIDE + BYTES, &e) == 0 &&
	    gpu_download(g, got, at + STRIDE + BYTES, sizeof got, &e) == 0)
		same = got[0] == gpu_sum_host(data, BYTES, KEY) && got[1] == gpu_sum_host(data + STRIDE, BYTES, KEY);
	gpu_release(g, &at);
	free(data);
	return same;
}

bool gpu_can_sum(struct gpu *g)
{
	CUmodule module;

	if (!g->sum && !(g->sum = calloc(1, sizeof *g->sum)))
		abort();
	if (g->sum->tried)
		return g->sum->function != NULL;
	g->sum->tried = true;
	if (g->d.module_load(&module, sum_ptx, 0, NULL, NULL) != CUDA_SUCCESS)
		return false;
	if (g->d.module_function(&g->sum->function, module, "attune_sum") != CUDA_SUCCESS || !agrees(g))
		g->sum->function = NULL;
	return g->sum->function != NULL;
}

int gpu_sum(struct gpu *g, uint64_t at, size_t stride, long count, size_t bytes, uint64_t key, uint64_t sums, struct err *e)
{
	int rc = gpu_fill(g, sums, 0, (size_t)count * 8, e);

	for (long done = 0; rc == 0 && done < count; done += ROWS_MAX) {
		const long rows = count - done < ROWS_MAX ? count - done : ROWS_MAX;

		rc = launch(g, at + (uint64_t)done * stride, stride, rows, bytes, key, sums + 8 * (uint64_t)done, e);
	}
	return rc;
}
