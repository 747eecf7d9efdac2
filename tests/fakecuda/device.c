/* device: initialisation, the one device, its context, names of errors. */
#include "fakecuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fake *fake_state(void)
{
	static struct fake state;

	return &state;
}

CUresult fake_enter(void)
{
	const struct fake *s = fake_state();

	if (!s->ready)
		return CUDA_ERROR_NOT_INITIALIZED;
	return s->sticky;
}

CUresult fake_wait(void)
{
	while (fake_state()->hung)
		pause();
	return fake_enter();
}

bool fake_broken(void)
{
	const char *file = getenv("FAKECUDA_BROKEN");

	return file && access(file, F_OK) == 0;
}

static int setting(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text && *text ? atoi(text) : otherwise;
}

CUresult CUDAAPI cuInit(unsigned int flags)
{
	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (setting("FAKECUDA_INIT", 0))
		return (CUresult)setting("FAKECUDA_INIT", 0);
	if (setting("FAKECUDA_DEVICES", 1) < 1)
		return CUDA_ERROR_NO_DEVICE;
	fake_state()->ready = true;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDriverGetVersion(int *version)
{
	*version = 13000;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetCount(int *count)
{
	*count = setting("FAKECUDA_DEVICES", 1);
	return fake_enter();
}

CUresult CUDAAPI cuDeviceGet(CUdevice *device, int ordinal)
{
	*device = ordinal;
	return ordinal >= 0 && ordinal < setting("FAKECUDA_DEVICES", 1) ? fake_enter() : CUDA_ERROR_INVALID_DEVICE;
}

CUresult CUDAAPI cuDeviceGetName(char *name, int len, CUdevice device)
{
	(void)device;
	if (len < 1)
		return CUDA_ERROR_INVALID_VALUE;
	snprintf(name, (size_t)len, "%s", FAKE_NAME);
	return fake_enter();
}

CUresult CUDAAPI cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
	memset(uuid, 0, sizeof(*uuid));
	memcpy(uuid->bytes, "stand-in", 8);
	uuid->bytes[15] = (char)device;
	return fake_enter();
}

CUresult CUDAAPI cuDeviceGetPCIBusId(char *id, int len, CUdevice device)
{
	if (len < 13)
		return CUDA_ERROR_INVALID_VALUE;
	snprintf(id, (size_t)len, "0000:00:%02x.0", (unsigned)device & 0xff);
	return fake_enter();
}

CUresult CUDAAPI cuDeviceTotalMem(size_t *bytes, CUdevice device)
{
	(void)device;
	*bytes = (size_t)1 << 30;
	return fake_enter();
}

CUresult CUDAAPI cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device)
{
	const char *cc = getenv("FAKECUDA_CC");

	(void)device;
	switch ((int)attribute) {
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
		*value = cc && *cc ? atoi(cc) : 9;
		break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
		*value = cc && strchr(cc, '.') ? atoi(strchr(cc, '.') + 1) : 0;
		break;
	case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
		*value = 4;
		break;
	case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
		*value = FAKE_L2_BYTES;
		break;
	case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
		*value = FAKE_SMEM_DEFAULT;
		break;
	case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
		*value = FAKE_SMEM_MAX;
		break;
	case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
		*value = 233472;
		break;
	case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR:
	case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
		*value = 65536;
		break;
	case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
		*value = 2048;
		break;
	case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
		*value = 1024;
		break;
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR:
	case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
		*value = 32;
		break;
	case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
		*value = 1000000;
		break;
	case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
		*value = 50000; /* 3.2 GB/s: the tests' problem cannot take less than 3.84 us */
		break;
	case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
		*value = 256;
		break;
	case CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH:
	case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
	case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
		*value = 1;
		break;
	default:
		*value = 0;
	}
	return fake_enter();
}

CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
	*context = (CUcontext)fake_state();
	(void)device;
	return fake_enter();
}

CUresult CUDAAPI cuCtxSetCurrent(CUcontext context)
{
	return context == (CUcontext)fake_state() ? fake_enter() : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuCtxSynchronize(void)
{
	return fake_wait();
}

CUresult CUDAAPI cuCtxResetPersistingL2Cache(void)
{
	return fake_enter();
}

CUresult CUDAAPI cuGetErrorName(CUresult error, const char **text)
{
#define NAMED(name) { name, #name }
	static const struct {
		CUresult error;
		const char *name;
	} names[] = {
		NAMED(CUDA_SUCCESS),
		NAMED(CUDA_ERROR_INVALID_VALUE),
		NAMED(CUDA_ERROR_OUT_OF_MEMORY),
		NAMED(CUDA_ERROR_NOT_INITIALIZED),
		NAMED(CUDA_ERROR_NO_DEVICE),
		NAMED(CUDA_ERROR_INVALID_DEVICE),
		NAMED(CUDA_ERROR_INVALID_IMAGE),
		NAMED(CUDA_ERROR_NO_BINARY_FOR_GPU),
		NAMED(CUDA_ERROR_INVALID_HANDLE),
		NAMED(CUDA_ERROR_NOT_FOUND),
		NAMED(CUDA_ERROR_NOT_READY),
		NAMED(CUDA_ERROR_ILLEGAL_ADDRESS),
		NAMED(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES),
		NAMED(CUDA_ERROR_LAUNCH_FAILED),
		NAMED(CUDA_ERROR_NOT_SUPPORTED),
	};
#undef NAMED

	*text = "CUDA_ERROR_UNKNOWN";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].error == error)
			*text = names[i].name;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGetErrorString(CUresult error, const char **text)
{
	if (error == CUDA_ERROR_ILLEGAL_ADDRESS)
		*text = "an illegal memory access was encountered";
	else if (error == CUDA_ERROR_LAUNCH_FAILED)
		*text = "unspecified launch failure";
	else
		return cuGetErrorName(error, text);
	return CUDA_SUCCESS;
}
