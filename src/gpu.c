/* gpu: opens libcuda.so.1 by dlopen, describes the device, moves bytes and keeps time stamps. Images, launches and
 * graphs are in gpu_call.c and gpu_graph.c. An error keeps the driver's own name for it. */
#include "gpu_driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/hash.h"

const char *gpu_verdict(int code)
{
	return code == GPU_LOAD ? "load" : code == GPU_LAUNCH ? "launch" : code == GPU_FAULT ? "fault" : "error";
}

static int classify(CUresult r, int otherwise)
{
	switch ((int)r) {
	case CUDA_ERROR_ILLEGAL_ADDRESS:
	case CUDA_ERROR_LAUNCH_TIMEOUT:
	case CUDA_ERROR_ASSERT:
	case CUDA_ERROR_HARDWARE_STACK_ERROR:
	case CUDA_ERROR_ILLEGAL_INSTRUCTION:
	case CUDA_ERROR_MISALIGNED_ADDRESS:
	case CUDA_ERROR_INVALID_ADDRESS_SPACE:
	case CUDA_ERROR_INVALID_PC:
	case CUDA_ERROR_LAUNCH_FAILED:
	case CUDA_ERROR_ECC_UNCORRECTABLE:
	case CUDA_ERROR_UNKNOWN:
		return GPU_FAULT;
	case CUDA_ERROR_INVALID_IMAGE:
	case CUDA_ERROR_NO_BINARY_FOR_GPU:
	case CUDA_ERROR_INVALID_PTX:
	case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
	case CUDA_ERROR_JIT_COMPILER_NOT_FOUND:
	case CUDA_ERROR_INVALID_SOURCE:
		return GPU_LOAD;
	case CUDA_ERROR_OUT_OF_MEMORY:
		return GPU_MEMORY;
	default:
		return otherwise;
	}
}

int gpu_check(const struct gpu *g, CUresult r, int otherwise, struct err *e, const char *what)
{
	const char *name = NULL, *text = NULL;

	if (r == CUDA_SUCCESS)
		return 0;
	g->d.error_name(r, &name);
	g->d.error_string(r, &text);
	return err_set_code(e, classify(r, otherwise), "%s: %s (%s)", what, name ? name : "unknown error",
			    text ? text : "no text");
}

static int load_driver(struct gpu_driver *d, struct err *e)
{
	void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return err_set(e, "%s", dlerror());
#define GPU_LOOKUP(member, declaration, symbol, needed) \
	*(void **)&d->member = dlsym(lib, symbol); \
	if (!d->member && needed) \
		return err_set(e, "libcuda.so.1 has no %s: the driver is too old", symbol);
	GPU_FUNCTIONS(GPU_LOOKUP)
#undef GPU_LOOKUP
	*(void **)&d->param_info = dlsym(lib, "cuFuncGetParamInfo");
	return 0;
}

int gpu_open(struct gpu **out, int device, struct err *e)
{
	struct gpu *g = calloc(1, sizeof *g);
	int count = 0, rc = -1;

	if (!g)
		abort();
	if (load_driver(&g->d, e) < 0 || gpu_check(g, g->d.init(0), ERR_FAIL, e, "cuInit") < 0 ||
	    gpu_check(g, g->d.device_count(&count), ERR_FAIL, e, "cuDeviceGetCount") < 0)
		goto out;
	if (device < 0 || device >= count) {
		err_set(e, count ? "no device %d: there are %d" : "no device %d: the driver sees none", device, count);
		goto out;
	}
	if (gpu_check(g, g->d.device_get(&g->device, device), ERR_FAIL, e, "cuDeviceGet") < 0 ||
	    gpu_check(g, g->d.context_retain(&g->context, g->device), ERR_FAIL, e, "cuDevicePrimaryCtxRetain") < 0 ||
	    gpu_check(g, g->d.context_set(g->context), ERR_FAIL, e, "cuCtxSetCurrent") < 0 ||
	    gpu_check(g, g->d.stream_create(&g->stream, CU_STREAM_NON_BLOCKING), ERR_FAIL, e, "cuStreamCreate") < 0)
		goto out;
	if (g->d.device_bus_id)
		g->d.device_bus_id(g->bus_id, (int)sizeof g->bus_id, g->device);
	*out = g;
	g = NULL;
	rc = 0;
out:
	free(g);
	return rc;
}

static int attribute(const struct gpu *g, CUdevice_attribute a)
{
	int v = 0;

	return g->d.device_attribute(&v, a, g->device) == CUDA_SUCCESS ? v : 0;
}

/* The architecture suffix: machine code with family features exists from 9.0 on, and that is what a tuner wants. */
static void arch_name(char *text, size_t size, int major, int minor)
{
	snprintf(text, size, "sm_%d%d%s", major, minor, major >= 9 ? "a" : "");
}

