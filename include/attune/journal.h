/* journal: trials.jsonl, append-only, one JSON object a line, each with a sequence number and a checksum.
 *
 * A line is {"seq":N,"crc":"xxxxxxxx",...}: crc is the CRC-32 of the line's compact, key-sorted JSON without "crc".
 * A line cut short by a crash is dropped (and truncated away) when the journal is opened again; a damaged line in the
 * middle is an error that names file and line. Kinds ("kind"): run, intent, trial, baseline, champion, end. A run line has
 * the day it began ("date", UTC), and, where attune record has completed the names of candidates with the defaults of axes that
 * came later, these ("completed": ["VARIANT AXIS=VALUE",...]); a trial has what compiling alone told ("static", chip_static),
 * where that was known. */
#ifndef ATTUNE_JOURNAL_H
#define ATTUNE_JOURNAL_H
#include <jansson.h>
#include <stddef.h>
#include "attune/buf.h"
#include "attune/err.h"

struct journal {
	int fd;
	char *path;
	long next_seq;
};

/* Opens or creates the file, takes an exclusive lock (ERR_AGAIN when another process holds it), and gives every whole
 * record in order through *records (a new JSON array). */
int journal_open(struct journal *j, const char *path, json_t **records, struct err *e);
/* Adds seq and crc to a copy of the record, writes one line and syncs it (fdatasync). Does not take the reference. */
int journal_append(struct journal *j, const json_t *record, struct err *e);
/* Appends to line what journal_append would write: the record with its seq and crc, and a line end. */
int journal_line(const json_t *record, long seq, struct buf *line, struct err *e);
void journal_close(struct journal *j);
/* Reads a journal or a recorded run without locking or repairing it; .gz is unpacked. Strict: any damaged line,
 * also the last, is an error that names file and line. */
int journal_read(const char *path, json_t **records, struct err *e);

#endif
