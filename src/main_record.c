/* main_record: `attune record`: a run's journal, packed for replaying where there is no GPU. Intents are dropped and lines are
 * numbered and checksummed anew; no time is changed, added or left out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "attune/fs.h"
#include "main.h"

static int pack(const json_t *records, const char *name, struct buf *out, long *trials, struct err *e)
{
	size_t i;
	json_t *r;
	long seq = 1;
	int rc = 0;

	*trials = 0;
	json_array_foreach(records, i, r) {
		const char *kind = json_string_value(json_object_get(r, "kind"));

		if (rc < 0 || !kind || strcmp(kind, "intent") == 0)
			continue;
		*trials += strcmp(kind, "trial") == 0;
		if (strcmp(kind, "run") == 0)
			json_object_set_new(r, "run_name", json_string(name));
		rc = journal_line(r, seq++, out, e);
	}
	return rc;
}

static int write_gz(const char *path, const struct buf *text, struct err *e)
{
	struct buf packed;
	z_stream z = { 0 };
	int rc;

	buf_init(&packed);
	/* 15 + 16: a gzip header, without name or time, so that equal records give equal bytes. */
	if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return err_set(e, "zlib could not start");
	buf_reserve(&packed, deflateBound(&z, text->len) + 64);
	z.next_in = (unsigned char *)text->data;
	z.avail_in = (unsigned)text->len;
	z.next_out = (unsigned char *)packed.data;
	z.avail_out = (unsigned)(deflateBound(&z, text->len) + 64);
	rc = deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : err_set(e, "zlib could not pack the record");
	packed.len = z.total_out;
	deflateEnd(&z);
	if (rc == 0)
		rc = fs_write_atomic(path, packed.data, packed.len, e);
	buf_free(&packed);
	return rc;
}

int main_record(int argc, char **argv)
{
	static const struct option longs[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	struct err e = { 0 };
	json_t *records = NULL;
	struct buf text;
	const char *name;
	char *stem;
	long trials = 0;
	int c, rc;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c != 'h')
			return main_usage("record");
		puts("usage: attune record JOURNAL FILE.jsonl.gz\n\n"
		     "Packs build/runs/.../trials.jsonl for replaying. Put FILE under tuned/records/ to have it found.");
		return EXIT_OK;
	}
	if (argc - optind != 2 || !strstr(argv[optind + 1], ".jsonl.gz"))
		return main_usage("record");
	name = strrchr(argv[optind + 1], '/');
	name = name ? name + 1 : argv[optind + 1];
	stem = strndup(name, (size_t)(strstr(name, ".jsonl.gz") - name));
	buf_init(&text);
	rc = journal_read(argv[optind], &records, &e);
	if (rc == 0 && json_array_size(records) == 0)
		rc = err_set(&e, "%s: an empty journal", argv[optind]);
	if (rc == 0)
		rc = pack(records, stem, &text, &trials, &e);
	if (rc == 0)
		rc = write_gz(argv[optind + 1], &text, &e);
	if (rc == 0)
		printf("%s: %ld trials\n", argv[optind + 1], trials);
	free(stem);
	json_decref(records);
	buf_free(&text);
	return rc < 0 ? main_fail(&e, EXIT_BAD) : EXIT_OK;
}
