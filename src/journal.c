/* journal: appends checked lines, and reads them back.
 * Does not know what a record means. One line is one write(2) followed by fdatasync, so a crash leaves at most a last
 * line without its line end, cut or filled up with NULs, which is dropped when the journal is opened again.
 * Sequence numbers count 1, 2, 3, ... so a missing or doubled line shows too. */
#include "attune/journal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "attune/buf.h"
#include "attune/fs.h"
#include "attune/hash.h"

/* More than a hundred thousand trials. */
#define JOURNAL_MAX ((size_t)256 << 20)

/* The checksum of a record that holds no "crc". */
static int journal_crc(const json_t *record, char crc[9])
{
	char *text = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);

	if (!text)
		return ERR_FAIL;
	snprintf(crc, 9, "%08x", hash_crc32(text, strlen(text)));
	free(text);
	return 0;
}

/* One line without its line end, as a new reference, or NULL with why in e. The record is returned whole. */
static json_t *journal_parse(const char *line, size_t len, long seq, struct err *e)
{
	json_t *record, *crc = NULL;
	const char *stated;
	json_error_t why;
	char found[9];

	record = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
	if (!record) {
		err_set(e, "not JSON (%s)", why.text);
		return NULL;
	}
	crc = json_incref(json_object_get(record, "crc"));
	stated = json_string_value(crc);
	if (!stated) {
		err_set(e, "no checksum");
		goto bad;
	}
	json_object_del(record, "crc");
	if (journal_crc(record, found) || strcmp(found, stated)) {
		err_set(e, "its checksum is wrong");
		goto bad;
	}
	if (json_integer_value(json_object_get(record, "seq")) != seq) {
		err_set(e, "record %lld stands where record %ld belongs",
			(long long)json_integer_value(json_object_get(record, "seq")), seq);
		goto bad;
	}
	json_object_set_new(record, "crc", crc);
	return record;
bad:
	json_decref(crc);
	json_decref(record);
	return NULL;
}

/* All records of a text; remedy ends the message about a damaged line. *good: how many bytes of it hold whole records;
 * the rest, if any, is a torn line. */
static int journal_parse_all(const char *path, const struct buf *file, const char *remedy, json_t *records,
			     size_t *good, struct err *e)
{
	const char *text = buf_text(file);
	size_t at = 0, len = file->len;

	*good = 0;
	while (at < len) {
		const char *end = memchr(text + at, '\n', len - at);
		long seq = (long)json_array_size(records) + 1;
		struct err why = {0};
		json_t *record;

		if (!end)
			return 0;
		record = journal_parse(text + at, (size_t)(end - text) - at, seq, &why);
		if (!record)
			return err_set(e, "%s:%ld: damaged: %s%s", path, seq, why.text, remedy);
		json_array_append_new(records, record);
		at = (size_t)(end - text) + 1;
		*good = at;
	}
	return 0;
}

/* A new file's name must outlive a power cut as its content does. */
static void journal_sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		/* Some file systems cannot sync a folder; nothing better is to be had there. */
		if (fsync(fd))
			errno = 0;
		close(fd);
	}
	free(folder);
}

int journal_open(struct journal *j, const char *path, json_t **records, struct err *e)
{
	struct buf text = {0};
	size_t good;
	int rc = 0;

	*records = json_array();
	*j = (struct journal){.fd = -1, .path = strdup(path)};
	j->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (j->fd < 0) {
		rc = err_sys(e, "%s", path);
		goto out;
	}
	if (flock(j->fd, LOCK_EX | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			rc = err_set_code(e, ERR_AGAIN, "%s: another attune is writing it", path);
		else
			rc = err_sys(e, "%s: cannot be locked", path);
		goto out;
	}
	rc = fs_read(path, &text, JOURNAL_MAX, e);
	if (rc)
		goto out;
	rc = journal_parse_all(path, &text, "; move the file away to start anew", *records, &good, e);
	if (rc)
		goto out;
	if (good < text.len && (ftruncate(j->fd, (off_t)good) || fdatasync(j->fd))) {
		rc = err_sys(e, "%s: its torn last line cannot be cut off", path);
		goto out;
	}
	if (!text.len)
		journal_sync_folder(path);
	j->next_seq = (long)json_array_size(*records) + 1;
out:
	buf_free(&text);
	if (rc) {
		journal_close(j);
		json_decref(*records);
		*records = NULL;
	}
	return rc;
}

int journal_line(const json_t *record, long seq, struct buf *line, struct err *e)
{
	json_t *whole = json_object(), *line_object = json_object(), *back = NULL;
	char crc[9] = "", *text = NULL;
	struct err why = {0};
	int rc;

	/* "seq" and "crc" stand first in the line, and these are ours: a record read back may be appended elsewhere. The line is
	 * read back before it is given out: what is written can be read. */
	json_object_set_new(whole, "seq", json_integer(seq));
	if (json_object_update_missing(whole, (json_t *)record)) {
		rc = err_set(e, "a record must be a JSON object");
		goto out;
	}
	json_object_del(whole, "crc");
	rc = journal_crc(whole, crc);
	json_object_set_new(line_object, "seq", json_integer(seq));
	json_object_set_new(line_object, "crc", json_string(crc));
	json_object_update_missing(line_object, whole);
	text = rc ? NULL : json_dumps(line_object, JSON_COMPACT);
	back = text ? journal_parse(text, strlen(text), seq, &why) : NULL;
	if (!back) {
		rc = err_set(e, "a record cannot be written as JSON%s%s", *why.text ? ": " : "", why.text);
		goto out;
	}
	buf_adds(line, text);
	buf_addc(line, '\n');
out:
	free(text);
	json_decref(back);
	json_decref(line_object);
	json_decref(whole);
	return rc;
}

int journal_append(struct journal *j, const json_t *record, struct err *e)
{
	struct buf line = {0};
	struct stat st;
	size_t done = 0;
	int rc;

	if (j->fd < 0 || j->next_seq < 1)
		return err_set(e, "%s: closed after an earlier failure", j->path ? j->path : "journal");
	rc = journal_line(record, j->next_seq, &line, e);
	if (rc) {
		err_where(e, "%s", j->path);
		goto out;
	}
	if (fstat(j->fd, &st)) {
		rc = err_sys(e, "%s", j->path);
		goto out;
	}
	while (done < line.len) {
		ssize_t n = write(j->fd, line.data + done, line.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		done += (size_t)n;
	}
	if (done < line.len || fdatasync(j->fd)) {
		rc = err_sys(e, "%s: cannot be written", j->path);
		/* A torn line must stay the last one: take it back, or write no more. */
		if (ftruncate(j->fd, st.st_size))
			j->next_seq = -1;
		goto out;
	}
	j->next_seq++;
out:
	buf_free(&line);
	return rc;
}

void journal_close(struct journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	free(j->path);
	*j = (struct journal){.fd = -1};
}

int journal_read(const char *path, json_t **records, struct err *e)
{
	struct buf text = {0};
	size_t good = 0;
	int rc;

	*records = json_array();
	rc = fs_read_gz(path, &text, JOURNAL_MAX, e);
	if (!rc)
		rc = journal_parse_all(path, &text, "", *records, &good, e);
	if (!rc && good < text.len)
		rc = err_set(e, "%s:%zu: damaged: the last line is cut short", path, json_array_size(*records) + 1);
	buf_free(&text);
	if (rc) {
		json_decref(*records);
		*records = NULL;
	}
	return rc;
}
