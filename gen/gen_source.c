/* gen_source: the flat source of a candidate. It does not choose the candidate, and it does not compile.
 * The template is copied line by line; a project include is replaced by the file, each file once, depth first. A file is
 * looked for in the folder of the file that includes it, then in include/. System includes stay. Includes under #if are
 * refused: the file would be missing wherever the condition does not hold, since it is copied in only once. What may be
 * included after that, gen_check.c says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attune/fs.h"
#include "attune/gen.h"
#include "gen_internal.h"

#define FILE_MAX (1u << 20)
#define FLAT_MAX (8u << 20)
#define FILES_MAX 64

struct flat {
	const char *root;
	struct buf *out;
	char *done[FILES_MAX]; /* paths relative to root, in order of first use */
	size_t n_done;
	size_t open[FILES_MAX]; /* indices of done: the files being copied, outermost first */
	size_t depth;
};

static int copy_file(struct flat *f, const char *path, struct err *e);

/* A path relative to root; folder "" is root itself. */
static char *relative(const char *folder, size_t folder_len, const char *name, size_t name_len)
{
	struct buf b;

	buf_init(&b);
	buf_add(&b, folder, folder_len);
	if (folder_len && folder[folder_len - 1] != '/')
		buf_addc(&b, '/');
	buf_add(&b, name, name_len);
	return buf_take(&b);
}

static bool exists(const struct flat *f, const char *path)
{
	char *full = fs_join(f->root, path);
	bool there = fs_exists(full);

	free(full);
	return there;
}

static int cycle(const struct flat *f, size_t first, struct err *e)
{
	struct buf chain;
	int rc;

	buf_init(&chain);
	for (size_t i = first; i < f->depth; i++)
		buf_addf(&chain, "%s > ", f->done[f->open[i]]);
	rc = err_set(e, "include cycle: %s%s", buf_text(&chain), f->done[f->open[first]]);
	buf_free(&chain);
	return rc;
}

static int include(struct flat *f, const char *from, const char *name, size_t len, struct err *e)
{
	const char *slash = strrchr(from, '/');
	char *path = relative(from, slash ? (size_t)(slash - from) : 0, name, len);
	int rc = 0;

	if (len == 0 || *name == '/' || memmem(name, len, "..", 2)) {
		rc = err_set(e, "\"%.*s\" may lie outside the tree", (int)len, name);
		goto out;
	}
	if (!exists(f, path)) {
		free(path);
		path = relative("include", strlen("include"), name, len);
	}
	if (!exists(f, path)) {
		rc = err_set(e, "no file \"%.*s\" beside it or under include/", (int)len, name);
		goto out;
	}
	for (size_t i = 0; i < f->depth; i++) {
		if (strcmp(f->done[f->open[i]], path) == 0) {
			rc = cycle(f, i, e);
			goto out;
		}
	}
	for (size_t i = 0; i < f->n_done; i++)
		if (strcmp(f->done[i], path) == 0)
			goto out;
	buf_addf(f->out, "// --- %.*s\n", (int)len, name);
	rc = copy_file(f, path, e);
out:
	free(path);
	return rc;
}

/* What a directive line means here. */
enum directive { PLAIN, INCLUDE, ONCE, IF, ENDIF };

static enum directive directive(const char *line, const char *end, const char **name, size_t *len)
{
	const char *p = line, *close;

#define SKIP() while (p < end && (*p == ' ' || *p == '\t')) p++
#define WORD(w) ((size_t)(end - p) >= strlen(w) && strncmp(p, w, strlen(w)) == 0)
	SKIP();
	if (p == end || *p != '#')
		return PLAIN;
	p++;
	SKIP();
	if (WORD("if"))
		return IF;
	if (WORD("endif"))
		return ENDIF;
	if (WORD("pragma")) {
		p += strlen("pragma");
		SKIP();
		return WORD("once") ? ONCE : PLAIN;
	}
	if (!WORD("include"))
		return PLAIN;
	p += strlen("include");
	SKIP();
	close = p < end && *p == '"' ? memchr(p + 1, '"', (size_t)(end - p - 1)) : NULL;
	if (!close)
		return PLAIN;
	*name = p + 1;
	*len = (size_t)(close - *name);
	return INCLUDE;
#undef SKIP
#undef WORD
}

static int copy_lines(struct flat *f, const char *path, const char *text, struct err *e)
{
	int number = 0, conditions = 0, rc;

	for (const char *line = text, *next; *line; line = next) {
		const char *end = strchr(line, '\n'), *name = NULL;
		size_t len = 0;

		if (!end)
			end = line + strlen(line);
		next = *end ? end + 1 : end;
		if (end > line && end[-1] == '\r')
			end--;
		number++;
		switch (directive(line, end, &name, &len)) {
		case ONCE:
			continue;
		case INCLUDE:
			rc = conditions ? err_set(e, "an include must not stand under #if") :
					  include(f, path, name, len, e);
			if (rc < 0)
				return err_where(e, "%s:%d", path, number);
			continue;
		case IF:
			conditions++;
			break;
		case ENDIF:
			conditions--;
			break;
		case PLAIN:
			break;
		}
		buf_add(f->out, line, (size_t)(end - line));
		buf_addc(f->out, '\n');
	}
	if (f->out->len > FLAT_MAX)
		return err_set(e, "%s: the flat source passes %u bytes", path, FLAT_MAX);
	return 0;
}

static int copy_file(struct flat *f, const char *path, struct err *e)
{
	char *full = fs_join(f->root, path);
	struct stat st;
	struct buf text;
	int rc;

	buf_init(&text);
	/* A pipe or a device would be read for ever. */
	if (stat(full, &st) == 0 && !S_ISREG(st.st_mode)) {
		rc = err_set(e, "%s: not a regular file", path);
		goto out;
	}
	if (f->n_done == FILES_MAX) {
		rc = err_set(e, "%s: more than %d files in one source", path, FILES_MAX);
		goto out;
	}
	f->open[f->depth++] = f->n_done;
	f->done[f->n_done++] = strdup(path);
	rc = fs_read(full, &text, FILE_MAX, e);
	if (rc == 0 && strlen(buf_text(&text)) != text.len)
		rc = err_set(e, "%s: holds a NUL byte", path);
	if (rc == 0)
		rc = copy_lines(f, path, buf_text(&text), e);
	f->depth--;
out:
	buf_free(&text);
	free(full);
	return rc;
}

static void comment_lines(struct buf *out, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		char *line = strndup(text, n);

		buf_adds(out, " * ");
		gen_comment(out, line);
		buf_addc(out, '\n');
		free(line);
		text += n + (text[n] == '\n');
	}
}

int gen_source(struct buf *out, const struct gen_source *g, struct err *e)
{
	struct flat f = { .root = g->root, .out = out };
	size_t start;
	int rc;

	if (g->command) {
		buf_adds(out, "/* ");
		gen_comment(out, g->command);
		buf_addc(out, '\n');
		if (g->note)
			comment_lines(out, g->note);
		buf_adds(out, " */\n");
	}
	if (g->defines && *g->defines) {
		buf_adds(out, g->defines);
		if (out->data[out->len - 1] != '\n')
			buf_addc(out, '\n');
		buf_addc(out, '\n');
	}
	start = out->len;
	rc = copy_file(&f, g->path, e);
	if (rc == 0)
		rc = gen_check(buf_text(out) + start, e);
	for (size_t i = 0; i < f.n_done; i++)
		free(f.done[i]);
	return rc;
}
