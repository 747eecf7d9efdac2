/* main_measure: `attune measure`: times machine code again, later: a winner's, taken out of its header and held against the
 * interval that its evidence published, or a cubin's. By the championship's protocol, in fresh processes, after a judgement.
 * With --aa it holds championships of the code against itself instead and counts how many claim a winner. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/fs.h"
#include "attune/hash.h"
#include "attune/wire.h"
#include "main.h"

#define ANSWER_S 900.0
#define FILE_MAX (256u << 20)

enum { ID_MAX = 16, TOGETHER_MAX = 15 };

struct measuring {
	struct session_options o;
	struct session s;
	const char *file, *candidate_text;
	long long processes, championships, together;
	bool json, compile_only, judge_only;
	struct buf image;
	json_t *evidence;       /* of a header, NULL for a cubin */
	double lo_us, time_us, hi_us; /* published; 0 when nothing was */
};

static void help(void)
{
	printf("usage: attune measure FILE [OPTION...]\n\n"
	       "FILE is a winner's header (its .json must stand beside it), or a .cubin (then --candidate and --problem say what\n"
	       "it is). Exit status 0: right, and within the published interval.\n\n"
	       MAIN_SESSION_HELP
	       "  --candidate TEXT  the candidate whose launch is used (a header's evidence names it)\n"
	       "  --processes N     fresh processes (3)\n"
	       "  --aa N            N championships of the code against itself: how many claim a winner\n"
	       "  --together N      so many of them in the same fresh processes (15)\n"
	       "  --compile-only    only say what reading the machine code shows; no GPU is needed\n"
	       "  --judge-only      judge it, without timing: under a profiler or a sanitizer (--runner)\n"
	       "  --json            print the result as one line of JSON\n");
}

/* The words of an array from its opening brace on, as bytes. */
static void take_words(const char *p, struct buf *out)
{
	while (*p && *p != '}') {
		char *end;
		unsigned long long word = strtoull(p, &end, 0);

		if (end == p) {
			p++;
			continue;
		}
		for (int i = 0; i < 8; i++)
			buf_addc(out, (char)(word >> 8 * i));
		p = end;
	}
}

/* The array of a header whose bytes have this hash; the last word is padded, so up to seven zeros may be too many. */
static bool find_image(const char *header, const char *sha256, struct buf *image)
{
	const char *p = header;

	while ((p = strstr(p, "_image_[] = {"))) {
		char hex[HASH_HEX];

		p += strlen("_image_[] = {");
		buf_clear(image);
		take_words(p, image);
		for (int cut = 0; cut < 8 && image->len > 0; cut++) {
			hash_bytes(hex, image->data, image->len);
			if (strcmp(hex, sha256) == 0)
				return true;
			image->len--;
		}
	}
	return false;
}

