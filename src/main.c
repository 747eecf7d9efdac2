/* main: finds the subcommand and the folder the program belongs to, and handles signals. The only file that exits. */
#include "main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attune/fs.h"
#include "attune/score.h"
#include "attune/version.h"

volatile sig_atomic_t main_stop;

static void on_signal(int sig)
{
	(void)sig;
	/* The second one means now: the journal is whole at any moment. */
	if (main_stop)
		_exit(EXIT_STOPPED);
	main_stop = 1;
}

static char root_folder[4096];

/* $ATTUNE_ROOT, else the folder above the one this program stands in. */
static const char *default_root(void)
{
	const char *env = getenv("ATTUNE_ROOT");
	ssize_t n;

	if (env && *env)
		return env;
	n = readlink("/proc/self/exe", root_folder, sizeof(root_folder) - 1);
	if (n <= 0)
		return ".";
	root_folder[n] = 0;
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(root_folder, '/');

		if (slash)
			*slash = 0;
	}
	/* Relative paths are shorter to read and stand in journals: use one where that is the same folder. */
	if (access("lua/family.lua", R_OK) == 0 && access("kernels", R_OK) == 0)
		return ".";
	return root_folder;
}

void main_session_defaults(struct session_options *o)
{
	memset(o, 0, sizeof(*o));
	o->root = default_root();
	o->kernel = "attn";
	o->problem = "seed";
}

int main_number(const char *flag, const char *arg, long long least, long long *out, struct err *e)
{
	char *end;

	errno = 0;
	*out = strtoll(arg, &end, 10);
	if (errno || end == arg || *end || *out < least)
		return err_set(e, "--%s %s: expected a whole number of at least %lld", flag, arg, least);
	return 0;
}

int main_session_option(struct session_options *o, int option, const char *arg, struct err *e)
{
	long long n;

	switch (option) {
	case 'k':
		if (strchr(arg, '/') || arg[0] == '.' || !*arg)
			return err_set(e, "--kernel %s: expected the name of a folder under kernels/", arg);
		o->kernel = arg;
		return 1;
	case 'p': o->problem = arg; return 1;
	case 'a': o->arch = arg; return 1;
	case 'r': o->runner = arg; return 1;
	case 'n': o->nvcc = arg; return 1;
	case 'y': o->python = arg; return 1;
	case 'R': o->root = arg; return 1;
	case 'd': o->record = arg; return 1;
	case 'j':
		if (main_number("jobs", arg, 1, &n, e) < 0)
			return -1;
		o->jobs = (long)n;
		return 1;
	default: return 0;
	}
}

int main_named_problems(const struct session_options *o, json_t *problems, struct err *e)
{
	struct script_options so = { .root = o->root, .kernel = o->kernel };
	struct script *script = NULL;

	if (script_open(&script, &so, e) < 0)
		return -1;
	json_array_extend(problems, json_object_get(script_family(script), "problems"));
	script_close(script);
	return 0;
}

int main_fail(const struct err *e, int code)
{
	fprintf(stderr, "attune: %s\n", e->text);
	return code;
}

int main_usage(const char *command)
{
	fprintf(stderr, "attune: see 'attune %s --help'\n", command);
	return EXIT_USAGE;
}

static void print_help(void)
{
	puts("usage: attune COMMAND [OPTION...]\n"
	     "\n"
	     "Evolves CUDA kernels for one problem and one GPU, and writes the winner as one C header.\n"
	     "\n"
	     "commands:\n"
	     "  tune      search, judge, time, and put the winner into tuned/<kernel>_best.h\n"
	     "  suite     the same for several problems, by default all that the family names\n"
	     "  list      what the header holds\n"
	     "  drop      take one entry out of it\n"
	     "  emit      write it anew from its entries\n"
	     "  verify    rebuild every entry and compare its machine code; with a GPU judge and time it again\n"
	     "  trial     judge and time one candidate (what a journal line's \"repro\" runs)\n"
	     "  judge     judge candidates of each variant without timing them\n"
	     "  compile   compile the default candidate of each variant; warnings and spills fail\n"
	     "  measure   time a winner's header, or a cubin, again\n"
	     "  record    pack a run's journal for replaying where there is no GPU\n"
	     "  bench     score policies on recorded tuning spaces\n"
	     "\n"
	     "attune COMMAND --help lists a command's options; attune --version prints the version.");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = { { "tune", main_tune },	      { "suite", main_tune },	 { "list", main_list },
			 { "drop", main_drop },	      { "emit", main_emit },	 { "verify", main_verify },
			 { "trial", main_judge },     { "judge", main_judge },	 { "compile", main_compile },
			 { "measure", main_measure }, { "record", main_record }, { "bench", score_main } };
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
	sigaction(SIGXFSZ, &act, NULL); /* a full file-size limit is an error to report, not a death */
	if (argc < 2) {
		print_help();
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_help();
		return EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("attune %s\n", ATTUNE_VERSION);
		return EXIT_OK;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "attune: no command '%s' (", argv[1]);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "%s%s", i ? ", " : "", commands[i].name);
	fputs(")\n", stderr);
	return EXIT_USAGE;
}
