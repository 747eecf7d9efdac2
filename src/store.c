/* store: reads and writes the entries' files and makes the header, its source and its evidence from them. Everything that is
 * emitted comes from what the files hold, so it does not matter in which order, or by which process, entries were tuned. */
#include "attune/store.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "attune/fs.h"
#include "attune/gen.h"
#include "attune/hash.h"
#include "attune/version.h"
#include "store_internal.h"

#define FILE_MAX_BYTES (256u << 20)

const json_t *store_info(const struct store_entry *entry)
{
	return json_object_get(entry->json, "header");
}

static const char *member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

const char *store_problem(const struct store_entry *entry)
{
	return member(json_object_get(store_info(entry), "problem"), "text");
}

const char *store_arch(const struct store_entry *entry)
{
	return member(store_info(entry), "arch");
}

static void entry_free(struct store_entry *entry)
{
	free(entry->name);
	free(entry->path);
	json_decref(entry->json);
	buf_free(&entry->source);
	buf_free(&entry->cubin);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int check_hash(const struct store_entry *entry, const struct buf *part, const char *what, const char *key,
		      struct err *e)
{
	const char *recorded = member(json_object_get(store_info(entry), "provenance"), key);
	char hex[HASH_HEX];

	hash_bytes(hex, part->data, part->len);
	if (strcmp(hex, recorded) != 0)
		return err_set(e, "its %s has the hash %.16s, and %.16s is recorded: the file was changed; restore it, or tune "
				  "the problem again", what, hex, *recorded ? recorded : "none");
	return 0;
}

/* Takes the reference to json. */
static int entry_fill(struct store_entry *entry, const char *path, json_t *json, struct err *e)
{
	int rc;

	memset(entry, 0, sizeof *entry);
	entry->json = json;
	entry->path = strdup(path);
	entry->name = strdup(member(json, "entry"));
	if (!*entry->name || !json_is_object(json_object_get(json, "header")))
		return err_set(e, "it is no entry of a header");
	rc = store_take_lines(json_object_get(json, "source"), &entry->source, e);
	if (rc == 0)
		rc = store_take_bytes(json_object_get(json, "cubin"), &entry->cubin, e);
	if (rc == 0)
		rc = check_hash(entry, &entry->source, "source", "source_sha256", e);
	if (rc == 0)
		rc = check_hash(entry, &entry->cubin, "machine code", "cubin_sha256", e);
	return rc;
}

static int entry_read(struct store_entry *entry, const char *path, struct err *e)
{
	json_error_t why;
	struct buf text;
	json_t *json;
	int rc;

	memset(entry, 0, sizeof *entry);
	buf_init(&text);
	rc = fs_read(path, &text, FILE_MAX_BYTES, e);
	if (rc == 0) {
		json = json_loadb(buf_text(&text), text.len, 0, &why);
		rc = json ? entry_fill(entry, path, json, e) : err_set(e, "line %d: %s", why.line, why.text);
		if (rc < 0)
			err_where(e, "%s", path);
	}
	buf_free(&text);
	return rc;
}

/* Named seed and measured, named seed, measured, the others; then by name. */
static int rank(const struct store_entry *entry)
{
	const json_t *h = store_info(entry);
	bool seed = strcmp(member(json_object_get(h, "problem"), "name"), "seed") == 0;

	return (seed ? 0 : 2) + (json_is_true(json_object_get(h, "measured")) ? 0 : 1);
}

static int by_rank(const void *a, const void *b)
{
	const struct store_entry *x = a, *y = b;
	int difference = rank(x) - rank(y);

	return difference ? difference : strcmp(x->name, y->name);
}

static void sort_entries(struct store *s)
{
	if (s->n > 1)
		qsort(s->entries, s->n, sizeof *s->entries, by_rank);
}

static void append(struct store *s, const struct store_entry *entry)
{
	struct store_entry *more = realloc(s->entries, (s->n + 1) * sizeof *more);

	if (!more)
		abort();
	s->entries = more;
	s->entries[s->n++] = *entry;
}

static int take_lock(struct store *s, const char *entries, struct err *e)
{
	int rc = fs_mkdirs(entries, e);

	if (rc < 0)
		return rc;
	s->lock = open(entries, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (s->lock >= 0 && flock(s->lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_set(e, "%s: cannot be locked: %s", entries, strerror(errno));
	return s->lock < 0 ? err_set(e, "%s: %s", entries, strerror(errno)) : 0;
}

int store_open(struct store *s, const char *folder, const char *family, bool for_writing, struct err *e)
{
	char *entries = fs_join(folder, "entries");
	struct buf pattern;
	glob_t g = { 0 };
	int rc = 0;

	memset(s, 0, sizeof *s);
	s->lock = -1;
	s->folder = strdup(folder);
	s->family = strdup(family);
	buf_init(&pattern);
	buf_addf(&pattern, "%s/%s_*.json", entries, family);
	if (for_writing)
		rc = take_lock(s, entries, e);
	if (rc == 0 && glob(buf_text(&pattern), 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc && rc == 0; i++) {
			struct store_entry entry;

			rc = entry_read(&entry, g.gl_pathv[i], e);
			/* The files of a family whose name begins with this one's are found too. */
			if (rc == 0 && strcmp(member(store_info(&entry), "family"), family) == 0)
				append(s, &entry);
			else
				entry_free(&entry);
		}
	}
	globfree(&g);
	sort_entries(s);
	buf_free(&pattern);
	free(entries);
	if (rc < 0)
		store_close(s);
	return rc;
}

void store_close(struct store *s)
{
	for (size_t i = 0; i < s->n; i++)
		entry_free(&s->entries[i]);
	free(s->entries);
	free(s->folder);
	free(s->family);
	if (s->lock >= 0)
		close(s->lock);
	memset(s, 0, sizeof *s);
	s->lock = -1;
}

/* --- changing ----------------------------------------------------------------------------------------------------- */

static void forget(struct store *s, size_t index)
{
	entry_free(&s->entries[index]);
	memmove(&s->entries[index], &s->entries[index + 1], (s->n - index - 1) * sizeof *s->entries);
	s->n--;
}

int store_remove(struct store *s, size_t index, struct err *e)
{
	if (unlink(s->entries[index].path) < 0 && errno != ENOENT)
		return err_set(e, "%s: %s", s->entries[index].path, strerror(errno));
	forget(s, index);
	return 0;
}

static bool same(const struct store_entry *entry, const char *problem, const char *arch)
{
	return strcmp(store_problem(entry), problem) == 0 && strcmp(store_arch(entry), arch) == 0;
}

/* A name that no other entry has; two problems of one name (the family's table was edited) are told apart by their sizes. */
static void choose_name(const struct store *s, const json_t *header, const char *problem, const char *arch, struct buf *name)
{
	store_name(name, header, true);
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->entries[i].name, buf_text(name)) == 0 && !same(&s->entries[i], problem, arch)) {
			buf_clear(name);
			store_name(name, header, false);
			return;
		}
	}
}

/* The header needs a family's dimensions and flags only, not what it can be tuned with. */
static json_t *trimmed(const json_t *header)
{
	static const char *const wanted[] = { "name", "about", "dims", "flags" };
	json_t *copy = json_copy((json_t *)header), *info = json_object();

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		json_t *v = json_object_get(json_object_get(header, "family_info"), wanted[i]);

		if (v)
			json_object_set(info, wanted[i], v);
	}
	json_object_set_new(copy, "family_info", info);
	return copy;
}

