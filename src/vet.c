/* vet: reads an image's symbols by cubin.h, or a PTX text's directives, and holds them against what a candidate may have.
 * A result kept between calls needs memory that outlives a call; of that a kernel has only device globals, which are
 * seen here, and its workspace, which the judge fills anew. */
#include "attune/vet.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "attune/cubin.h"

static bool named(const json_t *list, const char *name)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), name) == 0)
			return true;
	return false;
}

static const char *state(const char *name, long long bytes, struct buf *why)
{
	buf_addf(why, "keeps memory between calls: device global '%s'", name);
	if (bytes > 0)
		buf_addf(why, " (%lld bytes)", bytes);
	buf_adds(why, ", which its variant does not declare");
	return "cheat";
}

static const char *call(const char *name, struct buf *why)
{
	buf_addf(why, "calls '%s' of the driver: no printf, assert, malloc or launch from the device", name);
	return "illegal";
}

static bool has_kernel(const json_t *kernels, const char *name)
{
	size_t i;
	json_t *k;

	json_array_foreach(kernels, i, k)
		if (strcmp(json_string_value(json_object_get(k, "name")), name) == 0)
			return true;
	return false;
}

static const char *vet_entries(const json_t *info, const json_t *launch, struct buf *why)
{
	size_t i;
	json_t *step;

	json_array_foreach(json_object_get(launch, "steps"), i, step) {
		const char *entry = json_string_value(json_object_get(step, "entry"));

		if (!entry || has_kernel(json_object_get(info, "kernels"), entry))
			continue;
		buf_addf(why, "there is no kernel '%s' in it", entry);
		return "load";
	}
	return NULL;
}

/* sm_90a and sm_90 are both 90. */
static int arch_number(const char *arch)
{
	const char *digits = strchr(arch, '_');

	return digits ? atoi(digits + 1) : 0;
}

static const char *vet_cubin(const void *data, size_t len, const char *arch, const json_t *launch, const json_t *declared,
			     struct buf *why)
{
	struct err e = { 0 };
	json_t *info = NULL, *v;
	const char *verdict = NULL;
	size_t i;
	int cc;

	if (cubin_read(data, len, &info, &e) < 0) {
		buf_adds(why, e.text);
		return "load";
	}
	cc = (int)json_integer_value(json_object_get(info, "cc"));
	/* Code of an earlier minor release runs on a later one. */
	if (cc / 10 != arch_number(arch) / 10 || cc > arch_number(arch)) {
		buf_addf(why, "machine code for compute capability %d.%d, not for %s", cc / 10, cc % 10, arch);
		verdict = "load";
	}
	if (!verdict)
		verdict = vet_entries(info, launch, why);
	json_array_foreach(json_object_get(info, "calls"), i, v)
		if (!verdict)
			verdict = call(json_string_value(v), why);
	json_array_foreach(json_object_get(info, "globals"), i, v)
		if (!verdict && json_is_true(json_object_get(v, "writable")) &&
		    !named(declared, json_string_value(json_object_get(v, "name"))))
			verdict = state(json_string_value(json_object_get(v, "name")),
					(long long)json_integer_value(json_object_get(v, "bytes")), why);
	json_decref(info);
	return verdict;
}

/* The last word of a line before '[', '(', ';' or '=': the name that a PTX directive declares. */
static void declared_name(const char *line, size_t len, struct buf *name)
{
	size_t end = strcspn(line, "[(;="), start;

	end = end < len ? end : len;
	while (end > 0 && strchr(" \t", line[end - 1]))
		end--;
	for (start = end; start > 0 && !strchr(" \t", line[start - 1]);)
		start--;
	buf_add(name, line + start, end - start);
}

static const char *vet_ptx(const char *text, size_t len, const json_t *declared, struct buf *why)
{
	const char *verdict = NULL;
	size_t at = 0;

	while (!verdict && at < len) {
		const char *line = text + at;
		size_t n = 0;
		struct buf name, copy;
		bool global, outside;

		while (at + n < len && line[n] != '\n')
			n++;
		at += n + 1;
		buf_init(&name);
		buf_init(&copy);
		buf_add(&copy, line, n);
		global = strncmp(buf_text(&copy), ".global", 7) == 0 || strncmp(buf_text(&copy), ".visible .global", 16) == 0;
		outside = strncmp(buf_text(&copy), ".extern .func", 13) == 0;
		if (outside) {
			/* The name may stand behind the result's declaration, or on the next line; any of them is refused. */
			const char *behind = strrchr(copy.data, ')');

			declared_name(behind ? behind + 1 : copy.data, behind ? strlen(behind + 1) : copy.len, &name);
			verdict = call(name.len ? buf_text(&name) : "a function", why);
		} else if (global) {
			declared_name(copy.data, copy.len, &name);
			if (!named(declared, buf_text(&name)))
				verdict = state(buf_text(&name), 0, why);
		}
		buf_free(&name);
		buf_free(&copy);
	}
	return verdict;
}

const char *vet_image(const void *data, size_t len, const char *arch, const json_t *launch, const json_t *declared,
		      struct buf *why)
{
	if (strncmp(arch, "compute_", 8) == 0)
		return vet_ptx(data, len, declared, why);
	return vet_cubin(data, len, arch, launch, declared, why);
}
