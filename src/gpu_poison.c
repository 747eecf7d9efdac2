/* gpu_poison: fills the shared memory of every SM, so that a kernel which reads what it never wrote does not find the zeros,
 * or its own last results, that happen to be there. The kernel is PTX text; where the driver cannot compile it, nothing is
 * filled. Not for timing. */
#include "gpu_driver.h"

#include <stdlib.h>

/* Every thread stores `value` to each 4 * ntid-th word of `bytes` of dynamic shared memory. */
static const char poison_ptx[] =
	".version 6.0\n"
	".target sm_70\n"
	".address_size 64\n"
	".extern .shared .align 16 .b8 all[];\n"
	".visible .entry attune_poison(.param .u32 bytes, .param .u32 value)\n"
	"{\n"
	"	.reg .pred %past;\n"
	"	.reg .u32 %at, %end, %value, %address, %step;\n"
	"	ld.param.u32 %end, [bytes];\n"
	"	ld.param.u32 %value, [value];\n"
	"	mov.u32 %at, %tid.x;\n"
	"	mov.u32 %step, %ntid.x;\n"
	"	shl.b32 %at, %at, 2;\n"
	"	shl.b32 %step, %step, 2;\n"
	"next:\n"
	"	setp.ge.u32 %past, %at, %end;\n"
	"	@%past bra done;\n"
	"	mov.u32 %address, all;\n"
	"	add.u32 %address, %address, %at;\n"
	"	st.volatile.shared.u32 [%address], %value;\n"
	"	add.u32 %at, %at, %step;\n"
	"	bra next;\n"
	"done:\n"
	"	ret;\n"
	"}\n";

struct gpu_poison {
	CUfunction function; /* NULL: it could not be made */
	unsigned bytes, sms;
};

static int number(const struct gpu *g, CUdevice_attribute a)
{
	int v = 0;

	return g->d.device_attribute(&v, a, g->device) == CUDA_SUCCESS ? v : 0;
}

static struct gpu_poison *make(struct gpu *g)
{
	struct gpu_poison *p = calloc(1, sizeof *p);
	CUmodule module;

	if (!p)
		abort();
	p->bytes = (unsigned)number(g, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
	p->sms = (unsigned)number(g, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
	if (!p->bytes || !p->sms || g->d.module_load(&module, poison_ptx, 0, NULL, NULL) != CUDA_SUCCESS)
		return p;
	if (g->d.module_function(&p->function, module, "attune_poison") != CUDA_SUCCESS ||
	    g->d.function_set(p->function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)p->bytes) != CUDA_SUCCESS)
		p->function = NULL;
	return p;
}

int gpu_poison_shared(struct gpu *g, uint8_t fill, struct err *e)
{
	uint32_t value = 0x01010101u * fill;
	CUlaunchConfig config = { .gridDimY = 1, .gridDimZ = 1, .blockDimX = 1024, .blockDimY = 1, .blockDimZ = 1 };
	void *params[2];

	if (!g->poison)
		g->poison = make(g);
	if (!g->poison->function)
		return 0;
	/* A CTA takes the whole of an SM's, so each SM gets one at a time; twice as many as there are leave none out. */
	config.gridDimX = 2 * g->poison->sms;
	config.sharedMemBytes = g->poison->bytes;
	config.hStream = g->stream;
	params[0] = &g->poison->bytes;
	params[1] = &value;
	return gpu_check(g, g->d.launch(&config, g->poison->function, params, NULL), GPU_FAULT, e, "filling shared memory");
}