static bool ends_with(const char *text, const char *end)
{
	return strlen(text) > strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static const char *evidence_text(const struct measuring *m, const char *name)
{
	return json_string_value(json_object_get(m->evidence, name));
}

/* The championship's numbers of the winner: only those are published. */
static void take_published(struct measuring *m)
{
	const json_t *entries = json_object_get(json_object_get(m->evidence, "championship"), "entries"), *entry;
	size_t i;

	if (!json_is_true(json_object_get(m->evidence, "measured")))
		return;
	json_array_foreach((json_t *)entries, i, entry) {
		const char *text = json_string_value(json_object_get(entry, "candidate"));

		if (!text || !m->candidate_text || strcmp(text, m->candidate_text) != 0)
			continue;
		m->time_us = json_number_value(json_object_get(entry, "time_us"));
		m->lo_us = json_number_value(json_object_get(entry, "lo_us"));
		m->hi_us = json_number_value(json_object_get(entry, "hi_us"));
	}
}

static int read_header(struct measuring *m, struct err *e)
{
	const char *sha256;
	struct buf path, text;
	json_error_t where;
	int rc;

	buf_init(&path);
	buf_init(&text);
	buf_addf(&path, "%.*s.json", (int)(strrchr(m->file, '.') - m->file), m->file);
	rc = fs_read(buf_text(&path), &text, FILE_MAX, e);
	if (rc == 0)
		m->evidence = json_loadb(text.data, text.len, 0, &where);
	if (rc == 0 && !m->evidence)
		rc = err_set(e, "%s:%d: %s", buf_text(&path), where.line, where.text);
	sha256 = json_string_value(json_object_get(json_object_get(m->evidence, "provenance"), "cubin_sha256"));
	buf_clear(&text);
	if (rc == 0)
		rc = fs_read(m->file, &text, FILE_MAX, e);
	if (rc == 0 && (!sha256 || !find_image(buf_text(&text), sha256, &m->image)))
		rc = err_set(e, "%s holds no machine code with the hash that %s names: they do not belong together, or one was "
				"changed", m->file, buf_text(&path));
	if (rc == 0) {
		m->o.kernel = evidence_text(m, "kernel") ? evidence_text(m, "kernel") : m->o.kernel;
		m->o.problem = evidence_text(m, "problem") ? evidence_text(m, "problem") : m->o.problem;
		m->o.arch = evidence_text(m, "arch") ? evidence_text(m, "arch") : m->o.arch;
		m->candidate_text = evidence_text(m, "candidate_text");
		take_published(m);
	}
	buf_free(&path);
	buf_free(&text);
	return rc;
}

static int read_file(struct measuring *m, struct err *e)
{
	if (ends_with(m->file, ".h"))
		return read_header(m, e);
	if (!m->candidate_text)
		return err_set(e, "%s: --candidate is missing: machine code alone does not say how it is launched", m->file);
	return fs_read(m->file, &m->image, FILE_MAX, e);
}

static const char *image_id(char id[ID_MAX], int i)
{
	snprintf(id, ID_MAX, "copy %d", i);
	return id;
}

static int load(struct measuring *m, const char *id, struct err *e)
{
	json_t *head = json_pack("{s:s, s:s}", "type", "load", "id", id);
	int rc = runner_send(m->s.runner, head, m->image.data, m->image.len, e);

	json_decref(head);
	return rc;
}

static int judge(struct measuring *m, const json_t *launches, json_t **answer, struct err *e)
{
	json_t *head = json_pack("{s:s, s:s, s:s, s:O}", "type", "judge", "id", "copy 0", "candidate", m->candidate_text, "launches",
				 launches);
	int rc = session_request(&m->s, head, NULL, 0, ANSWER_S, answer, e);

	json_decref(head);
	return rc;
}

/* One entry, or pairs of entries that are the same code under two names. */
static int champion(struct measuring *m, const json_t *launches, int count, json_t **answer, struct err *e)
{
	json_t *entries = json_array(), *head;
	int rc;

	for (int i = 0; i < count; i++) {
		char id[ID_MAX];

		json_array_append_new(entries, json_pack("{s:s, s:s, s:O}", "id", image_id(id, i), "candidate", m->candidate_text,
							 "launches", launches));
	}
	head = json_pack("{s:s, s:o, s:[], s:I}", "type", "champion", "entries", entries, "baselines", "processes",
			 (json_int_t)m->processes);
	rc = session_request(&m->s, head, NULL, 0, ANSWER_S, answer, e);
	json_decref(head);
	return rc;
}

/* One entry beats another when it is faster in every process, by more than the noise. */
static bool claims(const json_t *answer, int winner, int loser)
{
	const json_t *entries = json_object_get(answer, "entries");
	const json_t *w = json_array_get(entries, (size_t)winner), *l = json_array_get(entries, (size_t)loser);
	const json_t *w_us = json_object_get(w, "per_process_us"), *l_us = json_object_get(l, "per_process_us");
	const double noise = json_number_value(json_object_get(json_object_get(answer, "noise"), "aa_p95"));
	const double us = json_number_value(json_object_get(w, "time_us")), than = json_number_value(json_object_get(l, "time_us"));
	const size_t processes = (size_t)json_integer_value(json_object_get(answer, "processes"));
	bool faster = us > 0 && than > 0 && json_array_size(w_us) == processes && json_array_size(l_us) == processes;

	for (size_t p = 0; faster && p < processes; p++)
		faster = json_number_value(json_array_get(w_us, p)) < json_number_value(json_array_get(l_us, p));
	return faster && log(than / us) > noise;
}

static bool timed(const json_t *answer, int entry)
{
	return json_number_value(json_object_get(json_array_get(json_object_get(answer, "entries"), (size_t)entry), "time_us")) > 0;
}

/* Several at a time: the processes are fresh for all of them, and starting those is what takes long. */
static int against_itself(struct measuring *m, const json_t *launches, bool *good, struct err *e)
{
	long long claimed = 0, held = 0, failed = 0;

	while (held + failed < m->championships && !main_stop) {
		const long long left = m->championships - held - failed;
		const int pairs = (int)(left < m->together ? left : m->together);
		json_t *answer = NULL;

		for (int i = 0; i < 2 * pairs; i++) {
			char id[ID_MAX];

			if (load(m, image_id(id, i), e) < 0)
				return -1;
		}
		if (champion(m, launches, 2 * pairs, &answer, e) < 0)
			return -1;
		for (int i = 0; i < 2 * pairs; i += 2) {
			const bool both = timed(answer, i) && timed(answer, i + 1);

			claimed += both && (claims(answer, i, i + 1) || claims(answer, i + 1, i));
			held += both;
			failed += !both;
		}
		if (m->json) {
			char *dump = json_dumps(answer, JSON_COMPACT);

			puts(dump);
			free(dump);
		}
		json_decref(answer);
	}
	printf("%lld of %lld championships of the code against itself claimed a winner", claimed, held);
	if (failed)
		printf("; %lld failed", failed);
	puts("");
	*good = failed == 0;
	return 0;
}

static int again(struct measuring *m, const json_t *launches, bool *within, struct err *e)
{
	json_t *answer = NULL, *entry;
	double us, lo, hi;

	if (champion(m, launches, 1, &answer, e) < 0)
		return -1;
	entry = json_array_get(json_object_get(answer, "entries"), 0);
	us = json_number_value(json_object_get(entry, "time_us"));
	lo = json_number_value(json_object_get(entry, "lo_us"));
	hi = json_number_value(json_object_get(entry, "hi_us"));
	if (us <= 0) {
		const char *why = json_string_value(json_object_get(entry, "why"));
		int rc = err_set(e, "%s", why ? why : "it was not timed");

		json_decref(answer);
		return rc;
	}
	*within = m->time_us <= 0 || (us >= m->lo_us && us <= m->hi_us);
	if (m->json) {
		char *dump;

		if (m->time_us > 0)
			json_object_set_new(answer, "published", json_pack("{s:f, s:f, s:f, s:b}", "time_us", m->time_us, "lo_us",
									    m->lo_us, "hi_us", m->hi_us, "within", *within));
		json_object_set(answer, "device", json_object_get(m->s.device, "name"));
		dump = json_dumps(answer, JSON_COMPACT);
		puts(dump);
		free(dump);
	} else {
		printf("%.3f us [%.3f, %.3f] in %lld fresh processes: %s\n", us, lo, hi, m->processes, m->candidate_text);
		if (m->time_us > 0)
			printf("published %.3f us [%.3f, %.3f]: %s\n", m->time_us, m->lo_us, m->hi_us,
			       *within ? "within" : "OUTSIDE");
	}
	json_decref(answer);
	return 0;
}

/* 1: right (or nothing more was asked); 0: something is against it, and printed. */
static int examine(struct measuring *m, json_t **launches, struct err *e)
{
	struct nvcc_result image = { .cubin = m->image };
	json_t *candidate = NULL, *answer = NULL;
	const char *verdict, *why;
	struct buf text;
	int rc = script_candidate(m->s.script, m->candidate_text, &candidate, e);

	buf_init(&text);
	if (rc == 0 && (verdict = session_vet(&m->s, candidate, &image, &text))) {
		printf("%-8s %s: %s\n", verdict, m->file, buf_text(&text));
		goto out;
	}
	if (rc == 0 && m->compile_only) {
		printf("unjudged %s: nothing is against it; nothing was run\n", m->file);
		rc = 1;
		goto out;
	}
	if (rc == 0)
		rc = session_send_problem(&m->s, e);
	if (rc == 0)
		rc = session_launches(&m->s, candidate, launches, e);
	if (rc == 0 && load(m, "copy 0", e) == 0)
		rc = judge(m, *launches, &answer, e);
	if (rc == 0) {
		verdict = json_string_value(json_object_get(answer, "verdict"));
		why = json_string_value(json_object_get(answer, "why"));
		rc = verdict && strcmp(verdict, "ok") == 0;
		if (!rc || m->judge_only)
			printf("%-8s %s%s%s\n", verdict ? verdict : "?", m->file, why && *why ? ": " : "", why ? why : "");
	}
out:
	json_decref(candidate);
	json_decref(answer);
	buf_free(&text);
	return e->code ? e->code : rc;
}

static int measure(struct measuring *m, bool *good, struct err *e)
{
	json_t *launches = NULL;
	int rc = read_file(m, e);

	*good = false;
	if (rc == 0)
		rc = session_open(&m->s, &m->o, e);
	if (rc == 0 && m->s.mode != SESSION_LIVE && !m->compile_only)
		rc = err_set(e, "no GPU on which %s runs: nothing can be measured", m->s.arch);
	if (rc == 0)
		rc = examine(m, &launches, e);
	*good = rc == 1;
	if (rc == 1 && !m->compile_only && !m->judge_only)
		rc = m->championships ? against_itself(m, launches, good, e) : again(m, launches, good, e);
	json_decref(launches);
	return rc;
}

int main_measure(int argc, char **argv)
{
	static const struct option longs[] = { MAIN_SESSION_OPTIONS,
					       { "candidate", required_argument, NULL, 'c' },
					       { "processes", required_argument, NULL, 'P' },
					       { "aa", required_argument, NULL, 'A' },
					       { "together", required_argument, NULL, 'T' },
					       { "compile-only", no_argument, NULL, 'O' },
					       { "judge-only", no_argument, NULL, 'G' },
					       { "json", no_argument, NULL, 'J' },
					       { NULL, 0, NULL, 0 } };
	struct measuring m = { .processes = 3, .together = TOGETHER_MAX };
	struct err e = { 0 };
	bool good;
	int c, rc;

	main_session_defaults(&m.o);
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		rc = main_session_option(&m.o, c, optarg, &e);
		if (rc < 0)
			return main_fail(&e, EXIT_USAGE);
		if (rc == 1)
			continue;
		rc = 0;
		switch (c) {
		case 'c': m.candidate_text = optarg; break;
		case 'P': rc = main_number("processes", optarg, 1, &m.processes, &e); break;
		case 'A': rc = main_number("aa", optarg, 1, &m.championships, &e); break;
		case 'T': rc = main_number("together", optarg, 1, &m.together, &e); break;
		case 'O': m.compile_only = m.o.any_image = true; break;
		case 'G': m.judge_only = true; break;
		case 'J': m.json = true; break;
		case 'h': help(); return EXIT_OK;
		default: return main_usage("measure");
		}
		if (rc < 0)
			return main_fail(&e, EXIT_USAGE);
	}
	m.together = m.together > TOGETHER_MAX ? TOGETHER_MAX : m.together;
	if (optind + 1 != argc) {
		fputs("attune: measure takes one file: a winner's header or a .cubin\n", stderr);
		return EXIT_USAGE;
	}
	m.file = argv[optind];
	rc = measure(&m, &good, &e);
	session_close(&m.s);
	buf_free(&m.image);
	json_decref(m.evidence);
	if (rc < 0)
		return main_fail(&e, EXIT_BAD);
	return main_stop ? EXIT_STOPPED : good ? EXIT_OK : EXIT_BAD;
}
