/* gen_header: the header of one or more tuned kernels of a family. It gathers the texts for the marks of gen/best_entry.h.in,
 * once for each entry, and of gen/best.h.in, and puts them in; the texts themselves are made in the other gen_*.c. No clock,
 * no host and no path is looked at, so equal input gives equal bytes. */
#include <stdlib.h>
#include <string.h>

#include "attune/gen.h"
#include "attune/hash.h"
#include "gen_internal.h"

#define IMAGE_MAX (64u << 20)

/* The marks of both templates; those of an entry come last. */
enum text {
	T_BEST, T_BEST_UPPER, T_ABOUT, T_LIST, T_PLAN_WORDS, T_CHOICE, T_VALUE_CONSTANTS, T_CONSTANTS, T_DEFAULTS, T_FIELDS,
	T_KERNELS, T_ALIGNED, T_VALUES, T_TUNED_COUNT, T_SIZES, T_DERIVE, T_COMPLETE, T_ENTRIES, T_INDICES, T_TABLE, T_SERVES,
	T_DISTANCE, T_FIRST, T_POINTERS, T_LAUNCHES,
	T_ENTRY_NAME, T_ENTRY_UPPER, T_NAME, T_ARCH, T_REGENERATE, T_NOTICE, T_PROVENANCE, T_ENTRY_CONSTANTS, T_CANDIDATE,
	T_BYTES, T_WORDS, T_LOAD, T_WORKSPACE, T_FUNCTION, T_NUMBERS, T_COUNT
};

static const char *const mark_names[T_COUNT] = {
	"best", "BEST", "about", "list", "plan_words", "choice", "value_constants", "constants", "defaults", "fields",
	"kernels", "aligned", "values", "tuned_count", "sizes", "derive", "complete", "entries", "indices", "table", "serves",
	"distance", "first", "pointers", "launches",
	"entry_name", "ENTRY", "name", "arch", "regenerate", "notice", "provenance", "entry_constants", "candidate",
	"bytes", "words", "load", "workspace", "function", "numbers"
};

static const char aligned[] =
	"#if defined(_MSC_VER)\n"
	"#define %s_ALIGNED_ __declspec(align(128))\n"
	"#else\n"
	"#define %s_ALIGNED_ __attribute__((aligned(128)))\n"
	"#endif\n\n";

static bool uses_tensor_maps(const json_t *launch)
{
	json_t *step, *arg;
	size_t i, k;

	json_array_foreach(json_object_get(launch, "steps"), i, step)
		json_array_foreach(json_object_get(step, "args"), k, arg)
			if (json_object_get(arg, "tensormap"))
				return true;
	return false;
}

static int check(const struct gen_entry *entry, const char *sha256, struct err *e)
{
	static const char *const texts[] = { "family", "arch", "regenerate", "candidate_text" };
	static const char *const objects[] = { "family_info", "problem", "candidate", "launch", "derived", "spec" };
	const json_t *h = entry->header;
	const char *recorded = gen_str(json_object_get(h, "provenance"), "cubin_sha256");

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (!gen_str(h, texts[i]))
			return err_set(e, "description of the header: no \"%s\"", texts[i]);
	for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
		if (!json_is_object(json_object_get(h, objects[i])))
			return err_set(e, "description of the header: no \"%s\"", objects[i]);
	if (!json_array_size(json_object_get(json_object_get(h, "spec"), "tensors")))
		return err_set(e, "description of the header: the specification has no tensors");
	if (!gen_is_word(gen_str(h, "family")))
		return err_set(e, "family %s cannot be part of a name in C", gen_str(h, "family"));
	if (!gen_is_word(entry->name))
		return err_set(e, "an entry called %s cannot stand in a header", entry->name ? entry->name : "nothing");
	if (!entry->image.len || entry->image.len > IMAGE_MAX)
		return err_set(e, "machine code of %zu bytes", entry->image.len);
	if (recorded && strcmp(recorded, sha256) != 0)
		return err_set(e, "the machine code is %s, its provenance says %s", sha256, recorded);
	return 0;
}

static void fill_marks(struct gen_mark *marks, const struct buf *texts)
{
	for (int i = 0; i < T_COUNT; i++) {
		marks[i].name = mark_names[i];
		marks[i].text = buf_text(&texts[i]);
	}
}

void gen_header_code(struct buf *out, const struct gen_entry *entry)
{
	buf_addf(out, "static const unsigned long long %s_best_%s_image_[] = {\n", gen_str(entry->header, "family"), entry->name);
	gen_words(out, entry->image.data, entry->image.len);
	buf_adds(out, "};\n");
}

/* --- one entry ---------------------------------------------------------------------------------------------------- */

