/* Fuzzing of the journal reader. A checksum keeps random bytes from getting far, so an input is taken as the bytes of a
 * file, or (first byte odd) as a record that is written as the journal writes it and followed by the rest as a torn tail. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attune/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void add_record(struct buf *file, const uint8_t *data, size_t len)
{
	json_t *record = json_loadb((const char *)data, len, JSON_DISABLE_EOF_CHECK, NULL);
	struct err e = { 0 };

	if (json_is_object(record))
		journal_line(record, 1, file, &e);
	json_decref(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const int fd = memfd_create("journal", 0);
	json_t *records = NULL;
	struct journal j;
	struct err e = { 0 };
	struct buf file;
	char path[64];
	size_t strict;

	buf_init(&file);
	if (len && data[0] & 1) {
		const size_t half = (len - 1) / 2;

		add_record(&file, data + 1, half);
		buf_add(&file, data + 1 + half, len - 1 - half);
	} else if (len) {
		buf_add(&file, data + 1, len - 1);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || write(fd, buf_text(&file), file.len) != (ssize_t)file.len)
		abort();
	buf_free(&file);
	strict = journal_read(path, &records, &e) == 0 ? json_array_size(records) : SIZE_MAX;
	json_decref(records);
	records = NULL;
	err_clear(&e);
	/* What the strict reader accepts, opening accepts too, to the record. */
	if (journal_open(&j, path, &records, &e) == 0) {
		if (strict != SIZE_MAX && json_array_size(records) != strict)
			abort();
		journal_close(&j);
	} else if (strict != SIZE_MAX) {
		abort();
	}
	json_decref(records);
	close(fd);
	return 0;
}
