/* score_main: `attune bench`: options, the spread over the cores by fork, and the table.
 * Every search is a unit of its own with a seed of its own, so the numbers do not depend on how many processes share them. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attune/score.h"

enum { MANY = 64, JOBS_MAX = 256 };

struct bench {
	const char *policies[MANY], *paths[MANY];
	size_t policies_n, spaces_n;
	struct space_record records[MANY];
	struct space *spaces[MANY];
	char root[PATH_MAX];
	long trials, repeats, jobs, lookahead;
	double prior;
	uint64_t seed;
	bool curve, score, statics;
	double *best_ms;  /* shared: [policy][space][repeat][trial] */
	double *spent_s;  /* shared: of each job, in proposing */
	long *passed;     /* shared: of each job, proposals that were only compiled */
};

static const char *const HELP =
	"usage: attune bench [options] SPACE.tsv...\n"
	"Scores search policies on recorded spaces: best time in the file / best time found, mean over the repeats.\n"
	"  -p, --policy FILE    a policy; may be given several times (default: lua/policy.lua)\n"
	"  -t, --trials N       trials of one search (45)\n"
	"  -r, --repeats R      searches in each space (50)\n"
	"  -s, --seed S         seed of the first search (1)\n"
	"  -j, --jobs N         processes (one for each core)\n"
	"  -l, --lookahead N    candidates proposed ahead of the results (0); `policy`: as many as the policy says, as a\n"
	"                       live run does\n"
	"      --curve          the mean after every number of trials too\n"
	"      --score          the mean distance from random search (0) towards the optimum (1) over the trials too\n"
	"      --static         instead: the rank correlation (Spearman) of each space's recorded times with what is predicted\n"
	"                       from compiling alone, for spaces that say what compiling told; nothing is searched\n"
	"      --prior X        proposals that are predicted to be X times as slow as the best trial are passed over: they\n"
	"                       are only compiled and cost no trial; for measuring what that is worth (0: none)\n"
	"  -h, --help           this text\n";

static int take_number(const char *text, const char *what, long least, long most, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	if (errno || end == text || *end || *out < least || *out > most) {
		fprintf(stderr, "attune bench: %s: a number from %ld to %ld was expected, not \"%s\"\n", what, least, most, text);
		return -1;
	}
	return 0;
}

static int take_factor(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (end == text || *end || !isfinite(*out) || (*out != 0 && *out < 1)) {
		fprintf(stderr, "attune bench: --prior: 0 or a factor of at least 1 was expected, not \"%s\"\n", text);
		return -1;
	}
	return 0;
}

static int take_options(struct bench *b, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "policy", required_argument, NULL, 'p' },    { "trials", required_argument, NULL, 't' },
		{ "repeats", required_argument, NULL, 'r' },   { "seed", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },      { "curve", no_argument, NULL, 'c' },
		{ "score", no_argument, NULL, 'o' },           { "help", no_argument, NULL, 'h' },
		{ "lookahead", required_argument, NULL, 'l' }, { "static", no_argument, NULL, 'S' },
		{ "prior", required_argument, NULL, 'P' },     { NULL, 0, NULL, 0 },
	};
	long seed = 1;
	int opt, bad = 0;

	optind = 1;
	while (!bad && (opt = getopt_long(argc, argv, "p:t:r:s:j:l:h", longs, NULL)) != -1) {
		switch (opt) {
		case 'p':
			if (b->policies_n < MANY)
				b->policies[b->policies_n++] = optarg;
			break;
		case 't': bad = take_number(optarg, "--trials", 1, 1000000, &b->trials); break;
		case 'r': bad = take_number(optarg, "--repeats", 1, 100000, &b->repeats); break;
		case 's': bad = take_number(optarg, "--seed", 0, LONG_MAX, &seed); break;
		case 'j': bad = take_number(optarg, "--jobs", 1, JOBS_MAX, &b->jobs); break;
		case 'l':
			if (!strcmp(optarg, "policy"))
				b->lookahead = -1;
			else
				bad = take_number(optarg, "--lookahead", 0, 1000, &b->lookahead);
			break;
		case 'c': b->curve = true; break;
		case 'o': b->score = true; break;
		case 'P': bad = take_factor(optarg, &b->prior); break;
		case 'S': b->statics = true; break;
		case 'h': fputs(HELP, stdout); return 1;
		default: bad = -1;
		}
	}
	b->seed = (uint64_t)seed;
	while (!bad && optind < argc && b->spaces_n < MANY)
		b->paths[b->spaces_n++] = argv[optind++];
	if (!bad && (!b->spaces_n || optind < argc)) {
		fprintf(stderr, "attune bench: 1 to %d recorded spaces were expected\n", MANY);
		bad = -1;
	}
	if (bad)
		fputs("Try `attune bench --help`.\n", stderr);
	return bad;
}

