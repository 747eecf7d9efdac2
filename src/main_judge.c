/* main_judge: `attune judge` and `attune trial`: candidates through the judge, one line each. trial also times them. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/wire.h"
#include "main.h"

#define CANDIDATES_MAX 4096
#define ANSWER_S 600.0
#define ERRORS_IN_A_ROW 3

struct judging {
	struct session s;
	json_t *candidates;
	struct nvcc_result *images; /* one for each candidate, empty until compiled */
	enum progress { WAITING, COMPILED, REPORTED } *progress;
	bool timed, json, compile_only;
	long ok, bad, skipped, unjudged;
	int errors; /* in a row: of the runner, not of a candidate */
};

static void help(const char *command)
{
	bool trial = strcmp(command, "trial") == 0;

	printf("usage: attune %s [OPTION...]\n\n"
	       MAIN_SESSION_HELP
	       "  --candidate TEXT  \"mma BLOCK_M=32 ...\"; absent axes take their defaults; may be repeated\n"
	       "  --variant NAME    the default candidate of this variant; may be repeated (all variants)\n"
	       "  --random N        and N random legal candidates of each\n"
	       "  --seed N          seed of the random ones (1)\n"
	       "  --compile-only    say what compiling and reading the machine code shows; no GPU is needed\n"
	       "  --compile-limit S seconds that one compile may take (120)\n"
	       "  --json            print each result as one line of JSON\n", command);
	if (!trial)
		puts("  --time            also time what is right, as `attune trial` does");
}

static int add_text(struct judging *g, const char *text, struct err *e)
{
	json_t *c = NULL;

	if (script_candidate(g->s.script, text, &c, e) < 0)
		return -1;
	json_array_append_new(g->candidates, c);
	return 0;
}

static int add_variant(struct judging *g, const char *name, long random, uint64_t seed, struct err *e)
{
	json_t *sample = NULL;

	if (add_text(g, name, e) < 0)
		return -1;
	if (random > 0 && script_sample(g->s.script, session_problem(&g->s), name, random, seed, &sample, e) < 0)
		return -1;
	json_array_extend(g->candidates, sample);
	json_decref(sample);
	return 0;
}

static void print_result(struct judging *g, const char *text, const char *verdict, const char *why, json_t *result)
{
	const json_t *time = json_object_get(result, "time_us");
	bool ok = strcmp(verdict, "ok") == 0;

	if (strcmp(verdict, "illegal") == 0 && !result)
		g->skipped++;
	else if (strcmp(verdict, "unjudged") == 0)
		g->unjudged++;
	else if (ok)
		g->ok++;
	else
		g->bad++;
	if (g->json) {
		json_t *line = result ? json_incref(result) : json_object();
		char *dump;

		json_object_set_new(line, "candidate", json_string(text));
		json_object_set_new(line, "problem", json_string(session_problem_text(&g->s)));
		json_object_set_new(line, "arch", json_string(g->s.arch));
		json_object_set(line, "device", json_object_get(g->s.device, "name"));
		json_object_set(line, "driver", json_object_get(g->s.device, "driver"));
		json_object_set_new(line, "nvcc", json_string(nvcc_version(g->s.nvcc)));
		json_object_set_new(line, "verdict", json_string(verdict));
		json_object_set_new(line, "why", json_string(why));
		dump = json_dumps(line, JSON_COMPACT);
		puts(dump);
		free(dump);
		json_decref(line);
	} else if (ok && time) {
		printf("%-8s %9.3f us [%.3f, %.3f]  %s\n", verdict, json_number_value(time),
		       json_number_value(json_object_get(result, "time_lo_us")),
		       json_number_value(json_object_get(result, "time_hi_us")), text);
	} else {
		printf("%-8s %s%s%s\n", verdict, text, *why ? ": " : "", why);
	}
	fflush(stdout);
}

