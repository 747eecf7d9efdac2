/* gen_header: the header of a winner. It gathers the texts for the marks of gen/best_entry.h.in and gen/best.h.in and puts
 * them in; the texts themselves are made in gen_args, gen_launch, gen_constants and gen_provenance. No clock, no host and
 * no path is looked at, so equal input gives equal bytes. */
#include <stdlib.h>
#include <string.h>

#include "attune/gen.h"
#include "attune/hash.h"
#include "gen_internal.h"

#define IMAGE_MAX (64u << 20)

/* The marks of both templates. */
enum text {
	T_BEST, T_BEST_UPPER, T_ABOUT, T_ARCH, T_REGENERATE, T_NOTICE, T_PROVENANCE, T_CONSTANTS, T_DEFAULTS,
	T_FIELDS, T_KERNELS, T_ALIGNED, T_VALUES, T_SIZES, T_LAYOUTS, T_COMPLETE, T_ENTRY, T_POINTERS, T_NAME, T_CANDIDATE,
	T_BYTES, T_WORDS, T_LOAD, T_WORKSPACE, T_STEPS, T_COUNT
};

static const char *const mark_names[T_COUNT] = {
	"best", "BEST", "about", "arch", "regenerate", "notice", "provenance", "constants", "defaults",
	"fields", "kernels", "aligned", "values", "sizes", "layouts", "complete", "entry", "pointers", "name", "candidate",
	"bytes", "words", "load", "workspace", "steps"
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

static int check(const json_t *h, const struct gen_image *image, const char *sha256, struct err *e)
{
	static const char *const texts[] = { "family", "arch", "regenerate", "candidate_text" };
	static const char *const objects[] = { "family_info", "problem", "candidate", "launch", "derived", "spec" };
	const char *recorded = gen_str(json_object_get(h, "provenance"), "cubin_sha256");

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (!gen_str(h, texts[i]))
			return err_set(e, "description of the header: no \"%s\"", texts[i]);
	for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
		if (!json_is_object(json_object_get(h, objects[i])))
			return err_set(e, "description of the header: no \"%s\"", objects[i]);
	if (!gen_is_word(gen_str(h, "family")))
		return err_set(e, "family %s cannot be part of a name in C", gen_str(h, "family"));
	if (!image->len || image->len > IMAGE_MAX)
		return err_set(e, "machine code of %zu bytes", image->len);
	if (recorded && strcmp(recorded, sha256) != 0)
		return err_set(e, "the machine code is %s, its provenance says %s", sha256, recorded);
	return 0;
}

static int short_texts(struct buf *t, const json_t *h, const struct gen_image *image, struct err *e)
{
	const char *family = gen_str(h, "family"), *about = gen_str(json_object_get(h, "family_info"), "about");
	const json_t *tensor = json_array_get(json_object_get(json_object_get(h, "spec"), "tensors"), 0);

	if (!tensor)
		return err_set(e, "description of the header: the specification has no tensors");
	buf_addf(&t[T_BEST], "%s_best", family);
	gen_upper(&t[T_BEST_UPPER], buf_text(&t[T_BEST]));
	gen_comment(&t[T_ABOUT], about ? about : family);
	gen_comment(&t[T_ARCH], gen_str(h, "arch"));
	gen_comment(&t[T_REGENERATE], gen_str(h, "regenerate"));
	gen_comment(&t[T_CANDIDATE], gen_str(h, "candidate_text"));
	buf_addf(&t[T_NAME], "%s_0", buf_text(&t[T_BEST]));
	buf_addf(&t[T_BYTES], "%zu", image->len);
	gen_words(&t[T_WORDS], image->data, image->len);
	gen_notice(&t[T_NOTICE], h);
	return 0;
}

static int long_texts(struct buf *t, const struct gen_names *n, const json_t *h, const char *sha256, struct err *e)
{
	json_t *launch = json_object_get(h, "launch"), *entries = NULL;
	int rc;

	gen_provenance(&t[T_PROVENANCE], h, sha256);
	if (uses_tensor_maps(launch))
		buf_addf(&t[T_ALIGNED], aligned, n->BEST, n->BEST);
	rc = gen_launch_entries(launch, &entries, e);
	buf_addf(&t[T_KERNELS], "%zu", json_array_size(entries));
	if (rc < 0 || gen_constants(&t[T_CONSTANTS], n, h, sha256, e) < 0 || gen_args_fields(&t[T_FIELDS], h, e) < 0 ||
	    gen_args_defaults(&t[T_DEFAULTS], h, e) < 0 || gen_args_values(&t[T_VALUES], h, e) < 0 ||
	    gen_args_sizes(&t[T_SIZES], h, e) < 0 || gen_args_layouts(&t[T_LAYOUTS], n, h, e) < 0 ||
	    gen_args_complete(&t[T_COMPLETE], h, e) < 0 || gen_args_pointers(&t[T_POINTERS], h, e) < 0 ||
	    gen_launch_load(&t[T_LOAD], n, launch, entries, e) < 0 ||
	    gen_launch_workspace(&t[T_WORKSPACE], launch, e) < 0 || gen_launch_steps(&t[T_STEPS], n, h, entries, e) < 0)
		rc = -1;
	json_decref(entries);
	return rc;
}

int gen_header(struct buf *out, const json_t *header, const struct gen_image *image, struct err *e)
{
	struct gen_mark marks[T_COUNT];
	struct buf texts[T_COUNT];
	struct gen_names names;
	char sha256[HASH_HEX];
	int rc;

	for (int i = 0; i < T_COUNT; i++)
		buf_init(&texts[i]);
	hash_bytes(sha256, image->data, image->len);
	rc = check(header, image, sha256, e);
	if (rc == 0)
		rc = short_texts(texts, header, image, e);
	if (rc < 0)
		goto out;
	names.best = buf_text(&texts[T_BEST]);
	names.BEST = buf_text(&texts[T_BEST_UPPER]);
	rc = long_texts(texts, &names, header, sha256, e);
	if (rc < 0)
		goto out;
	for (int i = 0; i < T_COUNT; i++) {
		marks[i].name = mark_names[i];
		marks[i].text = buf_text(&texts[i]);
	}
	rc = gen_template(&texts[T_ENTRY], "gen/best_entry.h.in", gen_template_entry, marks, T_COUNT, e);
	marks[T_ENTRY].text = buf_text(&texts[T_ENTRY]);
	if (rc == 0)
		rc = gen_template(out, "gen/best.h.in", gen_template_best, marks, T_COUNT, e);
out:
	for (int i = 0; i < T_COUNT; i++)
		buf_free(&texts[i]);
	return rc;
}