int store_put(struct store *s, const json_t *header, const json_t *evidence, const struct buf *source,
	      const struct buf *cubin, const char **name, struct err *e)
{
	const char *problem = member(json_object_get(header, "problem"), "text"), *arch = member(header, "arch");
	struct store_entry entry = { NULL };
	struct buf own, path, text;
	json_t *json;
	char *dump;
	int rc;

	buf_init(&own);
	buf_init(&path);
	buf_init(&text);
	choose_name(s, header, problem, arch, &own);
	buf_addf(&path, "%s/entries/%s_%s.json", s->folder, s->family, buf_text(&own));
	json = json_pack("{s:s, s:s, s:o, s:O, s:o, s:o}", "attune", ATTUNE_VERSION, "entry", buf_text(&own), "header",
			 trimmed(header), "evidence", evidence, "source", store_lines(source), "cubin",
			 store_bytes(cubin->data, cubin->len));
	dump = json_dumps(json, JSON_INDENT(1));
	json_decref(json);
	if (!dump) {
		rc = err_set(e, "%s: the entry cannot be written as JSON", buf_text(&path));
		goto out;
	}
	buf_addf(&text, "%s\n", dump);
	/* What is emitted is what was written: numbers pass through their text. */
	rc = entry_fill(&entry, buf_text(&path), json_loads(dump, 0, NULL), e);
	if (rc == 0)
		rc = fs_write_atomic(buf_text(&path), text.data, text.len, e);
	if (rc < 0) {
		entry_free(&entry);
		goto out;
	}
	for (size_t i = s->n; i-- > 0 && rc == 0;) {
		if (!same(&s->entries[i], problem, arch))
			continue;
		if (strcmp(s->entries[i].path, buf_text(&path)) == 0)
			forget(s, i);
		else
			rc = store_remove(s, i, e);
	}
	append(s, &entry);
	sort_entries(s);
	for (size_t i = 0; name && i < s->n; i++)
		if (strcmp(s->entries[i].name, buf_text(&own)) == 0)
			*name = s->entries[i].name;
out:
	free(dump);
	buf_free(&own);
	buf_free(&path);
	buf_free(&text);
	return rc;
}

