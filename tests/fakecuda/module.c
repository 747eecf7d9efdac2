/* module: images, functions, what a launch must satisfy, and tensor maps.
 * Machine code (a cubin) is taken for an honest image: its entries are looked up by name, and what its calls take is
 * made up from a hash of its bytes. */
#include "fakecuda.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_MAX 256

/* "FAKE:kind us=.. after=.. each=..", up to the end of the line; or the runner's own kernel that sums memory, as PTX. */
static CUresult parse(struct CUmod_st *m, const char *image)
{
	char line[IMAGE_MAX], *word, *rest = line;
	size_t n = strnlen(image, sizeof(line) - 1);

	if (strncmp(image, ".version", 8) == 0 && strstr(image, ".entry " FAKE_SUM "(")) {
		snprintf(m->kind, sizeof(m->kind), "%s", "own");
		m->us = 0;
		return CUDA_SUCCESS;
	}
	if (strncmp(image, "FAKE:", 5) != 0)
		return CUDA_ERROR_INVALID_IMAGE;
	memcpy(line, image, n);
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	word = strsep(&rest, " ");
	snprintf(m->kind, sizeof(m->kind), "%s", word + 5);
	while ((word = strsep(&rest, " "))) {
		if (!strncmp(word, "us=", 3))
			m->us = atof(word + 3);
		else if (!strncmp(word, "after=", 6))
			m->after = atol(word + 6);
		else if (!strncmp(word, "each=", 5))
			m->each = atol(word + 5);
	}
	if (!strcmp(m->kind, "load"))
		return CUDA_ERROR_INVALID_IMAGE;
	return strcmp(m->kind, "foreign") ? CUDA_SUCCESS : CUDA_ERROR_NO_BINARY_FOR_GPU;
}

/* A cubin ends with its section headers or its program headers. */
static CUresult take_machine_code(struct CUmod_st *m, const char *image)
{
	Elf64_Ehdr h;
	size_t sections, segments;
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	memcpy(&h, image, sizeof(h));
	if (h.e_ident[EI_CLASS] != ELFCLASS64)
		return CUDA_ERROR_INVALID_IMAGE;
	sections = h.e_shoff + (size_t)h.e_shnum * h.e_shentsize;
	segments = h.e_phoff + (size_t)h.e_phnum * h.e_phentsize;
	m->code_len = sections > segments ? sections : segments;
	m->code = malloc(m->code_len);
	if (!m->code)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(m->code, image, m->code_len);
	for (size_t i = 0; i < m->code_len; i++)
		hash = (hash ^ (unsigned char)image[i]) * 1099511628211u;
	m->us = 5 + (double)(hash >> 40) / (1 << 24) * 10;
	snprintf(m->kind, sizeof(m->kind), "%s", "right");
	return CUDA_SUCCESS;
}

/* Whether machine code has such an entry: its section .text.NAME is named in it. */
static bool code_has(const struct CUmod_st *m, const char *entry)
{
	char section[128];
	int n = snprintf(section, sizeof(section), ".text.%s", entry);

	return memmem(m->code, m->code_len, section, (size_t)n + 1) != NULL;
}

CUresult CUDAAPI cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int n, CUjit_option *options,
				    void **values)
{
	struct CUmod_st *m = calloc(1, sizeof(*m));
	CUresult r = fake_enter();

	(void)n;
	(void)options;
	(void)values;
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->us = 10;
	if (r == CUDA_SUCCESS)
		r = memcmp(image, ELFMAG, SELFMAG) ? parse(m, image) : take_machine_code(m, image);
	if (r != CUDA_SUCCESS) {
		free(m);
		return r;
	}
	m->reference = m->code ? code_has(m, "blend_reference") : !strcmp(m->kind, "reference");
	*module = m;
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleUnload(CUmodule m)
{
	struct CUfunc_st *f;

	while ((f = m->functions)) {
		m->functions = f->next;
		free(f);
	}
	free(m->saved);
	free(m->code);
	free(m);
	return fake_enter();
}

CUresult CUDAAPI cuModuleGetFunction(CUfunction *function, CUmodule m, const char *name)
{
	const struct fake_kernel *k = fake_kernel_find(name, m->reference, !strcmp(m->kind, "own"));
	struct CUfunc_st *f;

	if (!k || (m->code && !code_has(m, name)))
		return CUDA_ERROR_NOT_FOUND;
	f = calloc(1, sizeof(*f));
	if (!f)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*f = (struct CUfunc_st){ .next = m->functions, .module = m, .kernel = k, .smem_max = FAKE_SMEM_DEFAULT };
	m->functions = f;
	*function = f;
	return fake_enter();
}

CUresult CUDAAPI cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction f)
{
	switch ((int)attribute) {
	case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
		*value = 1024;
		break;
	case CU_FUNC_ATTRIBUTE_NUM_REGS:
		*value = 32;
		break;
	case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
	case CU_FUNC_ATTRIBUTE_PTX_VERSION:
		*value = 90;
		break;
	case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
		*value = (int)f->smem_max;
		break;
	default:
		*value = 0;
	}
	return fake_enter();
}

