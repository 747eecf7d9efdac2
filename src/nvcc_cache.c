/* nvcc_cache: the content-addressed folder of compiled candidates, and what ptxas said about each.
 * An entry is a folder named by its key. It appears by one rename, so a reader sees all of it or nothing; the machine
 * code is hashed again on every hit, so a cut or changed cubin is a miss. Starts no process. */
#include "nvcc_cache.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attune/fs.h"
#include "attune/hash.h"

#define LOG_MAX (1u << 20)
#define IMAGE_MAX (64u << 20)

static long number_before(const char *line, const char *what)
{
	const char *p = strstr(line, what);

	if (!p)
		return 0;
	while (p > line && p[-1] == ' ')
		p--;
	while (p > line && isdigit((unsigned char)p[-1]))
		p--;
	return strtol(p, NULL, 10);
}

/* One kernel's lines of `ptxas -v`, folded into the entry with the most registers. */
static void take_usage(json_t *r, long regs, const char *line, long stack, long stores, long loads)
{
	if (regs < json_integer_value(json_object_get(r, "regs")))
		return;
	json_object_set_new(r, "regs", json_integer(regs));
	json_object_set_new(r, "smem_static_bytes", json_integer(number_before(line, " bytes smem")));
	json_object_set_new(r, "barriers", json_integer(number_before(line, " barriers")));
	json_object_set_new(r, "stack_bytes", json_integer(stack));
	json_object_set_new(r, "spill_store_bytes", json_integer(stores));
	json_object_set_new(r, "spill_load_bytes", json_integer(loads));
}

/* ptxas says as information that it serialised wgmma (C7510 to C7518) or ignored setmaxnreg (C7508): a kernel that was not
 * compiled as it was written. C7519, an arrive that it added, costs nothing. */
static bool spoils(const char *line)
{
	const char *code = strstr(line, "(C75");

	return code && strncmp(code, "(C7519)", 7) != 0;
}

json_t *nvcc_parse_log(const char *log)
{
	json_t *r = json_object(), *warnings = json_array();
	long stack = 0, stores = 0, loads = 0;
	const char *line = log;

	while (*line) {
		const char *end = strchr(line, '\n');
		size_t len = end ? (size_t)(end - line) : strlen(line);
		char text[1024];

		snprintf(text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : sizeof(text) - 1), line);
		if (strstr(text, "bytes spill stores")) {
			stack = number_before(text, " bytes stack frame");
			stores = number_before(text, " bytes spill stores");
			loads = number_before(text, " bytes spill loads");
		} else if (strstr(text, "Used ") && strstr(text, " registers")) {
			take_usage(r, number_before(text, " registers"), text, stack, stores, loads);
			stack = stores = loads = 0;
		} else if (strstr(text, "warning") || strstr(text, "Warning") || spoils(text)) {
			json_array_append_new(warnings, json_string(text));
		}
		line = end ? end + 1 : line + len;
	}
	json_object_set_new(r, "warnings", warnings);
	return r;
}

/* The line of a failed compile that says most: the first with "error", else the last that is not empty. */
char *nvcc_first_error(const char *log)
{
	const char *line = log, *best = NULL;
	size_t best_len = 0;

	while (*line) {
		size_t len = strcspn(line, "\n");
		const char *hit = strstr(line, "error");

		if (len && hit && hit < line + len) {
			best = line;
			best_len = len;
			break;
		}
		if (len) {
			best = line;
			best_len = len;
		}
		line += len + (line[len] == '\n');
	}
	if (!best)
		return strdup("nvcc failed and printed nothing");
	return strndup(best, best_len < 400 ? best_len : 400);
}

int nvcc_cache_load(const char *dir, const char *image, struct nvcc_result *r, bool *hit, struct err *e)
{
	char *meta_path = fs_join(dir, "candidate.json"), *log_path = fs_join(dir, "candidate.log");
	char *image_path = fs_join(dir, image), hex[HASH_HEX];
	struct buf text;
	json_t *meta = NULL;

	(void)e;
	*hit = false;
	buf_init(&text);
	if (fs_read(meta_path, &text, LOG_MAX, NULL) < 0)
		goto out;
	meta = json_loadb(text.data, text.len, 0, NULL);
	if (!meta)
		goto out;
	buf_clear(&text);
	if (fs_read(log_path, &text, LOG_MAX, NULL) < 0)
		goto out;
	r->ok = json_is_true(json_object_get(meta, "ok"));
	if (r->ok) {
		const char *want = json_string_value(json_object_get(meta, "cubin_sha256"));

		buf_clear(&r->cubin);
		if (fs_read(image_path, &r->cubin, IMAGE_MAX, NULL) < 0)
			goto out;
		hash_bytes(hex, r->cubin.data, r->cubin.len);
		if (!want || strcmp(want, hex) != 0)
			goto out;
		r->cubin_sha256 = strdup(hex);
	} else {
		r->why = nvcc_first_error(buf_text(&text));
	}
	r->log = buf_take(&text);
	r->resources = json_incref(json_object_get(meta, "resources"));
	r->cached = *hit = true;
out:
	json_decref(meta);
	buf_free(&text);
	free(meta_path);
	free(log_path);
	free(image_path);
	return 0;
}

/* A folder that is there already is damaged, or was just made by another process, which may be reading it: it is moved aside
 * whole before it is removed, so nobody sees half of one. Where another process is faster, its folder stays. */
static int put_in_place(const char *tmp, const char *dir, struct err *e)
{
	struct buf aside;
	int rc = 0;

	if (rename(tmp, dir) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return err_sys(e, "%s", dir);
	buf_init(&aside);
	buf_addf(&aside, "%s.old", tmp);
	if (rename(dir, buf_text(&aside)) != 0 && errno != ENOENT)
		rc = err_sys(e, "%s", dir);
	else if (rename(tmp, dir) != 0 && errno != ENOTEMPTY && errno != EEXIST)
		rc = err_sys(e, "%s", dir);
	fs_remove_tree(buf_text(&aside), NULL);
	fs_remove_tree(tmp, NULL);
	buf_free(&aside);
	return rc;
}

int nvcc_cache_store(const char *tmp, const char *dir, const char *image, struct nvcc_result *r, struct err *e)
{
	char *image_path = fs_join(tmp, image), *meta_path = fs_join(tmp, "candidate.json"), hex[HASH_HEX];
	char *dump = NULL;
	json_t *meta = NULL;
	int rc = -1;

	if (r->ok) {
		if (fs_read(image_path, &r->cubin, IMAGE_MAX, e) < 0)
			goto out;
		hash_bytes(hex, r->cubin.data, r->cubin.len);
		r->cubin_sha256 = strdup(hex);
	}
	meta = json_pack("{s:b, s:s?, s:O}", "ok", r->ok, "cubin_sha256", r->cubin_sha256, "resources", r->resources);
	dump = json_dumps(meta, JSON_INDENT(1));
	if (!dump || fs_write_atomic(meta_path, dump, strlen(dump), e) < 0)
		goto out;
	rc = put_in_place(tmp, dir, e);
out:
	json_decref(meta);
	free(dump);
	free(image_path);
	free(meta_path);
	return rc;
}

void nvcc_result_free(struct nvcc_result *r)
{
	free(r->id);
	free(r->dir);
	free(r->why);
	free(r->log);
	free(r->cubin_sha256);
	buf_free(&r->cubin);
	json_decref(r->resources);
	memset(r, 0, sizeof(*r));
}