/* The driver's release ("580.159.04") is known to the kernel module, not to the driver API. */
static void driver_release(char *text, size_t size)
{
	static const char *const files[] = { "/sys/module/nvidia/version", "/proc/driver/nvidia/version" };
	char line[256], *save = NULL;

	text[0] = '\0';
	for (size_t i = 0; !text[0] && i < sizeof files / sizeof *files; i++) {
		FILE *f = fopen(files[i], "r");

		if (!f)
			continue;
		if (!fgets(line, sizeof line, f))
			line[0] = '\0';
		fclose(f);
		/* The first word that looks like a version. */
		for (char *w = strtok_r(line, " \t\n", &save); w && !text[0]; w = strtok_r(NULL, " \t\n", &save))
			if (w[0] >= '0' && w[0] <= '9' && strchr(w, '.'))
				snprintf(text, size, "%s", w);
	}
}

json_t *gpu_describe(const struct gpu *g)
{
	char name[128] = "", arch[16], driver[64], cuda[32], uuid_hash[HASH_HEX] = "";
	const int major = attribute(g, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
	const int minor = attribute(g, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
	size_t memory = 0;
	int version = 0;
	CUuuid uuid;

	g->d.device_name(name, (int)sizeof name, g->device);
	g->d.device_memory(&memory, g->device);
	g->d.driver_version(&version);
	if (g->d.device_uuid && g->d.device_uuid(&uuid, g->device) == CUDA_SUCCESS) {
		hash_bytes(uuid_hash, &uuid, sizeof uuid);
		uuid_hash[16] = '\0';
	}
	arch_name(arch, sizeof arch, major, minor);
	driver_release(driver, sizeof driver);
	snprintf(cuda, sizeof cuda, "%d.%d", version / 1000, version % 1000 / 10);
	return json_pack("{s:s, s:s, s:[i,i], s:i, s:i, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:s}",
			 "name", name, "arch", arch, "cc", major, minor,
			 "sms", attribute(g, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
			 "l2_bytes", attribute(g, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE), "memory_bytes", (json_int_t)memory,
			 "smem_block_bytes", attribute(g, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
			 "smem_sm_bytes", attribute(g, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR),
			 "regs_sm", attribute(g, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR),
			 "threads_sm", attribute(g, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR),
			 "blocks_sm", attribute(g, CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR),
			 "clock_mhz", attribute(g, CU_DEVICE_ATTRIBUTE_CLOCK_RATE) / 1000,
			 "mem_clock_mhz", attribute(g, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE) / 1000,
			 "bus_bits", attribute(g, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH), "driver", driver,
			 "cuda", cuda, "uuid_hash", uuid_hash);
}

const char *gpu_bus_id(const struct gpu *g)
{
	return g->bus_id;
}

size_t gpu_l2_bytes(const struct gpu *g)
{
	return (size_t)attribute(g, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
}

int gpu_free_bytes(struct gpu *g, size_t *bytes, struct err *e)
{
	size_t total;

	return gpu_check(g, g->d.memory_info(bytes, &total), ERR_FAIL, e, "cuMemGetInfo");
}

int gpu_alloc(struct gpu *g, uint64_t *at, size_t bytes, struct err *e)
{
	CUdeviceptr p = 0;

	*at = 0;
	if (gpu_check(g, g->d.memory_alloc(&p, bytes ? bytes : 1), ERR_FAIL, e, "cuMemAlloc") < 0)
		return err_where(e, "%zu bytes on the device", bytes);
	*at = p;
	return 0;
}

void gpu_release(struct gpu *g, uint64_t *at)
{
	if (*at)
		g->d.memory_free((CUdeviceptr)*at);
	*at = 0;
}

int gpu_upload(struct gpu *g, uint64_t to, const void *from, size_t bytes, struct err *e)
{
	if (gpu_staged(g, bytes))
		return gpu_check(g, gpu_stage_upload(g, to, from, bytes), GPU_FAULT, e, "upload");
	return bytes ? gpu_check(g, g->d.upload(to, from, bytes, g->stream), GPU_FAULT, e, "upload") : 0;
}

int gpu_download(struct gpu *g, void *to, uint64_t from, size_t bytes, struct err *e)
{
	const CUresult r = gpu_staged(g, bytes) ? gpu_stage_download(g, to, from, bytes) :
			   bytes ? g->d.download(to, from, bytes, g->stream) : CUDA_SUCCESS;

	/* Work before it on the stream reports its faults here. */
	return gpu_check(g, r ? r : g->d.stream_sync(g->stream), GPU_FAULT, e, "download");
}

int gpu_copy(struct gpu *g, uint64_t to, uint64_t from, size_t bytes, struct err *e)
{
	return bytes ? gpu_check(g, g->d.copy(to, from, bytes, g->stream), GPU_FAULT, e, "copy") : 0;
}

int gpu_fill(struct gpu *g, uint64_t to, uint8_t value, size_t bytes, struct err *e)
{
	return bytes ? gpu_check(g, g->d.fill(to, value, bytes, g->stream), GPU_FAULT, e, "fill") : 0;
}

int gpu_sync(struct gpu *g, struct err *e)
{
	return gpu_check(g, g->d.context_sync(), GPU_FAULT, e, "after the call");
}

void gpu_reset_l2(struct gpu *g)
{
	if (g->d.reset_persisting)
		g->d.reset_persisting();
}
