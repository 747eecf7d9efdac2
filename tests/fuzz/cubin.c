/* Fuzzing of the reader of machine code, of what follows a warp's path through it, and of what is refused by it: the file may
 * be anything. */
#include <stdint.h>

#include "attune/cubin.h"
#include "attune/vet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	json_t *trace = NULL;
	struct buf why;

	cubin_trace(data, len, "mix_product", 1e6, 4, &trace, NULL);
	json_decref(trace);
	cubin_trace(data, len, "mix_scalar", 0, 8, &trace, NULL);
	json_decref(trace);
	buf_init(&why);
	vet_image(data, len, "sm_90a", NULL, NULL, &why);
	buf_clear(&why);
	vet_image(data, len, "compute_90", NULL, NULL, &why);
	buf_free(&why);
	return 0;
}
