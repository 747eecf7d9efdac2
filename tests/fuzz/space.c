/* Fuzzing of the reader of recorded tuning spaces, which come from other projects' files. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attune/space.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const int fd = memfd_create("space", 0);
	struct space_record r;
	struct err e = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	if (space_record_open(&r, path, &e) == 0)
		space_record_close(&r);
	close(fd);
	return 0;
}
