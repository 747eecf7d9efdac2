/* Fuzzing of the wire parser: frames as they come from a peer that is broken or hostile, in pieces of any length. What
 * comes out must go in again. */
#include <stdint.h>
#include <stdlib.h>

#include "attune/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t piece = len ? data[0] + 1u : 1, at = 0;
	struct buf in, blob, again;
	struct err e = { 0 };
	json_t *head = NULL;
	int rc = 0;

	buf_init(&in);
	buf_init(&blob);
	buf_init(&again);
	while (rc >= 0 && at < len) {
		const size_t n = len - at < piece ? len - at : piece;

		buf_add(&in, data + at, n);
		at += n;
		while ((rc = wire_decode(&in, &head, &blob, &e)) == 1) {
			buf_clear(&again);
			if (wire_encode(&again, head, blob.data, blob.len, &e) < 0)
				abort();
			wire_type(head);
			json_decref(head);
			buf_clear(&blob);
		}
	}
	buf_free(&in);
	buf_free(&blob);
	buf_free(&again);
	return 0;
}
