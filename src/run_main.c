/* run_main: attune-run's command line. Frames on standard input and output, sentences on standard error. With --replay a
 * recorded run answers instead of a device. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attune/child.h"
#include "attune/gpu_child.h"
#include "attune/judge.h"
#include "attune/replay.h"
#include "attune/version.h"
#include "attune/wire.h"
#include "oracle_internal.h"

static const char usage[] =
	"usage: attune-run [--device N] [--limit SECONDS] [--under-tool]\n"
	"       attune-run --replay FILE\n"
	"Runs, judges and times kernels for attune: frames (include/attune/wire.h) on standard input and output.\n"
	"\n"
	"  --device N        the device to use, as the driver counts them (default 0)\n"
	"  --limit SECONDS   what one call may take beyond what its work explains (default 1)\n"
	"  --under-tool      for compute-sanitizer or ncu in front of it: what runs candidates is a program of its own, ends by\n"
	"                    itself, and gives each tensor an allocation of its own, without anything around it\n"
	"  --replay FILE     answer from a recorded run; no device is needed\n"
	"  --help, --version\n";

static const struct option options[] = {
	{ "device", required_argument, NULL, 'd' }, { "limit", required_argument, NULL, 'l' },
	{ "under-tool", no_argument, NULL, 'u' },   { "child", required_argument, NULL, 'c' },
	{ "replay", required_argument, NULL, 'r' }, { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },      { NULL, 0, NULL, 0 },
};

static int complain(const char *what, const char *text)
{
	fprintf(stderr, "attune-run: %s%s (attune-run --help lists what there is)\n", what, text);
	return 2;
}

static int serve(struct judge_options *o)
{
	struct err e = { 0 };

	/* Wire frames have this descriptor to themselves: whatever else prints goes to standard error. */
	o->in_fd = STDIN_FILENO;
	o->out_fd = dup(STDOUT_FILENO);
	if (o->out_fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
		perror("attune-run: standard output");
		return 1;
	}
	if (isatty(STDIN_FILENO))
		return complain("standard input is a terminal: attune starts this program", "");
	if (judge_serve(o, &e) < 0) {
		fprintf(stderr, "attune-run: %s\n", e.text);
		return 1;
	}
	return 0;
}

/* One of the judge's children, run as a program (child.h). */
static int child(const char *name, int device)
{
	if (strcmp(name, "gpu") == 0)
		return gpu_child_main(CHILD_FD, CHILD_ARENA_FD, device);
	if (strcmp(name, "oracle") == 0)
		return oracle_child_main(CHILD_FD, CHILD_ARENA_FD, device);
	return complain("there is no child ", name);
}

int main(int argc, char **argv)
{
	struct judge_options o = { .device = 0 };
	const char *replay = NULL, *run_child = NULL;
	char *end;
	int c;

	signal(SIGPIPE, SIG_IGN);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			o.device = (int)strtol(optarg, &end, 10);
			if (*end || end == optarg || o.device < 0)
				return complain("--device takes a number, not ", optarg);
			break;
		case 'l':
			o.limit_s = strtod(optarg, &end);
			if (*end || end == optarg || !(o.limit_s > 0 && o.limit_s < 86400))
				return complain("--limit takes seconds, not ", optarg);
			break;
		case 'u':
			o.under_tool = true;
			break;
		case 'c':
			run_child = optarg;
			break;
		case 'r':
			replay = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			printf("attune-run %s\n", ATTUNE_VERSION);
			return 0;
		case ':':
			return complain("a value is missing after ", argv[optind - 1]);
		default:
			return complain("unknown option ", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return complain("unexpected argument ", argv[optind]);
	if (run_child)
		return child(run_child, o.device);
	return replay ? replay_main(replay, STDIN_FILENO, STDOUT_FILENO) : serve(&o);
}
