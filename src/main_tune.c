/* main_tune: the options of `attune tune` and of `attune suite`, which is in main_suite.c. */
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
	       "  --baselines WHEN  each: before the search and in the championship (tune); once: after the search (suite); none\n"
	       "  --sanitizer MODE  auto: the winner must pass compute-sanitizer where that is installed; off (auto)\n"
	       "  --profile MODE    auto, off, or N: so many of the best candidates are profiled on the way, where ncu is\n"
	       "                    installed, for the policy to see what limits them (auto: 3)\n", command);
	if (strcmp(command, "suite") == 0)
		puts("  --retune WHICH    sources: what was tuned with other sources, policy, seed, device, toolkit or fewer trials (the\n"
		     "                    default); winner: sources count only where they change the winner's own; missing: what has\n"
		     "                    no measured entry; all\n"
		     "\n--problem may be repeated; without any, every named problem of the family is tuned. A problem that fails does\n"
		     "not keep the others from being tuned; one whose entry is up to date is left alone.");
}

/* A policy that is not found as given is looked for below root, so that the program works from any folder. */
static char *policy_path(const char *root, const char *name)
{
	if (name[0] == '/' || fs_exists(name))
		return strdup(name);
	return fs_join(root, name);
}

static int take_sanitizer(const char *arg, struct tune_options *o, struct err *e)
{
	o->no_sanitizer = strcmp(arg, "off") == 0;
	if (o->no_sanitizer || strcmp(arg, "auto") == 0)
		return 0;
	return err_set(e, "--sanitizer %s: auto or off", arg);
}

static int take_profile(const char *arg, struct tune_options *o, struct err *e)
{
	long long n = strcmp(arg, "off") == 0 ? 0 : TUNE_PROFILES;
	int rc = 0;

	if (strcmp(arg, "off") != 0 && strcmp(arg, "auto") != 0)
		rc = main_number("profile", arg, 0, &n, e);
	o->profiles = (long)n;
	return rc;
}

/* One of the words, by its place; -1 and a message for another. */
static int word(const char *flag, const char *arg, const char *const *words, struct err *e)
{
	struct buf list;
	int i;

	for (i = 0; words[i]; i++)
		if (strcmp(words[i], arg) == 0)
			return i;
	buf_init(&list);
	for (i = 0; words[i]; i++)
		buf_addf(&list, "%s%s", i ? ", " : "", words[i]);
	err_set(e, "--%s %s: expected one of %s", flag, arg, buf_text(&list));
	buf_free(&list);
	return -1;
}

static int tune_one(struct tune_options *o, const char *problem)
{
	struct err e = { 0 };
	int rc;

	o->session.problem = problem;
	rc = tune_main(o, &e);
	return rc == ERR_INTR ? EXIT_STOPPED : rc < 0 ? main_fail(&e, EXIT_BAD) : EXIT_OK;
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
					       { "baselines", required_argument, NULL, 'B' },
					       { "retune", required_argument, NULL, 'T' },
					       { "sanitizer", required_argument, NULL, 'S' },
					       { "profile", required_argument, NULL, 'F' },
					       { NULL, 0, NULL, 0 } };
	struct tune_options o = { .trials = 45, .seed = 1, .finalists = 3, .processes = 3, .profiles = TUNE_PROFILES,
				  .stop = &main_stop };
	static const char *const whens[] = { "each", "once", "none", NULL };
	static const char *const whichs[] = { "sources", "winner", "missing", "all", NULL };
	bool suite = strcmp(argv[0], "suite") == 0;
	enum suite_retune retune = RETUNE_SOURCES;
	struct err e = { 0 };
	json_t *problems = json_array();
	const char *out = NULL;
	char *policy = NULL, *out_path = NULL;
	long long n = 0;
	int c, rc, code = EXIT_USAGE;

	main_session_defaults(&o.session);
	/* A suite's evidence measures baselines beside the winners, and better: interleaved (kernels/FAMILY/suite). */
	o.baselines = suite ? BASELINES_ONCE : BASELINES_EACH;
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
		case 'B': rc = word("baselines", optarg, whens, &e); o.baselines = (enum tune_baselines)(rc < 0 ? 0 : rc); break;
		case 'T':
			rc = suite ? word("retune", optarg, whichs, &e) : err_set(&e, "--retune is for 'attune suite'");
			retune = (enum suite_retune)(rc < 0 ? 0 : rc);
			break;
		case 'S': rc = take_sanitizer(optarg, &o, &e); break;
		case 'F': rc = take_profile(optarg, &o, &e); break;
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
	code = suite ? suite_run(&o, problems, retune) : tune_one(&o, json_string_value(json_array_get(problems, 0)));
out:
	free(policy);
	free(out_path);
	json_decref(problems);
	return code;
}