static int entry_texts(struct buf *t, const struct gen_names *n, const struct gen_entry *entry, const char *sha256,
		       size_t *kernels, struct err *e)
{
	const json_t *h = entry->header, *launch = json_object_get(h, "launch");
	json_t *entries = NULL;
	int rc;

	buf_adds(&t[T_ENTRY_NAME], entry->name);
	gen_upper(&t[T_ENTRY_UPPER], entry->name);
	buf_addf(&t[T_NAME], "%s_%s", n->best, entry->name);
	gen_comment(&t[T_ARCH], gen_str(h, "arch"));
	gen_comment(&t[T_REGENERATE], gen_str(h, "regenerate"));
	gen_comment(&t[T_CANDIDATE], gen_str(h, "candidate_text"));
	gen_notice(&t[T_NOTICE], h);
	gen_provenance(&t[T_PROVENANCE], h, sha256);
	buf_addf(&t[T_BYTES], "%zu", entry->image.len);
	gen_words(&t[T_WORDS], entry->image.data, entry->image.len);
	rc = gen_launch_entries(launch, &entries, e);
	*kernels = json_array_size(entries) > *kernels ? json_array_size(entries) : *kernels;
	if (rc < 0 || gen_launch_load(&t[T_LOAD], n, launch, entries, e) < 0 ||
	    gen_launch_workspace(&t[T_WORKSPACE], launch, e) < 0)
		rc = -1;
	json_decref(entries);
	return rc;
}

static void table_row(struct buf *t, const struct gen_names *n, const struct gen_family *f, const struct gen_entry *entry)
{
	const json_t *h = entry->header, *p = json_object_get(h, "provenance");
	bool measured = json_is_true(json_object_get(h, "measured"));
	double time = gen_num(p, "time_us"), base = gen_num(p, "baseline_us");
	const char *upper = buf_text(&t[T_ENTRY_UPPER]), *name = buf_text(&t[T_NAME]);
	int rule;
	long long cc = gen_plan_cc(gen_str(h, "arch"), &rule);
	struct buf *b = &t[T_TABLE];

	buf_addf(&t[T_INDICES], "#if %s_HAS_%s\n\t%s_%s,\n#endif\n", n->BEST, upper, n->BEST, upper);
	buf_addf(b, "#if %s_HAS_%s\n\t{ ", n->BEST, upper);
	gen_string(b, entry->name);
	buf_adds(b, ", ");
	gen_string(b, gen_str(json_object_get(h, "problem"), "text"));
	buf_adds(b, ", ");
	gen_string(b, gen_str(h, "arch"));
	buf_addf(b, ",\n\t\t%s_%s, %d, ", n->BEST, upper, measured);
	gen_real(b, measured && time > 0 ? time : 0);
	buf_adds(b, ", ");
	gen_real(b, measured && base > 0 ? base : 0);
	buf_addf(b, ", %lld, %d, { ", cc, rule);
	gen_plan_tuned(b, f, entry);
	buf_addf(b, " },\n\t\t%s_image_, %s_load_, %s_workspace_, %s, %s_numbers_ },\n#endif\n", name, name, name,
		 buf_text(&t[T_FUNCTION]), name);
}

static void launch_texts(struct buf *t, const json_t *launch)
{
	struct buf numbers;

	buf_init(&numbers);
	gen_share_numbers(&numbers, launch);
	buf_adds(&t[T_FUNCTION], gen_str(launch, "function"));
	gen_wrap(&t[T_NUMBERS], "\t", "\t", buf_text(&numbers));
	t[T_NUMBERS].len--;
	buf_free(&numbers);
}

static int add_entry(struct buf *t, const struct gen_names *n, const struct gen_family *f, size_t i, const json_t *launch, json_t *seen,
		     size_t *kernels, struct err *e)
{
	const struct gen_entry *entry = &f->entries[i];
	struct gen_mark marks[T_COUNT];
	char sha256[HASH_HEX];

	for (int k = T_ENTRY_NAME; k < T_COUNT; k++)
		buf_clear(&t[k]);
	hash_bytes(sha256, entry->image.data, entry->image.len);
	for (size_t k = 0; k < i; k++)
		if (strcmp(f->entries[k].name, entry->name) == 0)
			return err_set(e, "two entries of that name");
	if (entry_texts(t, n, entry, sha256, kernels, e) < 0)
		return -1;
	if ((i == 0 && gen_constants(&t[T_CONSTANTS], n, entry, sha256, true, seen, e) < 0) ||
	    gen_constants(&t[T_ENTRY_CONSTANTS], n, entry, sha256, false, seen, e) < 0)
		return -1;
	launch_texts(t, launch);
	table_row(t, n, f, entry);
	fill_marks(marks, t);
	buf_adds(&t[T_ENTRIES], i ? "\n" : "");
	return gen_template(&t[T_ENTRIES], "gen/best_entry.h.in", gen_template_entry, marks, T_COUNT, e);
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* ATTN_BEST_HAS_<ENTRY>, 0 or 1 by what the program defined. */
static void choice(struct buf *out, const struct gen_names *n, const struct gen_entry *entries, size_t count)
{
	struct buf upper;

	buf_init(&upper);
	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < count; i++) {
			buf_clear(&upper);
			gen_upper(&upper, entries[i].name);
			if (pass == 0)
				buf_addf(out, "%sdefined(%s_ONLY_%s)", i ? " || \\\n    " : "#if ", n->BEST, buf_text(&upper));
			else if (pass == 1)
				buf_addf(out, "#if defined(%s_NO_%s) || (defined(%s_ONLY_) && !defined(%s_ONLY_%s))\n"
					      "#define %s_HAS_%s 0\n#else\n#define %s_HAS_%s 1\n#endif\n", n->BEST,
					 buf_text(&upper), n->BEST, n->BEST, buf_text(&upper), n->BEST, buf_text(&upper), n->BEST,
					 buf_text(&upper));
			else
				buf_addf(out, "%s!%s_HAS_%s", i ? " && \\\n    " : "#if ", n->BEST, buf_text(&upper));
		}
		if (pass == 0)
			buf_addf(out, "\n#define %s_ONLY_\n#endif\n", n->BEST);
		if (pass == 2)
			buf_addf(out, "\n#error \"every entry of %s.h is left out\"\n#endif\n", n->best);
	}
	buf_free(&upper);
}

