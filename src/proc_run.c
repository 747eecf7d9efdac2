/* proc_run: runs a child to its end for its output, and splits a command line into the words to run.
 * Does not start or kill by itself; that is proc.c's. Output beyond the caller's bound is read and dropped, so that a
 * child that floods its pipe ends like any other. */
#include "attune/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Takes what the pipe holds now; -1: it is at its end (or broken). */
static int proc_drain(int fd, struct buf *out, size_t *room)
{
	char chunk[16384];

	/* Bounded: whoever left the group and still floods the pipe is not followed for ever. */
	for (int i = 0; i < 64; i++) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		size_t keep;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (n <= 0)
			return -1;
		keep = (size_t)n < *room ? (size_t)n : *room;
		buf_add(out, chunk, keep);
		*room -= keep;
	}
	return 0;
}

int proc_run(const struct proc_options *o, struct buf *out, size_t max_out, bool merge_err, int timeout_ms, int *status,
	     struct err *e)
{
	double deadline = proc_now_s() + timeout_ms / 1e3;
	struct proc_options own = *o;
	struct proc p;
	int ends[2], rc = 0;

	if (pipe2(ends, O_CLOEXEC))
		return err_sys(e, "%s: pipe", o->argv[0]);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	own.out_fd = ends[1];
	if (merge_err)
		own.err_fd = ends[1];
	rc = proc_start(&p, &own, e);
	close(ends[1]);
	while (!rc) {
		struct pollfd fds[2] = {{.fd = p.pidfd, .events = POLLIN}, {.fd = ends[0], .events = POLLIN}};
		double left = deadline - proc_now_s();

		if (timeout_ms >= 0 && left <= 0) {
			rc = err_set_code(e, ERR_LIMIT, "%s: killed after %.4g s without an end", o->argv[0],
					  timeout_ms / 1e3);
		} else if (poll(fds, ends[0] >= 0 ? 2 : 1, timeout_ms < 0 ? -1 : (int)(left * 1e3) + 1) < 0) {
			rc = errno == EINTR ? err_set_code(e, ERR_INTR, "%s: interrupted", o->argv[0])
					    : err_sys(e, "%s: poll", o->argv[0]);
		} else {
			bool ended = fds[0].revents;

			if (ended)
				rc = proc_reap(&p, e);
			if (ends[0] >= 0 && proc_drain(ends[0], out, &max_out) < 0) {
				close(ends[0]);
				ends[0] = -1;
			}
			if (rc)
				break;
		}
	}
	proc_kill(&p);
	if (ends[0] >= 0)
		close(ends[0]);
	*status = p.status;
	return rc < 0 ? rc : 0;
}

int proc_split(const char *command, char ***argv, struct err *e)
{
	struct buf word = {0};
	char **words = NULL, quote = '\0';
	size_t n = 0;
	bool in_word = false;

	*argv = NULL;
	for (const char *p = command;; p++) {
		if (!quote && (!*p || strchr(" \t\n", *p))) {
			if (in_word) {
				words = reallocarray(words, n + 2, sizeof(*words));
				if (!words)
					abort();
				words[n++] = buf_take(&word);
				words[n] = NULL;
			}
			in_word = false;
			if (!*p)
				break;
			continue;
		}
		in_word = true;
		if (!*p || (*p == '\\' && quote != '\'' && !p[1])) {
			err_set(e, "%s: %s", command, *p ? "ends in a backslash" : "a quote is not closed");
			goto bad;
		}
		if (*p == quote)
			quote = '\0';
		else if (!quote && (*p == '\'' || *p == '"'))
			quote = *p;
		else if (*p != '\\' || quote == '\'' || (quote && !strchr("$`\"\\\n", p[1])))
			buf_addc(&word, *p);
		else if (*++p != '\n')
			buf_addc(&word, *p);
		else
			in_word = in_word && (word.len || quote);
	}
	if (!n || !*words[0]) {
		err_set(e, "an empty command");
		goto bad;
	}
	*argv = words;
	return 0;
bad:
	buf_free(&word);
	proc_free_argv(words);
	return ERR_FAIL;
}

void proc_free_argv(char **argv)
{
	for (size_t i = 0; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}