/* --- what is made from the entries -------------------------------------------------------------------------------- */

static struct gen_entry as_gen(const struct store_entry *entry)
{
	struct gen_entry g = { .name = entry->name, .header = store_info(entry) };

	g.image.data = entry->cubin.data;
	g.image.len = entry->cubin.len;
	return g;
}

int store_header(const struct store *s, struct buf *out, struct err *e)
{
	struct gen_entry *list = calloc(s->n + 1, sizeof *list);
	int rc;

	if (!list)
		abort();
	for (size_t i = 0; i < s->n; i++)
		list[i] = as_gen(&s->entries[i]);
	rc = gen_header(out, list, s->n, e);
	free(list);
	return rc;
}

void store_code(const struct store *s, size_t index, struct buf *out)
{
	struct gen_entry entry = as_gen(&s->entries[index]);

	gen_header_code(out, &entry);
}

/* The evidence of the first entry; that of the others stands in their own files. */
static void evidence_text(const struct store_entry *entry, const char *family, struct buf *out)
{
	static const char *const from_header[] = { "arch", "measured", "recorded", "provisional_why", "regenerate",
						   "candidate_text", "provenance", "resources" };
	const json_t *h = store_info(entry);
	json_t *r = json_pack("{s:s, s:s, s:s, s:s}", "attune", member(entry->json, "attune"), "kernel", family, "entry",
			      entry->name, "problem", store_problem(entry));
	char *dump;

	for (size_t i = 0; i < sizeof from_header / sizeof *from_header; i++)
		if (json_object_get(h, from_header[i]))
			json_object_set(r, from_header[i], json_object_get(h, from_header[i]));
	json_object_update(r, json_object_get(entry->json, "evidence"));
	dump = json_dumps(r, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	buf_addf(out, "%s\n", dump ? dump : "{}");
	free(dump);
	json_decref(r);
}

static char *path_of(const struct store *s, const char *suffix)
{
	struct buf path;

	buf_init(&path);
	buf_addf(&path, "%s/%s_best%s", s->folder, s->family, suffix);
	return buf_take(&path);
}

static int write_out(const struct store *s, const char *suffix, const struct buf *text, struct err *e)
{
	char *path = path_of(s, suffix);
	int rc = fs_write_atomic(path, text->data, text->len, e);

	free(path);
	return rc;
}

static int remove_all(const struct store *s, struct err *e)
{
	static const char *const suffixes[] = { ".h", ".cu", ".json" };
	int rc = 0;

	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes && rc == 0; i++) {
		char *path = path_of(s, suffixes[i]);

		if (unlink(path) < 0 && errno != ENOENT)
			rc = err_set(e, "%s: %s", path, strerror(errno));
		free(path);
	}
	return rc;
}

int store_emit(const struct store *s, struct err *e)
{
	struct buf header, evidence;
	int rc;

	if (!s->n)
		return remove_all(s, e);
	buf_init(&header);
	buf_init(&evidence);
	rc = store_header(s, &header, e);
	evidence_text(&s->entries[0], s->family, &evidence);
	/* The header goes last: it is what others include, and it is new only when its source and evidence are. */
	if (rc == 0)
		rc = write_out(s, ".cu", &s->entries[0].source, e);
	if (rc == 0)
		rc = write_out(s, ".json", &evidence, e);
	if (rc == 0)
		rc = write_out(s, ".h", &header, e);
	buf_free(&header);
	buf_free(&evidence);
	return rc;
}