static int common_texts(struct buf *t, const struct gen_names *n, const struct gen_family *f, json_t *seen, struct err *e)
{
	const char *about = gen_str(json_object_get(f->entries->header, "family_info"), "about");
	size_t tuned = json_array_size(f->free) + json_array_size(f->fixed);
	bool maps = false;

	gen_comment(&t[T_ABOUT], about ? about : gen_str(f->entries->header, "family"));
	gen_list(&t[T_LIST], f->entries, f->n);
	gen_plan_words(&t[T_PLAN_WORDS], n, f);
	choice(&t[T_CHOICE], n, f->entries, f->n);
	buf_addf(&t[T_TUNED_COUNT], "%zu", tuned ? tuned : 1);
	gen_plan_serves(&t[T_SERVES], f);
	gen_plan_distance(&t[T_DISTANCE], n, f);
	for (size_t i = 0; i < f->n; i++)
		maps |= uses_tensor_maps(json_object_get(f->entries[i].header, "launch"));
	if (maps)
		buf_addf(&t[T_ALIGNED], aligned, n->BEST, n->BEST);
	if (gen_args_fields(&t[T_FIELDS], n, f, e) < 0 || gen_value_constants(&t[T_VALUE_CONSTANTS], n, f, seen, e) < 0 ||
	    gen_args_defaults(&t[T_DEFAULTS], n, f, e) < 0 || gen_args_values(&t[T_VALUES], f, e) < 0 ||
	    gen_args_sizes(&t[T_SIZES], f, e) < 0 || gen_derive(&t[T_DERIVE], n, f, e) < 0 ||
	    gen_args_complete(&t[T_COMPLETE], n, f, e) < 0 || gen_args_first(&t[T_FIRST], f, e) < 0 ||
	    gen_args_pointers(&t[T_POINTERS], f, e) < 0)
		return -1;
	return 0;
}

static int check_all(const struct gen_entry *entries, size_t n, struct err *e)
{
	if (!n)
		return err_set(e, "a header without an entry");
	for (size_t i = 0; i < n; i++) {
		char sha256[HASH_HEX];

		hash_bytes(sha256, entries[i].image.data, entries[i].image.len);
		if (check(&entries[i], sha256, e) < 0)
			return n > 1 ? err_where(e, "entry %s", entries[i].name ? entries[i].name : "without a name") : -1;
	}
	return 0;
}

int gen_header(struct buf *out, const struct gen_entry *entries, size_t n, struct err *e)
{
	struct gen_mark marks[T_COUNT];
	struct buf texts[T_COUNT];
	struct gen_names names;
	struct gen_family family = { .n = 0 };
	json_t *seen = json_object(), *launches = NULL;
	size_t kernels = 1;
	int rc = check_all(entries, n, e);

	for (int i = 0; i < T_COUNT; i++)
		buf_init(&texts[i]);
	if (rc == 0)
		rc = gen_family_open(&family, entries, n, e);
	if (rc < 0)
		goto out;
	buf_addf(&texts[T_BEST], "%s_best", gen_str(entries->header, "family"));
	gen_upper(&texts[T_BEST_UPPER], buf_text(&texts[T_BEST]));
	names.best = buf_text(&texts[T_BEST]);
	names.BEST = buf_text(&texts[T_BEST_UPPER]);
	rc = common_texts(texts, &names, &family, seen, e);
	if (rc == 0)
		rc = gen_share(&texts[T_LAUNCHES], &names, entries, n, &launches, e);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = add_entry(texts, &names, &family, i, json_array_get(launches, i), seen, &kernels, e);
		if (rc < 0 && n > 1)
			err_where(e, "entry %s", entries[i].name);
	}
	if (rc < 0)
		goto out;
	buf_addf(&texts[T_KERNELS], "%zu", kernels);
	fill_marks(marks, texts);
	rc = gen_template(out, "gen/best.h.in", gen_template_best, marks, T_COUNT, e);
out:
	gen_family_close(&family);
	json_decref(seen);
	json_decref(launches);
	for (int i = 0; i < T_COUNT; i++)
		buf_free(&texts[i]);
	return rc;
}
