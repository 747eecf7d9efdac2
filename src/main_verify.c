/* main_verify: `attune verify`: the header against its entries, and each entry's machine code against what the recorded
 * command makes of the recorded source, bit for bit. The compiler is started anew for each: no cache is looked at. What a GPU
 * says is in main_verify_gpu.c. */
#include "main_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/fs.h"
#include "attune/proc.h"

#define HEADER_MAX (1u << 30)
#define BUILD_MS 600000

static void note(struct buf *names, size_t *n, const char *name)
{
	struct buf listed;
	bool have;

	buf_init(&listed);
	buf_addf(&listed, " %s,", name);
	have = strstr(buf_text(names), buf_text(&listed)) != NULL;
	if (!have) {
		buf_adds(names, buf_text(&listed));
		++*n;
	}
	buf_free(&listed);
}

void verify_differs(struct verify *v, const char *name)
{
	note(&v->differs, &v->n_differs, name);
}

void verify_stale(struct verify *v, const char *name)
{
	note(&v->stale, &v->n_stale, name);
}

/* --- the header's text -------------------------------------------------------------------------------------------- */

static size_t line_of(const char *text, size_t at)
{
	size_t line = 1;

	for (size_t i = 0; i < at && text[i]; i++)
		line += text[i] == '\n';
	return line;
}

/* The entry in whose part of the header a place is, or NULL. */
static const char *entry_at(const struct store *s, const char *text, size_t at)
{
	const char *found = NULL, *rest = strstr(text, "\n/* --- for use ---");
	struct buf mark;

	if (!rest || (size_t)(rest - text) <= at)
		return NULL;
	buf_init(&mark);
	for (size_t i = 0; i < s->n; i++) {
		const char *begin;

		buf_clear(&mark);
		buf_addf(&mark, "/* --- entry %s ---", s->entries[i].name);
		begin = strstr(text, buf_text(&mark));
		if (begin && (size_t)(begin - text) <= at)
			found = s->entries[i].name;
	}
	buf_free(&mark);
	return found;
}

/* Compares the header with what its entries make, and says where they part. */
static int check_header(struct verify *v, const struct store *s, const char *path, struct err *e)
{
	struct buf got, want, code;
	size_t at = 0;
	int rc;

	buf_init(&got);
	buf_init(&want);
	buf_init(&code);
	rc = fs_read(path, &got, HEADER_MAX, e);
	if (rc == 0)
		rc = store_header(s, &want, e);
	if (rc < 0)
		goto out;
	for (size_t i = 0; i < s->n; i++) {
		buf_clear(&code);
		store_code(s, i, &code);
		if (!strstr(buf_text(&got), buf_text(&code))) {
			printf("%s: DIFFERS: its machine code in %s is not that of its entry\n", s->entries[i].name, path);
			verify_differs(v, s->entries[i].name);
		}
	}
	if (got.len == want.len && memcmp(got.data, want.data, got.len) == 0) {
		printf("%s: the same as its %zu entries make\n", path, s->n);
		goto out;
	}
	while (at < got.len && at < want.len && got.data[at] == want.data[at])
		at++;
	if (entry_at(s, buf_text(&want), at)) {
		const char *name = entry_at(s, buf_text(&want), at);

		printf("%s: DIFFERS: line %zu of %s is not what its entry makes\n", name, line_of(buf_text(&want), at), path);
		verify_differs(v, name);
	} else {
		printf("%s: DIFFERS: line %zu, outside of its entries ('attune emit' writes it anew from them)\n", path,
		       line_of(buf_text(&want), at));
		verify_differs(v, "the header itself");
	}
out:
	buf_free(&got);
	buf_free(&want);
	buf_free(&code);
	return rc;
}

/* --- rebuilding --------------------------------------------------------------------------------------------------- */

/* The recorded command with another compiler at its head, in a folder that holds only the source. */
static int compile(const struct verify *v, const char *folder, const char *command, struct buf *cubin, struct buf *log,
		   struct err *e)
{
	char **argv = NULL, *path = fs_join(folder, "candidate.cubin");
	struct proc_options po = { .cwd = folder, .in_fd = -1, .out_fd = -1, .err_fd = -1, .die_with_parent = true };
	int status = 0, rc = proc_split(command, &argv, e);

	if (rc == 0) {
		free(argv[0]);
		argv[0] = strdup(v->nvcc);
		po.argv = (const char *const *)argv;
		rc = proc_run(&po, log, 1u << 20, true, BUILD_MS, &status, e);
		if (rc == 0 && status != 0)
			rc = err_set(e, "the recorded command fails: %.400s", buf_text(log));
		if (rc == 0)
			rc = fs_read(path, cubin, 256u << 20, e);
		proc_free_argv(argv);
	}
	free(path);
	return rc;
}