/* Submits every legal candidate to the compiler; the others wait for their turn to be reported. */
static int submit(struct judging *g, struct err *e)
{
	size_t i;
	json_t *c;

	json_array_foreach(g->candidates, i, c) {
		struct buf why, source, body;
		struct err refused = { 0 };
		const json_t *flags = NULL;
		int rc;

		buf_init(&why);
		buf_init(&source);
		buf_init(&body);
		buf_init(&g->images[i].cubin);
		rc = script_legal(g->s.script, session_problem(&g->s), c, &why, e);
		if (rc == 0) {
			json_object_set_new(c, "_illegal", json_string(buf_text(&why)));
			g->progress[i] = COMPILED;
		} else if (rc == 1) {
			rc = session_source(&g->s, c, g->s.arch, &source, &body, &flags, &refused);
			if (rc == 0)
				rc = nvcc_submit(g->s.nvcc, buf_text(&source), buf_text(&body), g->s.arch, flags, (long)i,
						 &refused);
			if (rc < 0) {
				g->images[i].why = strdup(refused.text);
				g->progress[i] = COMPILED;
				rc = 0;
			}
		}
		buf_free(&why);
		buf_free(&source);
		buf_free(&body);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* One candidate that cannot be judged does not end the others' turn; several in a row mean that none can. */
static int not_judged(struct judging *g, const char *text, const char *why, struct err *e)
{
	if (++g->errors == ERRORS_IN_A_ROW)
		return err_set(e, "runner: %s", why);
	print_result(g, text, "error", why, NULL);
	return 0;
}

static int judge_image(struct judging *g, const json_t *candidate, const char *text, const struct nvcc_result *image,
		       struct err *e)
{
	json_t *answer = NULL;
	struct err lost = { 0 };
	int rc = session_send_trial(&g->s, g->timed ? "trial" : "judge", candidate, image, NULL, NULL, &lost);

	if (rc == 0)
		rc = runner_wait(g->s.runner, &answer, ANSWER_S, &lost);
	if (rc == 0 && strcmp(wire_type(answer), "result") == 0) {
		g->errors = 0;
		print_result(g, text, json_string_value(json_object_get(answer, "verdict")),
			     json_string_value(json_object_get(answer, "why")), answer);
	} else if (rc == 0) {
		const char *why = json_string_value(json_object_get(answer, "text"));

		rc = not_judged(g, text, why ? why : "an error without a text", e);
	} else if (!main_stop) {
		rc = not_judged(g, text, lost.text, e);
		if (rc == 0 && (session_restart(&g->s, e) < 0 || session_send_problem(&g->s, e) < 0))
			rc = -1;
	}
	json_decref(answer);
	return rc;
}

static int judge_one(struct judging *g, json_t *candidate, struct nvcc_result *image, struct err *e)
{
	const char *illegal = json_string_value(json_object_get(candidate, "_illegal")), *verdict;
	struct buf text, why;
	json_t *seen = json_object(), *launches = NULL;
	struct err refused = { 0 };
	int rc = 0;

	buf_init(&text);
	buf_init(&why);
	script_candidate_text(candidate, &text);
	if (illegal) {
		print_result(g, buf_text(&text), "illegal", illegal, NULL);
	} else if (!image->ok) {
		print_result(g, buf_text(&text), "compile", image->why, NULL);
	} else if ((verdict = session_vet(&g->s, candidate, image, &why))) {
		print_result(g, buf_text(&text), verdict, buf_text(&why), seen);
	} else if (session_launches(&g->s, candidate, &launches, &refused) < 0) {
		print_result(g, buf_text(&text), "illegal", refused.text, seen);
	} else if (g->compile_only) {
		print_result(g, buf_text(&text), "unjudged", "it compiles; nothing was run", NULL);
	} else {
		rc = judge_image(g, candidate, buf_text(&text), image, e);
	}
	json_decref(seen);
	json_decref(launches);
	buf_free(&text);
	buf_free(&why);
	return rc;
}

/* Judged in the order in which they were named, whatever compiled first. */
static int judge_all(struct judging *g, struct err *e)
{
	const size_t n = json_array_size(g->candidates);
	size_t next = 0;
	int rc;

	g->images = calloc(n + 1, sizeof(*g->images));
	g->progress = calloc(n + 1, sizeof(*g->progress));
	if (!g->images || !g->progress)
		return err_set(e, "not enough memory");
	rc = submit(g, e);
	while (rc == 0 && !main_stop && next < n) {
		struct nvcc_result image = { 0 };
		struct pollfd fds[256];
		long ticket;
		int got = nvcc_next(g->s.nvcc, &ticket, &image, e);

		if (got < 0)
			return got;
		if (got == 1) {
			g->images[ticket] = image;
			g->progress[ticket] = COMPILED;
		} else if (g->progress[next] == COMPILED) {
			rc = judge_one(g, json_array_get(g->candidates, next), &g->images[next], e);
			nvcc_result_free(&g->images[next]);
			g->progress[next++] = REPORTED;
		} else {
			poll(fds, (nfds_t)nvcc_pollfds(g->s.nvcc, fds, 256), 500);
		}
	}
	return rc;
}

static void judging_free(struct judging *g)
{
	for (size_t i = 0; g->images && i < json_array_size(g->candidates); i++)
		nvcc_result_free(&g->images[i]);
	free(g->images);
	free(g->progress);
	json_decref(g->candidates);
}

static int run(struct judging *g, const json_t *texts, const json_t *variants, long random, uint64_t seed, struct err *e)
{
	const json_t *family = json_object_get(script_family(g->s.script), "variants");
	size_t i;
	json_t *v;
	int rc = 0;

	json_array_foreach(texts, i, v)
		if (rc == 0)
			rc = add_text(g, json_string_value(v), e);
	if (json_array_size(texts) == 0 && json_array_size(variants) == 0) {
		json_array_foreach(family, i, v)
			if (rc == 0 && !json_is_true(json_object_get(v, "baseline")))
				rc = add_variant(g, json_string_value(json_object_get(v, "name")), random, seed, e);
	}
	json_array_foreach(variants, i, v)
		if (rc == 0)
			rc = add_variant(g, json_string_value(v), random, seed, e);
	if (rc == 0 && !g->compile_only)
		rc = session_send_problem(&g->s, e);
	return rc == 0 ? judge_all(g, e) : rc;
}

int main_judge(int argc, char **argv)
{
	static const struct option longs[] = { MAIN_SESSION_OPTIONS,
					       { "candidate", required_argument, NULL, 'c' },
					       { "variant", required_argument, NULL, 'v' },
					       { "random", required_argument, NULL, 'N' },
					       { "seed", required_argument, NULL, 's' },
					       { "time", no_argument, NULL, 'T' },
					       { "json", no_argument, NULL, 'J' },
					       { "compile-only", no_argument, NULL, 'O' },
					       { "compile-limit", required_argument, NULL, 'L' },
					       { NULL, 0, NULL, 0 } };
	struct judging g = { .timed = strcmp(argv[0], "trial") == 0 };
	struct session_options o;
	struct err e = { 0 };
	json_t *texts = json_array(), *variants = json_array();
	long long n, random = 0, seed = 1;
	int c, rc;

	main_session_defaults(&o);
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		rc = main_session_option(&o, c, optarg, &e);
		if (rc < 0)
			return main_fail(&e, EXIT_USAGE);
		if (rc == 1)
			continue;
		switch (c) {
		case 'c': json_array_append_new(texts, json_string(optarg)); break;
		case 'v': json_array_append_new(variants, json_string(optarg)); break;
		case 'N':
		case 's':
			if (main_number(c == 'N' ? "random" : "seed", optarg, 0, &n, &e) < 0)
				return main_fail(&e, EXIT_USAGE);
			*(c == 'N' ? &random : &seed) = n;
			break;
		case 'T': g.timed = true; break;
		case 'J': g.json = true; break;
		case 'O': g.compile_only = o.any_image = true; break;
		case 'L':
			if (main_number("compile-limit", optarg, 1, &n, &e) < 0)
				return main_fail(&e, EXIT_USAGE);
			o.compile_limit_s = (double)n;
			break;
		case 'h': help(argv[0]); return EXIT_OK;
		default: return main_usage(argv[0]);
		}
	}
	g.candidates = json_array();
	rc = session_open(&g.s, &o, &e);
	if (rc == 0 && g.s.mode == SESSION_STATIC && !g.compile_only)
		rc = err_set(&e, "no GPU on which %s runs, and no recorded run of this problem: nothing can be judged", g.s.arch);
	if (rc == 0)
		rc = run(&g, texts, variants, (long)random, (uint64_t)seed, &e);
	if (rc == 0 && !g.json)
		printf("%ld right, %ld rejected, %ld not legal here: %s, %s (%s)\n", g.ok, g.bad, g.skipped,
		       session_problem_text(&g.s), g.s.arch, g.compile_only ? "compiled only" : session_mode_text(&g.s));
	judging_free(&g);
	json_decref(texts);
	json_decref(variants);
	session_close(&g.s);
	if (rc < 0)
		return main_fail(&e, EXIT_BAD);
	return main_stop ? EXIT_STOPPED : g.bad ? EXIT_BAD : EXIT_OK;
}
