/* emulate: the emulator as its driver sees it: a lifted source compiled and loaded, a launch, memory that kernels may touch.
 * What goes wrong in a kernel is told to the report function, which does not return. */
#ifndef EMULATE_EMULATE_H
#define EMULATE_EMULATE_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct emu_launch {
	const char *entry;
	unsigned grid[3], block[3], cluster[3], smem;
	int arg_count;
	void **args;
	size_t *arg_bytes;
};

/* The fields of cuTensorMapEncodeTiled that an emulated copy heeds. */
struct emu_tensormap {
	char *at;
	int rank, element_bytes, swizzle_bytes; /* 0: none, else 32, 64, 128 */
	uint64_t dims[5], strides[5];           /* strides in bytes; [0] is unused */
	uint32_t box[5], element_strides[5];
	int oob_nan;
};

struct emu_module;

/* Compiles flat CUDA source to a shared object in folder `work` (kept, by content) and loads it. `share` is the folder with
 * kernel.h. Returns 0, or -1 and why. */
int emu_module_open(struct emu_module **out, const char *source, const char *work, const char *share, char *why, size_t size);
void emu_module_close(struct emu_module *module);

/* Ranges that kernels may read and write; those from tensor maps are checked against them too. */
void emu_memory_add(void *p, size_t bytes);
void emu_memory_forget(void);

/* Runs one launch to its end; the seed chooses who runs when. Returns 0, or -1 and why it cannot begin. */
int emu_run(struct emu_module *module, const struct emu_launch *launch, uint64_t seed, char *why, size_t size);

/* `text` says what happened and where. */
void emu_on_failure(void (*report)(const char *text));

#ifdef __cplusplus
}
#endif
#endif
