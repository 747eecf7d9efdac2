/* proc: starts, waits for and kills child processes. Running one to its end for its output is proc_run.c's.
 * Never uses a shell and installs no signal handler. The child tells by a close-on-exec pipe whether exec succeeded. A
 * child that has ended is a zombie, its number not yet free, while what is left of its group is killed; then it is reaped.
 * Waits that a signal interrupts end with ERR_INTR, so that a caller can look at its flags. */
#include "attune/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "attune/fs.h"

extern char **environ;

/* What the child needs between fork and exec, made before the fork. */
struct proc_plan {
	char *program;
	char **env;
	int report; /* writing end of the pipe */
	pid_t parent;
};

enum proc_step { PROC_STEP_CWD, PROC_STEP_FDS, PROC_STEP_LIMITS, PROC_STEP_EXEC };

static bool proc_executable(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* The path of a program, malloc'ed. A name with a slash is taken from the caller's folder, whatever the child's is. */
static char *proc_find(const char *name, struct err *e)
{
	const char *path = getenv("PATH");
	char *cwd = NULL, *found = NULL;

	if (strchr(name, '/')) {
		if (*name != '/')
			cwd = getcwd(NULL, 0);
		found = cwd ? fs_join(cwd, name) : strdup(name);
		free(cwd);
		if (found && proc_executable(found))
			return found;
		free(found);
		err_set(e, "%s: %s", name, fs_exists(name) ? "not an executable program" : "no such program");
		return NULL;
	}
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (*name && path) {
		const char *end = strchrnul(path, ':');
		char *folder = end > path ? strndup(path, (size_t)(end - path)) : getcwd(NULL, 0);

		found = folder ? fs_join(folder, name) : NULL;
		free(folder);
		if (found && proc_executable(found))
			break;
		free(found);
		found = NULL;
		path = *end ? end + 1 : NULL;
	}
	if (found && *found != '/' && (cwd = getcwd(NULL, 0))) {
		char *whole = fs_join(cwd, found);

		free(found);
		free(cwd);
		found = whole;
	}
	if (!found)
		err_set(e, "%s: no such program in PATH", *name ? name : "\"\"");
	return found;
}

/* environ with `add` added or replacing; the strings are not copied. */
static char **proc_env(const char *const *add)
{
	size_t n = 0, m = 0, used = 0;
	char **env;

	while (environ && environ[n])
		n++;
	while (add && add[m])
		m++;
	env = calloc(n + m + 1, sizeof(*env));
	if (!env)
		abort();
	for (size_t i = 0; i < n; i++) {
		bool replaced = false;

		for (size_t k = 0; k < m && !replaced; k++) {
			size_t len = (size_t)(strchrnul(add[k], '=') - add[k]);

			replaced = !strncmp(environ[i], add[k], len) && environ[i][len] == '=';
		}
		if (!replaced)
			env[used++] = environ[i];
	}
	for (size_t k = 0; k < m; k++)
		env[used++] = (char *)add[k];
	return env;
}

static int proc_limit(int what, uint64_t soft, uint64_t hard)
{
	struct rlimit now, want = {.rlim_cur = soft, .rlim_max = hard};

	if (getrlimit((__rlimit_resource_t)what, &now))
		return -1;
	if (now.rlim_max != RLIM_INFINITY && want.rlim_max > now.rlim_max)
		want.rlim_max = now.rlim_max;
	if (want.rlim_cur > want.rlim_max)
		want.rlim_cur = want.rlim_max;
	return setrlimit((__rlimit_resource_t)what, &want);
}

static int proc_child_limits(const struct proc_options *o)
{
	if (proc_limit(RLIMIT_CORE, 0, 0))
		return -1;
	/* SIGXCPU first, SIGKILL when that is ignored. */
	if (o->cpu_s && proc_limit(RLIMIT_CPU, o->cpu_s, o->cpu_s + 2))
		return -1;
	if (o->memory_bytes && proc_limit(RLIMIT_AS, o->memory_bytes, o->memory_bytes))
		return -1;
	if (o->file_bytes && proc_limit(RLIMIT_FSIZE, o->file_bytes, o->file_bytes))
		return -1;
	return 0;
}

/* Gives the child its three descriptors, moved out of each other's way first, and lets no other one through exec. */
static int proc_child_fds(const struct proc_options *o, int *report)
{
	int from[3] = {o->in_fd, o->out_fd, o->err_fd};

	*report = fcntl(*report, F_DUPFD_CLOEXEC, 3);
	if (*report < 0)
		return -1;
	for (int i = 0; i < 3; i++) {
		from[i] = from[i] < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : from[i];
		from[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, 3);
		if (from[i] < 0)
			return -1;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(from[i], i) < 0)
			return -1;
#ifdef SYS_close_range
	/* 4 is CLOSE_RANGE_CLOEXEC. An older kernel refuses it; our own descriptors are close-on-exec anyway. */
	if (syscall(SYS_close_range, 3u, ~0u, 4u))
		errno = 0;
#endif
	return 0;
}

/* From fork to exec; does not return. */
static void proc_child(const struct proc_options *o, struct proc_plan *plan)
{
	int failure[2] = {PROC_STEP_FDS, 0};
	sigset_t none;

	setpgid(0, 0);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (o->die_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != plan->parent)
			_exit(127);
	}
	if (proc_child_fds(o, &plan->report))
		goto fail;
	failure[0] = PROC_STEP_CWD;
	if (o->cwd && chdir(o->cwd))
		goto fail;
	failure[0] = PROC_STEP_LIMITS;
	if (proc_child_limits(o))
		goto fail;
	failure[0] = PROC_STEP_EXEC;
	execve(plan->program, (char *const *)o->argv, plan->env);
fail:
	failure[1] = errno;
	while (write(plan->report, failure, sizeof(failure)) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* Reads what the child reports: nothing when exec succeeded. */
static int proc_started(int fd, const struct proc_options *o, struct err *e)
{
	int failure[2];
	ssize_t n;

	do
		n = read(fd, failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	if (n < (ssize_t)sizeof(failure))
		return 0;
	errno = failure[1];
	switch (failure[0]) {
	case PROC_STEP_CWD:
		return err_sys(e, "%s: cannot run in %s", o->argv[0], o->cwd);
	case PROC_STEP_EXEC:
		return err_sys(e, "%s: cannot be run", o->argv[0]);
	case PROC_STEP_LIMITS:
		return err_sys(e, "%s: its limits cannot be set", o->argv[0]);
	default:
		return err_sys(e, "%s: its files cannot be opened", o->argv[0]);
	}
}

int proc_start(struct proc *p, const struct proc_options *o, struct err *e)
{
	struct proc_plan plan = {.report = -1, .parent = getpid()};
	int ends[2] = {-1, -1}, rc = 0;
	pid_t pid;

	*p = (struct proc){.pidfd = -1};
	plan.program = proc_find(o->argv[0], e);
	if (!plan.program)
		return ERR_FAIL;
	plan.env = proc_env(o->env);
	if (pipe2(ends, O_CLOEXEC)) {
		rc = err_sys(e, "%s: pipe", o->argv[0]);
		goto out;
	}
	plan.report = ends[1];
	pid = fork();
	if (pid < 0) {
		rc = err_sys(e, "%s: cannot fork", o->argv[0]);
		goto out;
	}
	if (!pid)
		proc_child(o, &plan);
	/* The child does this too; whoever is first, the group exists before anything is sent to it. */
	if (setpgid(pid, pid))
		errno = 0;
	p->pid = pid;
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p->pidfd < 0)
		rc = err_sys(e, "%s: pidfd_open (Linux 5.3 or newer is needed)", o->argv[0]);
	close(ends[1]);
	ends[1] = -1;
	if (!rc)
		rc = proc_started(ends[0], o, e);
	if (rc) {
		proc_kill(p);
		p->status = 0;
	}
out:
	if (ends[0] >= 0)
		close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	free(plan.program);
	free(plan.env);
	return rc;
}

static void proc_forget(struct proc *p)
{
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->pidfd = -1;
	p->pid = 0;
}

int proc_reap(struct proc *p, struct err *e)
{
	siginfo_t info = {0};
	struct rusage use;
	int rc;

	if (p->pid <= 0)
		return 1;
	do
		rc = waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT);
	while (rc && errno == EINTR);
	if (!rc && !info.si_pid)
		return 0;
	kill(-p->pid, SIGKILL);
	if (rc || wait4(p->pid, &p->status, 0, &use) != p->pid) {
		rc = err_sys(e, "waiting for process %ld", (long)p->pid);
		proc_forget(p);
		return rc;
	}
	p->cpu_s = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		   (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
	proc_forget(p);
	return 1;
}

int proc_wait(struct proc *p, int timeout_ms, struct err *e)
{
	struct pollfd fd = {.fd = p->pidfd, .events = POLLIN};

	if (p->pid > 0 && poll(&fd, 1, timeout_ms) < 0) {
		if (errno == EINTR)
			return err_set_code(e, ERR_INTR, "interrupted");
		return err_sys(e, "waiting for process %ld", (long)p->pid);
	}
	return proc_reap(p, e);
}

void proc_kill(struct proc *p)
{
	double deadline = proc_now_s() + 5;

	if (p->pid <= 0)
		return;
	kill(-p->pid, SIGKILL);
	kill(p->pid, SIGKILL);
	/* A process that hangs inside a driver does not even die of SIGKILL; it is given up rather than waited for. */
	while (p->pidfd >= 0 && proc_now_s() < deadline) {
		struct pollfd fd = {.fd = p->pidfd, .events = POLLIN};

		if (poll(&fd, 1, 1000) > 0)
			break;
	}
	p->status = SIGKILL;
	if (proc_reap(p, NULL) == 0)
		proc_forget(p);
}

void proc_status_text(int status, struct buf *out)
{
	if (WIFSIGNALED(status))
		buf_addf(out, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		buf_addf(out, "exit %d", WEXITSTATUS(status));
}

double proc_now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