CUresult CUDAAPI cuFuncSetAttribute(CUfunction f, CUfunction_attribute attribute, int value)
{
	if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
		return fake_enter();
	if (value < 0 || (unsigned)value > FAKE_SMEM_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	f->smem_max = (unsigned)value;
	return fake_enter();
}

/* Parameters lie one after the other, each aligned to its size (a tensor map to 64 bytes). */
static size_t place(const struct fake_kernel *k, int i, size_t *at)
{
	size_t align = k->sizes[i] > 8 ? 64 : k->sizes[i];

	return *at = (*at + align - 1) / align * align;
}

CUresult CUDAAPI cuFuncGetParamInfo(CUfunction f, size_t index, size_t *offset, size_t *size)
{
	size_t at = 0;

	if (index >= (size_t)f->kernel->n)
		return CUDA_ERROR_INVALID_VALUE;
	for (int i = 0; i <= (int)index; i++) {
		*offset = place(f->kernel, i, &at);
		at += f->kernel->sizes[i];
	}
	if (size)
		*size = f->kernel->sizes[index];
	return fake_enter();
}

CUresult CUDAAPI cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction f, int threads, size_t smem)
{
	int by_threads = threads > 0 ? 2048 / threads : 0;
	int by_smem = smem ? (int)(233472 / (smem + 1024)) : 32;

	if (threads < 1 || threads > 1024 || smem > f->smem_max)
		return CUDA_ERROR_INVALID_VALUE;
	*blocks = by_threads < by_smem ? by_threads : by_smem;
	*blocks = *blocks < 32 ? *blocks : 32;
	return fake_enter();
}

CUresult CUDAAPI cuOccupancyMaxActiveClusters(int *clusters, CUfunction f, const CUlaunchConfig *config)
{
	(void)f;
	(void)config;
	*clusters = 4;
	return fake_enter();
}

CUresult fake_prepare(struct fake_launch *l, const CUlaunchConfig *c, CUfunction f, void *const *params)
{
	const unsigned grid[3] = { c->gridDimX, c->gridDimY, c->gridDimZ };
	const unsigned block[3] = { c->blockDimX, c->blockDimY, c->blockDimZ };
	unsigned cluster[3] = { 1, 1, 1 };
	size_t at = 0;

	*l = (struct fake_launch){ .f = f, .grid = { grid[0], grid[1], grid[2] } };
	if (!f)
		return CUDA_ERROR_INVALID_HANDLE;
	for (unsigned i = 0; i < c->numAttrs; i++)
		if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
			memcpy(cluster, &c->attrs[i].value.clusterDim, sizeof(cluster));
	for (int i = 0; i < 3; i++)
		if (!grid[i] || !block[i] || !cluster[i] || grid[i] % cluster[i] || (i > 0 && grid[i] > 65535))
			return CUDA_ERROR_INVALID_VALUE;
	if ((size_t)block[0] * block[1] * block[2] > 1024 || block[2] > 64 || c->sharedMemBytes > f->smem_max ||
	    cluster[0] * cluster[1] * cluster[2] > 8)
		return CUDA_ERROR_INVALID_VALUE;
	if (!strcmp(f->module->kind, "launch"))
		return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
	if (f->kernel->n && !params)
		return CUDA_ERROR_INVALID_VALUE;
	for (int i = 0; i < f->kernel->n; i++) {
		l->at[i] = place(f->kernel, i, &at);
		if (!params[i] || at + f->kernel->sizes[i] > sizeof(l->params))
			return CUDA_ERROR_INVALID_VALUE;
		memcpy(l->params + at, params[i], f->kernel->sizes[i]);
		at += f->kernel->sizes[i];
	}
	return CUDA_SUCCESS;
}

/* A readable map (kernels.c reads it back), after the checks that the driver's documentation lists. */
CUresult CUDAAPI cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *address,
					const cuuint64_t *dims, const cuuint64_t *strides, const cuuint32_t *box,
					const cuuint32_t *element_strides, CUtensorMapInterleave interleave,
					CUtensorMapSwizzle swizzle, CUtensorMapL2promotion l2,
					CUtensorMapFloatOOBfill oob)
{
	size_t bytes = type == CU_TENSOR_MAP_DATA_TYPE_FLOAT32 ? 4 : 2;
	size_t row = box[0] * bytes;

	(void)l2;
	(void)oob;
	if (rank < 1 || rank > 5 || (uintptr_t)address % 16 || interleave != CU_TENSOR_MAP_INTERLEAVE_NONE || row % 16)
		return CUDA_ERROR_INVALID_VALUE;
	if ((swizzle == CU_TENSOR_MAP_SWIZZLE_32B && row > 32) || (swizzle == CU_TENSOR_MAP_SWIZZLE_64B && row > 64) ||
	    (swizzle == CU_TENSOR_MAP_SWIZZLE_128B && row > 128))
		return CUDA_ERROR_INVALID_VALUE;
	for (cuuint32_t i = 0; i < rank; i++)
		if (!dims[i] || !box[i] || box[i] > 256 || !element_strides[i] || element_strides[i] > 8 ||
		    (i > 0 && (strides[i - 1] % 16 || strides[i - 1] >> 40)))
			return CUDA_ERROR_INVALID_VALUE;
	memset(map, 0, sizeof(*map));
	map->opaque[0] = (uintptr_t)address;
	map->opaque[1] = rank;
	for (cuuint32_t i = 0; i < rank; i++) {
		map->opaque[2 + i] = dims[i];
		map->opaque[7 + i] = i > 0 ? strides[i - 1] : bytes;
	}
	return CUDA_SUCCESS;
}