static size_t differing_bytes(const struct buf *a, const struct buf *b)
{
	size_t n = a->len > b->len ? a->len - b->len : b->len - a->len;

	for (size_t i = 0; i < a->len && i < b->len; i++)
		n += a->data[i] != b->data[i];
	return n;
}

static const char *provenance(const struct store_entry *entry, const char *key)
{
	const char *t = json_string_value(json_object_get(json_object_get(store_info(entry), "provenance"), key));

	return t ? t : "";
}

/* The command is recorded twice: in the provenance, and at the head of the source. */
static int check_command(const struct store_entry *entry, const char *command, struct err *e)
{
	const char *source = buf_text(&entry->source);

	if (!*command || strncmp(source, "/* ", 3) != 0 || strncmp(source + 3, command, strlen(command)) != 0 ||
	    source[3 + strlen(command)] != '\n')
		return err_set(e, "the command at the head of its source is not the one in its provenance");
	return 0;
}

static int rebuild(struct verify *v, const char *build, const struct store_entry *entry, struct err *e)
{
	const char *command = provenance(entry, "nvcc_flags"), *recorded = provenance(entry, "nvcc");
	bool same_tool = strcmp(recorded, v->nvcc_version) == 0;
	char *folder = fs_join(build, entry->name), *source = fs_join(folder, "candidate.cu");
	struct buf cubin, log;
	int rc;

	buf_init(&cubin);
	buf_init(&log);
	rc = check_command(entry, command, e);
	if (rc == 0)
		rc = fs_remove_tree(folder, e);
	if (rc == 0)
		rc = fs_mkdirs(folder, e);
	if (rc == 0)
		rc = fs_write_atomic(source, entry->source.data, entry->source.len, e);
	if (rc == 0)
		rc = compile(v, folder, command, &cubin, &log, e);
	if (rc < 0) {
		/* The entry is at fault, not the run: say so and go on with the others. */
		printf("%s: DIFFERS: it cannot be rebuilt: %s\n", entry->name, e->text);
		err_clear(e);
		verify_differs(v, entry->name);
		rc = 0;
	} else if (cubin.len == entry->cubin.len && memcmp(cubin.data, entry->cubin.data, cubin.len) == 0) {
		printf("%s: rebuilt by nvcc %s: %zu bytes of machine code, bit-identical\n", entry->name, v->nvcc_version, cubin.len);
	} else if (same_tool) {
		printf("%s: DIFFERS: rebuilt by nvcc %s, %zu bytes of its machine code are others\n", entry->name, v->nvcc_version,
		       differing_bytes(&cubin, &entry->cubin));
		verify_differs(v, entry->name);
	} else {
		printf("%s: stale: nvcc %s makes other machine code than nvcc %s, which it was tuned with\n", entry->name,
		       v->nvcc_version, recorded);
	}
	if (!same_tool) {
		if (cubin.len)
			printf("%s: stale: tuned with nvcc %s, and this is nvcc %s\n", entry->name, recorded, v->nvcc_version);
		verify_stale(v, entry->name);
	}
	fs_remove_tree(folder, NULL);
	buf_free(&cubin);
	buf_free(&log);
	free(folder);
	free(source);
	return rc;
}

/* --- the command -------------------------------------------------------------------------------------------------- */

static void help(void)
{
	puts("usage: attune verify [OPTION...] [HEADER...]\n\n"
	     "Checks headers (tuned/attn_best.h) against the entries beside them: rebuilds each entry from its recorded source by\n"
	     "its recorded command and compares the machine code bit for bit. Where there is a GPU on which an entry runs, its\n"
	     "machine code is judged and timed again.\n"
	     "  --nvcc PATH       the CUDA compiler (nvcc)\n"
	     "  --runner COMMAND  starts the process that owns the GPU\n"
	     "  --no-gpu          only rebuild and compare\n"
	     "  --no-build        only judge and time: where the GPU is borrowed, rebuild elsewhere\n"
	     "  --problem TEXT    only this entry: its name, or its problem's name or full text\n"
	     "  --root FOLDER     holds kernels/ and lua/ (the folder above this program's)\n\n"
	     "Exit status: 0 all is the same; 1 something differs or is judged wrong, its entry is named; 3 all is the same, but the\n"
	     "device, the driver or the toolkit is not the one that an entry was tuned with (stale).");
}

/* "tuned/attn_best.h": the folder and the family. */
static int split_path(const char *path, char **folder, char **family, struct err *e)
{
	const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path, *end = strstr(file, "_best.h");

	if (!end || end == file || strcmp(end, "_best.h") != 0)
		return err_set(e, "%s: expected a header that attune wrote, FAMILY_best.h", path);
	*folder = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	*family = strndup(file, (size_t)(end - file));
	return 0;
}

