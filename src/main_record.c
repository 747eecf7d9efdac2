/* main_record: `attune record`: a run's journal, packed for replaying where there is no GPU, and written in two formats for
 * others: a recorded space, which `attune bench` reads, and T4. Intents are dropped and lines are numbered and checksummed
 * anew; no time is changed, added or left out. What compiling tells of a candidate stands in the journal; where it does
 * not (--compile), it is made here, but only of machine code with the hash that was recorded. What is packed has its
 * candidates' names completed (main_record_names.c); spaces hold the axes that were searched. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "attune/fs.h"
#include "attune/space.h"
#include "main.h"

struct recording {
	struct session_options o;
	const char *journal, *pack, *space, *t4;
	bool compile;
	json_t *records;
	long matching, other; /* compiled: to the recorded machine code, to none or another */
};

static void help(void)
{
	printf("usage: attune record JOURNAL [FILE.jsonl.gz] [OPTION...]\n\n"
	       "Packs build/runs/.../trials.jsonl for replaying: put FILE under tuned/records/ to have it found. JOURNAL may be\n"
	       "such a FILE itself, also the same one: the names of its candidates are completed with the defaults of axes that\n"
	       "the family has got since.\n\n"
	       "  --space FILE.tsv[.gz]   a recorded space of the run's candidates, for attune bench\n"
	       "  --t4 FILE.json[.gz]     the same in T4, the autotuning community's format of results\n"
	       "  --compile               compile candidates of which the journal does not say what compiling tells\n"
	       "  --jobs N, --nvcc PATH   for --compile: compilers at once, the compiler\n"
	       "  --root FOLDER           holds kernels/ and lua/ (the folder above this program's)\n");
}

static int pack(const json_t *records, const char *name, struct buf *out, long *trials, struct err *e)
{
	size_t i;
	json_t *r;
	long seq = 1;
	int rc = 0;

	*trials = 0;
	json_array_foreach(records, i, r) {
		const char *kind = json_string_value(json_object_get(r, "kind"));

		if (rc < 0 || !kind || strcmp(kind, "intent") == 0)
			continue;
		*trials += strcmp(kind, "trial") == 0;
		if (strcmp(kind, "run") == 0)
			json_object_set_new(r, "run_name", json_string(name));
		rc = journal_line(r, seq++, out, e);
	}
	return rc;
}

static int write_gz(const char *path, const struct buf *text, struct err *e)
{
	struct buf packed;
	z_stream z = { 0 };
	int rc;

	buf_init(&packed);
	/* 15 + 16: a gzip header, without name or time, so that equal records give equal bytes. */
	if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return err_set(e, "zlib could not start");
	buf_reserve(&packed, deflateBound(&z, text->len) + 64);
	z.next_in = (unsigned char *)text->data;
	z.avail_in = (unsigned)text->len;
	z.next_out = (unsigned char *)packed.data;
	z.avail_out = (unsigned)(deflateBound(&z, text->len) + 64);
	rc = deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : err_set(e, "zlib could not pack the record");
	packed.len = z.total_out;
	deflateEnd(&z);
	if (rc == 0)
		rc = fs_write_atomic(path, packed.data, packed.len, e);
	buf_free(&packed);
	return rc;
}

