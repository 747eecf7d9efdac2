/* main_tune: the options of `attune tune`, and `attune suite`: the same for several problems, one after the other. */
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

static void help(const char *command)
{
	printf("usage: attune %s [OPTION...]\n\n"
	       MAIN_SESSION_HELP
	       "  --trials N        budget of candidates (45)\n"
	       "  --seed N          seed of the search (1)\n"
	       "  --policy FILE     the Lua policy (lua/policy.lua)\n"
	       "  --out FOLDER      where the winner is written (tuned); it joins the entries that are there\n"
	       "  --finalists N     candidates in the championship (3); 0: only a search, nothing but its journal is written\n"
	       "  --processes N     fresh processes of the championship (3)\n"
	       "  --no-baselines    measure nothing to compare with\n", command);
	if (strcmp(command, "suite") == 0)
		puts("\n--problem may be repeated; without any, every named problem of the family is tuned. A problem that fails does\n"
		     "not keep the others from being tuned.");
}

/* A policy that is not found as given is looked for below root, so that the program works from any folder. */
static char *policy_path(const char *root, const char *name)
{
	if (name[0] == '/' || fs_exists(name))
		return strdup(name);
	return fs_join(root, name);
}

/* Each problem in turn. Returns an exit code. */
static int tune_all(struct tune_options *o, const json_t *problems)
{
	size_t i, bad = 0;
	json_t *problem;

	json_array_foreach(problems, i, problem) {
		struct err e = { 0 };
		int rc;

		o->session.problem = json_string_value(problem);
		if (json_array_size(problems) > 1)
			printf("%s== problem %zu of %zu: %s\n", i ? "\n" : "", i + 1, json_array_size(problems), o->session.problem);
		fflush(stdout);
		rc = tune_main(o, &e);
		if (rc == ERR_INTR)
			return EXIT_STOPPED;
		if (rc < 0) {
			main_fail(&e, EXIT_BAD);
			bad++;
		}
	}
	if (json_array_size(problems) > 1)
		printf("\n%zu problems tuned, %zu failed\n", json_array_size(problems) - bad, bad);
	return bad ? EXIT_BAD : EXIT_OK;
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
					       { "no-baselines", no_argument, NULL, 'B' },
					       { NULL, 0, NULL, 0 } };
	struct tune_options o = { .trials = 45, .seed = 1, .finalists = 3, .processes = 3, .stop = &main_stop };
	bool suite = strcmp(argv[0], "suite") == 0;
	struct err e = { 0 };
	json_t *problems = json_array();
	const char *out = NULL;
	char *policy = NULL, *out_path = NULL;
	long long n = 0;
	int c, rc, code = EXIT_USAGE;

	main_session_defaults(&o.session);
	o.policy_name = "lua/policy.lua";
	o.session.say = say;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		rc = main_session_option(&o.session, c, optarg, &e);
		if (c == 'p')
			json_array_append_new(problems, json_string(optarg));
		if (rc < 0) {
			code = main_fail(&e, EXIT_USAGE);
			goto out;
		}
		if (rc == 1)
			continue;
		rc = 0;
		switch (c) {
		case 't': rc = main_number("trials", optarg, 1, &n, &e); o.trials = (long)n; break;
		case 's': rc = main_number("seed", optarg, 0, &n, &e); o.seed = (uint64_t)n; break;
		case 'f': rc = main_number("finalists", optarg, 0, &n, &e); o.finalists = (long)n; break;
		case 'c': rc = main_number("processes", optarg, 1, &n, &e); o.processes = (long)n; break;
		case 'B': o.no_baselines = true; break;
		case 'P': o.policy_name = optarg; break;
		case 'o': out = optarg; break;
		case 'h': help(argv[0]); code = EXIT_OK; goto out;
		default: code = main_usage(argv[0]); goto out;
		}
		if (rc < 0) {
			code = main_fail(&e, EXIT_USAGE);
			goto out;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "attune: unexpected argument '%s': quote a problem's text\n", argv[optind]);
		goto out;
	}
	if (json_array_size(problems) > 1 && !suite) {
		fprintf(stderr, "attune: tune takes one --problem; 'attune suite' takes several\n");
		goto out;
	}
	rc = suite && !json_array_size(problems) ? main_named_problems(&o.session, problems, &e) : 0;
	if (rc < 0) {
		code = main_fail(&e, EXIT_BAD);
		goto out;
	}
	if (!json_array_size(problems))
		json_array_append_new(problems, json_string(o.session.problem));
	policy = policy_path(o.session.root, o.policy_name);
	out_path = main_out_folder(o.session.root, out);
	o.session.policy = policy;
	o.out = out_path;
	code = tune_all(&o, problems);
out:
	free(policy);
	free(out_path);
	json_decref(problems);
	return code;
}