static bool wanted(const struct verify *v, const struct store_entry *entry)
{
	const char *name = json_string_value(json_object_get(json_object_get(store_info(entry), "problem"), "name"));

	return !v->only || strcmp(v->only, entry->name) == 0 || strcmp(v->only, store_problem(entry)) == 0 ||
	       (name && strcmp(v->only, name) == 0);
}

static int verify_header(struct verify *v, const char *path, const json_t *device, const char *why, struct err *e)
{
	char *folder = NULL, *family = NULL, *build = fs_join(v->o.root, "build/verify");
	bool some = false;
	struct store s;
	int rc = split_path(path, &folder, &family, e);

	if (rc < 0)
		goto out;
	rc = store_open(&s, folder, family, false, e);
	if (rc < 0)
		goto out;
	v->o.kernel = family;
	if (!s.n)
		rc = err_set(e, "%s: no entries under %s/entries: it can only be verified where they are", path, folder);
	if (rc == 0)
		rc = check_header(v, &s, path, e);
	for (size_t i = 0; i < s.n && rc == 0 && !main_stop; i++) {
		if (!wanted(v, &s.entries[i]))
			continue;
		some = true;
		if (!v->no_build)
			rc = rebuild(v, build, &s.entries[i], e);
		if (rc == 0 && device)
			rc = verify_on_gpu(v, &s.entries[i], device, e);
	}
	if (rc == 0 && !some && !main_stop)
		rc = err_set(e, "%s: no entry for %s", path, v->only ? v->only : "anything");
	if (rc == 0 && v->no_build)
		printf("skipped: nothing was rebuilt: --no-build\n");
	if (rc == 0 && !device) {
		printf("skipped: nothing was judged or timed: %s\n", why);
		v->n_skipped += s.n;
	}
	store_close(&s);
out:
	free(folder);
	free(family);
	free(build);
	return rc;
}

static int verdict(const struct verify *v)
{
	if (main_stop)
		return EXIT_STOPPED;
	if (v->n_differs)
		printf("DIFFERS:%.*s\n", (int)v->differs.len - 1, buf_text(&v->differs));
	if (v->n_stale)
		printf("stale:%.*s\n", (int)v->stale.len - 1, buf_text(&v->stale));
	if (!v->n_differs && !v->n_stale)
		puts("verified");
	return v->n_differs ? EXIT_BAD : v->n_stale ? EXIT_STALE : EXIT_OK;
}

int main_verify(int argc, char **argv)
{
	static const struct option longs[] = { MAIN_SESSION_OPTIONS, { "no-gpu", no_argument, NULL, 'G' },
					       { "no-build", no_argument, NULL, 'B' }, { NULL, 0, NULL, 0 } };
	struct verify v = { .no_gpu = false };
	struct nvcc_options no = { .jobs = 1 };
	struct nvcc *nvcc = NULL;
	struct err e = { 0 };
	json_t *device = NULL;
	char *why = NULL, *folder = NULL, *path = NULL, *cache = NULL;
	int c, rc;

	main_session_defaults(&v.o);
	v.o.problem = NULL;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		rc = main_session_option(&v.o, c, optarg, &e);
		if (rc < 0)
			return main_fail(&e, EXIT_USAGE);
		if (rc == 1)
			continue;
		switch (c) {
		case 'G': v.no_gpu = true; break;
		case 'B': v.no_build = true; break;
		case 'h': help(); return EXIT_OK;
		default: return main_usage("verify");
		}
	}
	v.only = v.o.problem;
	/* The compiler is asked for its version through its usual module; its cache is not used. */
	cache = fs_join(v.o.root, "build/verify");
	no.cache = cache;
	no.program = v.o.nvcc;
	v.nvcc = v.o.nvcc ? v.o.nvcc : "nvcc";
	setvbuf(stdout, NULL, _IOLBF, 0);
	rc = nvcc_open(&nvcc, &no, &e);
	if (rc == 0) {
		v.nvcc_version = nvcc_version(nvcc);
		if (v.no_gpu)
			why = strdup("--no-gpu");
		else
			device = verify_device(&v, &why);
		if (optind == argc) {
			struct buf name;

			folder = main_out_folder(v.o.root, NULL);
			buf_init(&name);
			buf_addf(&name, "%s/%s_best.h", folder, v.o.kernel);
			path = buf_take(&name);
			rc = verify_header(&v, path, device, why, &e);
		}
		for (int i = optind; i < argc && rc == 0; i++)
			rc = verify_header(&v, argv[i], device, why, &e);
	}
	nvcc_close(nvcc);
	c = rc < 0 ? main_fail(&e, EXIT_BAD) : verdict(&v);
	json_decref(device);
	free(why);
	free(folder);
	free(path);
	free(cache);
	buf_free(&v.differs);
	buf_free(&v.stale);
	return c;
}
