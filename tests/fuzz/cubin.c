/* Fuzzing of the reader of machine code, and of what is refused by it: the file may be anything. */
#include <stdint.h>

#include "attune/cubin.h"
#include "attune/vet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf why;

	buf_init(&why);
	vet_image(data, len, "sm_90a", NULL, NULL, &why);
	buf_clear(&why);
	vet_image(data, len, "compute_90", NULL, NULL, &why);
	buf_free(&why);
	return 0;
}
