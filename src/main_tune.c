/* main_tune: the options of `attune tune`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/fs.h"
#include "main.h"

static void say(void *to, const char *line)
{
	(void)to;
	printf("%s\n", line);
	fflush(stdout);
}

static void help(void)
{
	printf("usage: attune tune [OPTION...]\n\n"
	       MAIN_SESSION_HELP
	       "  --trials N        budget of candidates (45)\n"
	       "  --seed N          seed of the search (1)\n"
	       "  --policy FILE     the Lua policy (lua/policy.lua)\n"
	       "  --out FOLDER      where the winner is written (tuned)\n"
	       "  --finalists N     candidates in the championship (3)\n"
	       "  --processes N     fresh processes of the championship (3)\n");
}

/* A policy that is not found as given is looked for below root, so that the program works from any folder. */
static char *policy_path(const char *root, const char *name)
{
	if (name[0] == '/' || fs_exists(name))
		return strdup(name);
	return fs_join(root, name);
}

int main_tune(int argc, char **argv)
{
	static const struct option longs[] = { MAIN_SESSION_OPTIONS,
					       { "trials", required_argument, NULL, 't' },
					       { "seed", required_argument, NULL, 's' },
					       { "policy", required_argument, NULL, 'P' },
					       { "out", required_argument, NULL, 'o' },
					       { "finalists", required_argument, NULL, 'f' },
					       { "processes", required_argument, NULL, 'c' },
					       { NULL, 0, NULL, 0 } };
	struct tune_options o = { .trials = 45, .seed = 1, .finalists = 3, .processes = 3, .stop = &main_stop };
	struct err e = { 0 };
	const char *out = NULL;
	char *policy, *out_path;
	long long n = 0;
	int c, rc;

	main_session_defaults(&o.session);
	o.policy_name = "lua/policy.lua";
	o.session.say = say;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		rc = main_session_option(&o.session, c, optarg, &e);
		if (rc < 0)
			return main_fail(&e, EXIT_USAGE);
		if (rc == 1)
			continue;
		rc = 0;
		switch (c) {
		case 't': rc = main_number("trials", optarg, 1, &n, &e); o.trials = (long)n; break;
		case 's': rc = main_number("seed", optarg, 0, &n, &e); o.seed = (uint64_t)n; break;
		case 'f': rc = main_number("finalists", optarg, 1, &n, &e); o.finalists = (long)n; break;
		case 'c': rc = main_number("processes", optarg, 1, &n, &e); o.processes = (long)n; break;
		case 'P': o.policy_name = optarg; break;
		case 'o': out = optarg; break;
		case 'h': help(); return EXIT_OK;
		default: return main_usage("tune");
		}
		if (rc < 0)
			return main_fail(&e, EXIT_USAGE);
	}
	if (optind < argc) {
		fprintf(stderr, "attune: unexpected argument '%s': quote a problem's text\n", argv[optind]);
		return EXIT_USAGE;
	}
	policy = policy_path(o.session.root, o.policy_name);
	out_path = out ? strdup(out) : strcmp(o.session.root, ".") == 0 ? strdup("tuned") : fs_join(o.session.root, "tuned");
	o.session.policy = policy;
	o.out = out_path;
	rc = tune_main(&o, &e);
	free(policy);
	free(out_path);
	if (rc == ERR_INTR)
		return EXIT_STOPPED;
	return rc < 0 ? main_fail(&e, EXIT_BAD) : EXIT_OK;
}
