/* other_file: the second file of a program that includes the header. It checks what can be checked without a device: that
 * calls which must be refused are refused before the driver is asked anything. Returns how many were not. */
#include <string.h>

#include "attn_best.h"
#include "attn_best.h" /* twice in one file does no harm either */

int attn_best_other_file(void);

static int accepted(const struct attn_best *kernel, const struct attn_best_args *args)
{
	return attn_best_launch(kernel, args, 0, NULL) != CUDA_ERROR_INVALID_VALUE;
}

int attn_best_other_file(void)
{
	struct attn_best empty;
	struct attn_best_args args;
	int wrong = 0;

	memset(&empty, 0, sizeof empty);
	memset(&args, 0, sizeof args);
	wrong += accepted(NULL, &args);
	wrong += accepted(&empty, &args);
	wrong += attn_best_workspace_bytes(&args) != 0;
	wrong += attn_best_load(NULL) != CUDA_ERROR_INVALID_VALUE;
	wrong += attn_best_unload(&empty) != CUDA_SUCCESS;
	return wrong;
}
