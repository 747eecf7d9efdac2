/* err: one error text that keeps its first cause and lets callers add where it happened.
 * Functions that can fail return 0 or a negative number and take a trailing struct err *, which may be NULL. */
#ifndef ATTUNE_ERR_H
#define ATTUNE_ERR_H

struct err {
	int code;        /* 0: no error yet; otherwise negative, ERR_FAIL unless set */
	char text[1024]; /* one line, without a trailing newline; cut with "..." when longer */
};

enum { ERR_FAIL = -1, ERR_AGAIN = -2, ERR_EOF = -3, ERR_INTR = -4, ERR_LIMIT = -5 };

/* Records the first cause; a later call on the same err keeps the first. Returns ERR_FAIL. */
int err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with a code of its own, which it returns. */
int err_set_code(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As err_set, with ": " and the text of errno (saved on entry) after it. */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "where: " in front of a recorded cause. Returns the recorded code (ERR_FAIL when none). */
int err_where(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Empties e so that it can be used again. */
void err_clear(struct err *e);

#endif
