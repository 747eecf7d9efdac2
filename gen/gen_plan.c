/* gen_plan: what the choice among the entries of a header looks at: the sizes that each was tuned for, what its machine code
 * fixes, the chips it runs on, and how far a call is from it.
 * Distance: the product, over the run-time dimensions and over the product of all of them (how much work there is), of the
 * larger over the smaller of asked and tuned. A dimension that divides another counts by the quotient. It is 1 for an
 * exact match and larger for everything else; its logarithm is the sum of the absolute logarithms of the ratios. */
#include <stdlib.h>
#include <string.h>

#include "gen_internal.h"

/* Free dimensions, then fixed values: the order of tuned_. */
static const json_t *item_at(const struct gen_family *f, size_t i)
{
	size_t free_count = json_array_size(f->free);

	return i < free_count ? json_array_get(f->free, i) : json_array_get(f->fixed, i - free_count);
}

static size_t item_count(const struct gen_family *f)
{
	return json_array_size(f->free) + json_array_size(f->fixed);
}

void gen_plan_tuned(struct buf *out, const struct gen_family *f, const struct gen_entry *entry)
{
	for (size_t i = 0; i < item_count(f); i++)
		buf_addf(out, "%s%lld", i ? ", " : "",
			 gen_fixed_number(item_at(f, i), gen_problem_value(entry, item_at(f, i))));
	if (!item_count(f))
		buf_addc(out, '0');
}

void gen_plan_serves(struct buf *out, const struct gen_family *f)
{
	size_t free_count = json_array_size(f->free), i;
	json_t *item;

	if (!json_array_size(f->fixed)) {
		buf_adds(out, "\t(void)entry;\n\t(void)a;\n\treturn 1;\n");
		return;
	}
	buf_adds(out, "\treturn ");
	json_array_foreach(f->fixed, i, item)
		buf_addf(out, "%sa->%s == entry->tuned_[%zu]", i ? " && " : "", gen_str(item, "name"), free_count + i);
	buf_adds(out, ";\n");
}

static size_t index_of(const struct gen_family *f, const char *name)
{
	size_t i;
	json_t *dim;

	json_array_foreach(f->free, i, dim)
		if (strcmp(gen_str(dim, "name"), name) == 0)
			return i;
	return i;
}

void gen_plan_distance(struct buf *out, const struct gen_names *n, const struct gen_family *f)
{
	size_t i;
	json_t *dim;

	if (!json_array_size(f->free)) {
		buf_adds(out, "\t(void)entry;\n\t(void)a;\n\treturn 1;\n");
		return;
	}
	buf_adds(out, "\tconst long long *t = entry->tuned_;\n\tdouble far = 1, asked = 1, tuned = 1;\n\n");
	json_array_foreach(f->free, i, dim) {
		const char *name = gen_str(dim, "name"), *divides = gen_str(dim, "divides");
		size_t whole = divides ? index_of(f, divides) : json_array_size(f->free);

		if (whole < json_array_size(f->free)) {
			buf_addf(out, "\tfar *= %s_ratio_((double)(a->%s / a->%s), (double)(t[%zu] / t[%zu]));\n", n->best, divides,
				 name, whole, i);
			continue;
		}
		buf_addf(out, "\tfar *= %s_ratio_((double)a->%s, (double)t[%zu]);\n", n->best, name, i);
		buf_addf(out, "\tasked *= (double)a->%s;\n\ttuned *= (double)t[%zu];\n", name, i);
	}
	buf_addf(out, "\treturn far * %s_ratio_(asked, tuned);\n", n->best);
}

void gen_plan_words(struct buf *out, const struct gen_names *n, const struct gen_family *f)
{
	struct buf text, fixed, terms, work;
	size_t i;
	json_t *item;

	buf_init(&text);
	buf_init(&fixed);
	buf_init(&terms);
	buf_init(&work);
	json_array_foreach(f->fixed, i, item)
		buf_addf(&fixed, "%s%s", i ? ", " : "", gen_str(item, "name"));
	json_array_foreach(f->free, i, item) {
		const char *divides = gen_str(item, "divides");

		if (divides && index_of(f, divides) < json_array_size(f->free)) {
			buf_addf(&terms, "%s/%s, ", divides, gen_str(item, "name"));
			continue;
		}
		buf_addf(&terms, "%s, ", gen_str(item, "name"));
		buf_addf(&work, "%s%s", work.len ? "*" : "", gen_str(item, "name"));
	}
	buf_adds(&text, "Which entry serves a call: its machine code runs on the device");
	if (fixed.len)
		buf_addf(&text, ", and it has the call's %s", buf_text(&fixed));
	buf_adds(&text, ". Of several, those built for the device's own compute capability come first, and of these the one "
			"tuned for exactly these sizes");
	if (terms.len)
		buf_addf(&text, ", else the one with the smallest product of the ratios, larger over smaller, of asked to tuned %s"
				"and %s", buf_text(&terms), buf_text(&work));
	buf_addf(&text, "; of equals the one that stands first. None: %s_plan answers CUDA_ERROR_NO_BINARY_FOR_GPU (no entry "
			"runs on the device) or CUDA_ERROR_NOT_SUPPORTED (none of those that do serves the call).", n->best);
	gen_wrap(out, " * ", " * ", buf_text(&text));
	buf_free(&text);
	buf_free(&fixed);
	buf_free(&terms);
	buf_free(&work);
}

long long gen_plan_cc(const char *arch, int *rule)
{
	const char *digits = arch ? strpbrk(arch, "0123456789") : NULL;
	char last = arch && *arch ? arch[strlen(arch) - 1] : 0;

	*rule = arch && strncmp(arch, "compute_", 8) == 0 ? 3 : last == 'a' ? 0 : last == 'f' ? 1 : 2;
	return digits ? strtoll(digits, NULL, 10) : 0;
}
