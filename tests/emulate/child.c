/* child: see child.h. */
#include "child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a process that a kernel ends must still say: to whom, and what it was at. */
struct last_words {
	int to;
	char where[400];
};

static struct last_words *last(void)
{
	static struct last_words words = { .to = STDERR_FILENO };

	return &words;
}

static void say_last(const char *text)
{
	dprintf(last()->to, "%s: %s%s", last()->where, text, last()->to == STDERR_FILENO ? "\n" : "");
	_exit(1);
}

static void say_late(int number)
{
	(void)number;
	say_last("it is not done in time");
}

void child_prepare(const char *where, long limit_s)
{
	snprintf(last()->where, sizeof(last()->where), "emulate: %s", where);
	emu_on_failure(say_last);
	signal(SIGALRM, say_late);
	alarm((unsigned)limit_s);
}

/* In the child: every check under every schedule, up to the first that fails. */
static bool run_checks(const struct child *t, struct emu_module *module, int out)
{
	char why[900];

	last()->to = out;
	for (long s = t->first_schedule; s < t->first_schedule + t->schedules; s++)
		for (size_t i = 0; i < t->count; i++) {
			const struct checked *c = &t->checks[i];

			snprintf(last()->where, sizeof(last()->where), "%s, %s values, schedule %ld", c->spec.text,
				 values_name(c->values), s);
			if (checked_run(c, module, t->launches[i], (uint64_t)s, why, sizeof(why)))
				continue;
			dprintf(out, "%s: %s", last()->where, why);
			return false;
		}
	return true;
}

/* What the child says until it ends, or until it has had its time. */
static void listen_to(int from, pid_t pid, long limit_s, char *why, size_t size)
{
	size_t n = 0;

	for (;;) {
		struct pollfd p = { .fd = from, .events = POLLIN };
		ssize_t got;

		if (poll(&p, 1, (int)limit_s * 1000) == 0) {
			kill(pid, SIGKILL);
			snprintf(why, size, "not done after %ld s", limit_s);
			return;
		}
		got = read(from, why + n, size - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	why[n] = 0;
}

bool child_run(const struct child *t, struct emu_module *module, char *why, size_t size)
{
	int ends[2], status = 0;
	pid_t pid;

	why[0] = 0;
	fflush(stdout);
	if (pipe(ends) < 0 || (pid = fork()) < 0) {
		snprintf(why, size, "%s", strerror(errno));
		return false;
	}
	if (pid == 0) {
		close(ends[0]);
		_exit(!run_checks(t, module, ends[1]));
	}
	close(ends[1]);
	listen_to(ends[0], pid, t->limit_s, why, size);
	close(ends[0]);
	waitpid(pid, &status, 0);
	if (status != 0 && !why[0])
		snprintf(why, size, "the process ended with status %#x", (unsigned)status);
	return status == 0;
}