static int find_root(char root[PATH_MAX])
{
	const char *given = getenv("ATTUNE_ROOT");
	ssize_t n;

	if (given && *given)
		return snprintf(root, PATH_MAX, "%s", given) < PATH_MAX ? 0 : -1;
	n = readlink("/proc/self/exe", root, PATH_MAX - 1);
	if (n < 0)
		return -1;
	root[n] = '\0';
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(root, '/');

		if (!slash)
			return -1;
		*slash = '\0';
	}
	return 0;
}

static double *cell(const struct bench *b, size_t policy, size_t space, long repeat)
{
	return b->best_ms + ((policy * b->spaces_n + space) * (size_t)b->repeats + (size_t)repeat) * (size_t)b->trials;
}

static int work(const struct bench *b, long job, struct err *e)
{
	long unit = 0;
	int rc = 0;

	for (size_t p = 0; p < b->policies_n && !rc; p++) {
		struct score *score;

		rc = score_open(&score, b->root, b->policies[p], e);
		if (rc)
			return rc;
		for (size_t s = 0; s < b->spaces_n && !rc; s++) {
			for (long r = 0; r < b->repeats && !rc; r++) {
				struct score_run run = { .trials = b->trials, .lookahead = b->lookahead, .prior = b->prior,
							 .passed = &b->passed[job] };

				run.seed = b->seed + (uint64_t)r * 0x9e3779b97f4a7c15u;
				if (unit++ % b->jobs == job)
					rc = score_search(score, b->spaces[s], &b->records[s], &run, cell(b, p, s, r),
							  &b->spent_s[job], e);
			}
		}
		score_close(score);
	}
	return rc;
}