static int write_out(const char *path, const struct buf *text, struct err *e)
{
	const size_t n = strlen(path);

	if (n > 3 && strcmp(path + n - 3, ".gz") == 0)
		return write_gz(path, text, e);
	return fs_write_atomic(path, text->data, text->len, e);
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* --- what compiling tells, of candidates whose record does not say it ---------------------------------------------- */

static bool wanted(const json_t *r)
{
	const char *kind = json_string_value(json_object_get(r, "kind")), *verdict = json_string_value(json_object_get(r, "verdict"));

	return kind && strcmp(kind, "trial") == 0 && verdict && strcmp(verdict, "ok") == 0 && !json_object_get(r, "static") &&
	       json_object_get(r, "cubin_sha256");
}

static int submit(struct session *s, const json_t *r, long ticket, struct err *e)
{
	json_t *candidate = NULL;
	const json_t *flags = NULL;
	struct buf source, body;
	int rc;

	buf_init(&source);
	buf_init(&body);
	rc = script_candidate(s->script, json_string_value(json_object_get(r, "candidate")), &candidate, e);
	if (rc == 0)
		rc = session_source(s, candidate, s->arch, &source, &body, &flags, e);
	if (rc == 0)
		rc = nvcc_submit(s->nvcc, buf_text(&source), buf_text(&body), s->arch, flags, ticket, e);
	json_decref(candidate);
	buf_free(&source);
	buf_free(&body);
	return rc;
}

static void take(struct recording *g, struct session *s, json_t *r, const struct nvcc_result *image)
{
	const char *recorded = json_string_value(json_object_get(r, "cubin_sha256"));
	json_t *candidate = NULL, *facts = NULL;

	if (image->ok && strcmp(image->cubin_sha256, recorded) == 0 &&
	    script_candidate(s->script, json_string_value(json_object_get(r, "candidate")), &candidate, NULL) == 0)
		facts = session_static(s, candidate, image);
	*(facts ? &g->matching : &g->other) += 1;
	if (facts)
		json_object_set_new(r, "static", facts);
	json_decref(candidate);
}

static int compile_all(struct recording *g, struct session *s, struct err *e)
{
	long asked = 0, got = 0;
	size_t i;
	json_t *r;

	json_array_foreach(g->records, i, r) {
		if (!wanted(r))
			continue;
		/* A candidate that today's family does not know cannot be compiled: it stays as it is. */
		if (submit(s, r, (long)i, e) == 0)
			asked++;
		else
			g->other++;
		err_clear(e);
	}
	while (got < asked && !main_stop) {
		struct nvcc_result image = { 0 };
		struct pollfd fds[256];
		long ticket;
		int rc = nvcc_next(s->nvcc, &ticket, &image, e);

		if (rc < 0)
			return rc;
		if (rc == 0) {
			poll(fds, (nfds_t)nvcc_pollfds(s->nvcc, fds, 256), 500);
			continue;
		}
		take(g, s, json_array_get(g->records, (size_t)ticket), &image);
		nvcc_result_free(&image);
		got++;
	}
	return main_stop ? err_set_code(e, ERR_INTR, "interrupted") : 0;
}

static int compile(struct recording *g, struct err *e)
{
	const json_t *run = json_array_get(g->records, 0);
	struct session s = { 0 };
	int rc;

	g->o.record = g->journal;
	g->o.kernel = json_string_value(json_object_get(run, "kernel"));
	g->o.problem = json_string_value(json_object_get(run, "problem"));
	g->o.arch = json_string_value(json_object_get(run, "arch"));
	if (!g->o.kernel || !g->o.problem || !g->o.arch)
		return err_set(e, "%s: no run line with a kernel, a problem and an arch", g->journal);
	rc = session_open(&s, &g->o, e);
	if (rc < 0)
		return rc;
	rc = compile_all(g, &s, e);
	session_close(&s);
	if (rc == 0)
		printf("%ld compiled to the recorded machine code, %ld did not and stay without\n", g->matching, g->other);
	return rc;
}

/* --- the files ----------------------------------------------------------------------------------------------------- */

/* The record's family; NULL where there is no such family here. */
static struct script *family_of(const struct recording *g)
{
	const char *kernel = json_string_value(json_object_get(json_array_get(g->records, 0), "kernel"));
	struct script_options so = { .root = g->o.root, .kernel = kernel };
	struct script *script = NULL;

	return kernel && script_open(&script, &so, NULL) == 0 ? script : NULL;
}

static int write_pack(struct recording *g, struct script *family, const char *stem, struct err *e)
{
	struct buf text;
	long n = 0;
	int rc;

	buf_init(&text);
	if (family)
		record_names_complete(family, g->records);
	rc = pack(g->records, stem, &text, &n, e);
	if (rc == 0)
		rc = write_gz(g->pack, &text, e);
	if (rc == 0)
		printf("%s: %ld trials\n", g->pack, n);
	buf_free(&text);
	return rc;
}

static int write_spaces(struct recording *g, const struct script *family, const char *stem, struct err *e)
{
	/* For the defaults of their axes. */
	const json_t *variants = family ? json_object_get(script_family(family), "variants") : NULL;
	struct buf text;
	long n = 0;
	int rc = 0;

	buf_init(&text);
	record_names_searched(g->records);
	if (g->space) {
		rc = space_export_tsv(g->records, stem, variants, &text, &n, e);
		if (rc == 0)
			rc = write_out(g->space, &text, e);
		if (rc == 0)
			printf("%s: %ld candidates\n", g->space, n);
	}
	buf_clear(&text);
	if (rc == 0 && g->t4) {
		rc = space_export_t4(g->records, &text, e);
		if (rc == 0)
			rc = write_out(g->t4, &text, e);
		if (rc == 0)
			printf("%s: T4\n", g->t4);
	}
	buf_free(&text);
	return rc;
}

static int write_files(struct recording *g, struct err *e)
{
	const char *name = base_of(g->pack ? g->pack : g->journal);
	const size_t cut = strstr(name, ".jsonl") ? (size_t)(strstr(name, ".jsonl") - name) : strlen(name);
	char *stem = strndup(name, cut);
	struct script *family = family_of(g);
	int rc = 0;

	if (g->pack)
		rc = write_pack(g, family, stem, e);
	if (rc == 0)
		rc = write_spaces(g, family, stem, e);
	script_close(family);
	free(stem);
	return rc;
}

int main_record(int argc, char **argv)
{
	static const struct option longs[] = { MAIN_SESSION_OPTIONS,
					       { "space", required_argument, NULL, 'S' },
					       { "t4", required_argument, NULL, 'T' },
					       { "compile", no_argument, NULL, 'C' },
					       { NULL, 0, NULL, 0 } };
	struct recording g = { 0 };
	struct err e = { 0 };
	int c, rc;

	main_session_defaults(&g.o);
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		rc = main_session_option(&g.o, c, optarg, &e);
		if (rc < 0)
			return main_fail(&e, EXIT_USAGE);
		if (rc == 1)
			continue;
		switch (c) {
		case 'S': g.space = optarg; break;
		case 'T': g.t4 = optarg; break;
		case 'C': g.compile = true; break;
		case 'h': help(); return EXIT_OK;
		default: return main_usage("record");
		}
	}
	if (optind < argc)
		g.journal = argv[optind++];
	if (optind < argc)
		g.pack = argv[optind++];
	if (!g.journal || optind < argc || (g.pack && !strstr(g.pack, ".jsonl.gz")) || (!g.pack && !g.space && !g.t4))
		return main_usage("record");
	rc = journal_read(g.journal, &g.records, &e);
	if (rc == 0 && json_array_size(g.records) == 0)
		rc = err_set(&e, "%s: an empty journal", g.journal);
	if (rc == 0 && g.compile)
		rc = compile(&g, &e);
	if (rc == 0)
		rc = write_files(&g, &e);
	json_decref(g.records);
	return rc < 0 ? main_fail(&e, EXIT_BAD) : EXIT_OK;
}
