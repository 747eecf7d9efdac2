/* sanitizer: reads a log of compute-sanitizer. Each line begins with "========= "; a finding is a line without further
 * indentation, followed by indented ones on where it was and, of a race, with what; the end is a summary with counts. Lines
 * by which the tool speaks of itself are not findings. */
#include "attune/sanitizer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "========= "

struct reading {
	bool summary;        /* one was there, whatever it says */
	unsigned long count; /* what the summaries count, added up */
	bool found, place;   /* a finding was seen, and where it was */
	bool trouble;        /* the tool speaks of a failure of its own */
	struct buf trouble_text;
};

static bool begins(const char *line, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

/* Everything that is counted: "ERROR SUMMARY: 2 errors", "RACECHECK SUMMARY: 3 hazards displayed (1 error, 2 warnings)". */
static bool take_summary(struct reading *r, const char *line, size_t len)
{
	static const char word[] = " SUMMARY: ";
	const char *at = memmem(line, len, word, sizeof word - 1);

	if (!at || begins(line, len, " "))
		return false;
	r->summary = true;
	r->count += strtoul(at + sizeof word - 1, NULL, 10);
	return true;
}

/* racecheck gives its findings the same first words as the tool's own troubles have. */
static bool is_race(const char *line, size_t len)
{
	return memmem(line, len, "Race reported", 13) || memmem(line, len, "hazard detected", 15);
}

static bool is_trouble(const char *line, size_t len)
{
	if (is_race(line, len))
		return false;
	/* A refused call of the driver's ("Program hit ...") is the runner's to judge, and it has. */
	return begins(line, len, "Error: ") || begins(line, len, "Program hit ") ||
	       begins(line, len, "Internal Sanitizer Error") || begins(line, len, "Fatal") ||
	       memmem(line, len, "not supported", 13) || memmem(line, len, "No attachable process", 21);
}

static bool is_talk(const char *line, size_t len)
{
	static const char *const talk[] = { "COMPUTE-SANITIZER", "Warning: ", "Tracking kernels", "Default timeout", "Please ",
					   "Target application", "Session ", "Saved ", "This tool" };

	for (size_t i = 0; i < sizeof talk / sizeof *talk; i++)
		if (begins(line, len, talk[i]))
			return true;
	return false;
}

/* A line that was cut says nothing, unless it is the summary. */
static void take_line(struct reading *r, const char *line, size_t len, bool whole, struct buf *text)
{
	while (len > 0 && strchr(" \r", line[len - 1]))
		len--;
	if (len == 0 || take_summary(r, line, len) || !whole)
		return;
	if (is_trouble(line, len)) {
		r->trouble = true;
		if (r->trouble_text.len == 0)
			buf_add(&r->trouble_text, line, len);
	} else if (line[0] != ' ' && (is_race(line, len) || !is_talk(line, len))) {
		if (!r->found)
			buf_add(text, line, len);
		else
			r->place = true; /* the next finding: places that follow are its own */
		r->found = true;
	} else if (r->found && !r->place) {
		while (*line == ' ') {
			line++;
			len--;
		}
		/* Of a race, the accesses that it is with: which pair it is decides whether it is one. */
		if (!begins(line, len, "at ") && !begins(line, len, "and "))
			return;
		r->place = begins(line, len, "at ");
		buf_addc(text, ' ');
		buf_add(text, line, len);
	}
}

enum sanitizer_says sanitizer_read(const char *log, size_t len, struct buf *text)
{
	struct reading r = { 0 };
	enum sanitizer_says says;
	const char *end = log + len;

	buf_init(&r.trouble_text);
	for (const char *line = log; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		const size_t n = (size_t)((stop ? stop : end) - line);

		if (begins(line, n, PREFIX))
			take_line(&r, line + strlen(PREFIX), n - strlen(PREFIX), stop != NULL, text);
		line += n + 1;
	}
	if (r.found || (r.count > 0 && !r.trouble)) {
		says = SANITIZER_FOUND;
		if (!r.found)
			buf_addf(text, "%lu errors, none of them described", r.count);
	} else if (r.summary && r.count == 0 && !r.trouble) {
		says = SANITIZER_CLEAN;
	} else {
		says = SANITIZER_NOTHING;
		buf_adds(text, buf_text(&r.trouble_text));
	}
	buf_free(&r.trouble_text);
	return says;
}