static void run_job(const struct bench *b, long job)
{
	struct err e = { 0 };

	/* A search may take long: it does not outlive the command. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (work(b, job, &e)) {
		fprintf(stderr, "attune bench: %s\n", e.text);
		_exit(1);
	}
	_exit(0);
}

static int run_jobs(const struct bench *b)
{
	pid_t pids[JOBS_MAX];
	long started = 0;
	int bad = 0;

	fflush(NULL);
	for (; started < b->jobs; started++) {
		pids[started] = fork();
		if (!pids[started])
			run_job(b, started);
		if (pids[started] < 0) {
			perror("attune bench: fork");
			bad = -1;
			break;
		}
	}
	for (long i = 0; i < started; i++) {
		int status;

		while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
			;
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			bad = -1;
	}
	return bad;
}

/* Mean fraction of the optimum in one space after `trial` + 1 trials. */
static double fraction(const struct bench *b, size_t policy, size_t space, long trial)
{
	double sum = 0;

	for (long r = 0; r < b->repeats; r++)
		sum += b->records[space].best_ms / cell(b, policy, space, r)[trial];
	return sum / (double)b->repeats;
}

static double fraction_of_all(const struct bench *b, size_t policy, long trial)
{
	double sum = 0;

	for (size_t s = 0; s < b->spaces_n; s++)
		sum += fraction(b, policy, s, trial);
	return sum / (double)b->spaces_n;
}

/* Distance covered from random search's expectation to the optimum, mean over the trials: 0 random, 1 optimum. A search
 * that has found nothing yet counts as the slowest configuration. */
static double score_of(const struct bench *b, size_t policy, size_t space)
{
	const struct space_record *r = &b->records[space];
	double *random = calloc((size_t)b->trials, sizeof *random), worst = r->best_ms, sum = 0;

	if (!random)
		abort();
	for (size_t i = 0; i < r->n; i++)
		if (r->time_ms[i] > worst)
			worst = r->time_ms[i];
	score_random(r, b->trials, random);
	for (long t = 0; t < b->trials; t++) {
		double mean = 0;

		for (long i = 0; i < b->repeats; i++)
			mean += fmin(cell(b, policy, space, i)[t], worst) / (double)b->repeats;
		if (random[t] > r->best_ms)
			sum += (random[t] - mean) / (random[t] - r->best_ms);
		else
			sum += 1;
	}
	free(random);
	return sum / (double)b->trials;
}

static const char *space_name(const struct bench *b, size_t space)
{
	const char *slash = strrchr(b->paths[space], '/');

	return slash ? slash + 1 : b->paths[space];
}

/* The last line is the least of the correlations: a mean would hide the space on which the prediction fails. */
static void report_static(const struct bench *b)
{
	double least = INFINITY;

	for (size_t s = 0; s < b->spaces_n; s++)
		least = fmin(least, score_static(&b->records[s], space_name(b, s)));
	if (isfinite(least))
		printf("least\t%.3f\n", least);
}

static void report(const struct bench *b)
{
	for (size_t p = 0; p < b->policies_n; p++) {
		double total = 0;

		printf("# %s: %ld trials, %ld repeats, seed %llu\n", b->policies[p], b->trials, b->repeats,
		       (unsigned long long)b->seed);
		for (size_t s = 0; s < b->spaces_n; s++) {
			printf("%s\t%.4f", space_name(b, s), fraction(b, p, s, b->trials - 1));
			if (b->score) {
				double one = score_of(b, p, s);

				total += one;
				printf("\tscore %.4f", one);
			}
			printf("\n");
		}
		for (long t = 0; t < b->trials && b->curve; t++)
			printf("curve\t%ld\t%.4f\n", t + 1, fraction_of_all(b, p, t));
		if (b->score)
			printf("score\t%.4f\n", total / (double)b->spaces_n);
		printf("mean\t%.4f\n", fraction_of_all(b, p, b->trials - 1));
	}
}

static void *shared(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int open_spaces(struct bench *b, struct err *e)
{
	for (size_t s = 0; s < b->spaces_n; s++) {
		if (space_record_open(&b->records[s], b->paths[s], e) || space_open(&b->spaces[s], b->records[s].variants, e))
			return ERR_FAIL;
		space_list_keys(b->spaces[s], b->records[s].keys, b->records[s].n);
	}
	return 0;
}

static void close_spaces(struct bench *b)
{
	for (size_t s = 0; s < b->spaces_n; s++) {
		space_close(b->spaces[s]);
		space_record_close(&b->records[s]);
	}
}

int score_main(int argc, char **argv)
{
	struct bench b = { .trials = 45, .repeats = 50 };
	struct err e = { 0 };
	size_t cells, asked;
	double ask_s = 0;
	long passed = 0;
	int rc = take_options(&b, argc, argv);

	if (rc)
		return rc > 0 ? 0 : 2;
	if (!b.jobs)
		b.jobs = sysconf(_SC_NPROCESSORS_ONLN) > 0 ? sysconf(_SC_NPROCESSORS_ONLN) : 1;
	if (b.jobs > JOBS_MAX)
		b.jobs = JOBS_MAX;
	if (!b.policies_n)
		b.policies[b.policies_n++] = "lua/policy.lua";
	if (find_root(b.root)) {
		fprintf(stderr, "attune bench: the folder that holds lua/ was not found; set ATTUNE_ROOT\n");
		return 1;
	}
	rc = open_spaces(&b, &e);
	if (rc) {
		fprintf(stderr, "attune bench: %s\n", e.text);
		goto out;
	}
	if (b.statics) {
		report_static(&b);
		goto out;
	}
	cells = b.policies_n * b.spaces_n * (size_t)b.repeats * (size_t)b.trials;
	b.best_ms = shared(cells * sizeof *b.best_ms);
	b.spent_s = shared(JOBS_MAX * sizeof *b.spent_s);
	b.passed = shared(JOBS_MAX * sizeof *b.passed);
	if (!b.best_ms || !b.spent_s || !b.passed) {
		fprintf(stderr, "attune bench: no memory for %zu results\n", cells);
		rc = -1;
		goto out;
	}
	rc = run_jobs(&b);
	if (rc)
		goto out;
	report(&b);
	for (long j = 0; j < b.jobs; j++) {
		ask_s += b.spent_s[j];
		passed += b.passed[j];
	}
	asked = cells + (size_t)passed;
	fprintf(stderr, "%zu trials, %.3f ms to propose one\n", cells, 1e3 * ask_s / (double)asked);
	if (b.prior > 0)
		fprintf(stderr, "%ld more proposals were only compiled\n", passed);
out:
	close_spaces(&b);
	return rc ? 1 : 0;
}
