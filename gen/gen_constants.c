/* gen_constants: the #define lines of a header: what was tuned, for what, and how fast it was, under each entry's name, and
 * for the first entry under plain names too. It chooses no number; each one is copied from the description. Two constants
 * of one name are an error, so an axis cannot shadow one. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gen_internal.h"

struct constants {
	struct buf *out;
	const struct gen_names *names;
	const char *entry; /* "SEED_SM_90A_", or "" for the plain names */
	json_t *seen;
	struct err *e;
	int rc;
};

/* Begins "#define PREFIX_NAME "; false: an error before, or the name is taken. */
static bool define(struct constants *c, const char *prefix, const char *name)
{
	struct buf full;
	bool fresh = false;

	if (c->rc < 0)
		return false;
	buf_init(&full);
	buf_addf(&full, "%s_%s%s", c->names->BEST, c->entry, prefix);
	gen_upper(&full, name);
	if (json_object_get(c->seen, buf_text(&full))) {
		c->rc = err_set(c->e, "two constants of the header are called %s", buf_text(&full));
	} else {
		json_object_set_new(c->seen, buf_text(&full), json_true());
		buf_addf(c->out, "#define %s ", buf_text(&full));
		fresh = true;
	}
	buf_free(&full);
	return fresh;
}

static void define_value(struct constants *c, const char *prefix, const char *name, const json_t *v)
{
	if (!v || !define(c, prefix, name))
		return;
	if (json_is_string(v))
		gen_string(c->out, json_string_value(v));
	else
		c->rc = gen_number(c->out, v, c->e);
	if (c->rc < 0)
		err_where(c->e, "constant %s", name);
	buf_addc(c->out, '\n');
}

static void define_text(struct constants *c, const char *name, const char *text)
{
	if (!text || !define(c, "", name))
		return;
	gen_string(c->out, text);
	buf_addc(c->out, '\n');
}

static void define_integer(struct constants *c, const char *name, long long v)
{
	if (define(c, "", name))
		buf_addf(c->out, "%lld\n", v);
}

static void define_us(struct constants *c, const char *name, double us)
{
	if (isnan(us) || !define(c, "", name))
		return;
	gen_real(c->out, us);
	if (us == floor(us) && us < 1e6)
		buf_adds(c->out, ".0");
	buf_addc(c->out, '\n');
}

static void launch_constants(struct constants *c, const json_t *header)
{
	const json_t *steps = json_object_get(json_object_get(header, "launch"), "steps"), *step = NULL, *v, *smem;
	long long threads = 1;
	size_t i;

	for (i = 0; i < json_array_size(steps) && !gen_str(step, "entry"); i++)
		step = json_array_get(steps, i);
	json_array_foreach(json_object_get(step, "block"), i, v)
		threads = json_is_integer(v) ? threads * (long long)json_integer_value(v) : 0;
	smem = json_object_get(step, "smem");
	if (threads > 0)
		define_integer(c, "THREADS", threads);
	if (!json_is_string(smem))
		define_integer(c, "SMEM_BYTES", smem ? (long long)json_integer_value(smem) : 0);
}

static void problem_constants(struct constants *c, const json_t *header)
{
	static const char *const lists[] = { "dims", "flags" };
	const json_t *info = json_object_get(header, "family_info"), *problem = json_object_get(header, "problem");

	for (size_t l = 0; l < 2; l++) {
		size_t i;
		json_t *item;

		json_array_foreach(json_object_get(info, lists[l]), i, item) {
			const char *name = gen_str(item, "name");

			if (name)
				define_value(c, "PROBLEM_", name, json_object_get(problem, name));
		}
	}
}

static void comment(struct constants *c, const char *text)
{
	if (!*c->entry)
		buf_addf(c->out, "%s/* %s */\n", c->out->len ? "\n" : "", text);
}

int gen_constants(struct buf *out, const struct gen_names *n, const struct gen_entry *entry, const char *cubin_sha256,
		  bool plain, json_t *seen, struct err *e)
{
	struct constants c = { .out = out, .names = n, .seen = seen, .e = e };
	const json_t *header = entry->header, *p = json_object_get(header, "provenance");
	bool measured = json_is_true(json_object_get(header, "measured"));
	struct buf prefix;
	const char *key;
	json_t *v;
	int rule;

	buf_init(&prefix);
	if (!plain) {
		gen_upper(&prefix, entry->name);
		buf_addc(&prefix, '_');
	}
	c.entry = buf_text(&prefix);
	comment(&c, "1: timed on a device. 0: provisional, chosen by a static model, nothing was timed.");
	define_integer(&c, "MEASURED", measured);
	define_text(&c, "ARCH", gen_str(header, "arch"));
	define_integer(&c, "CC", gen_plan_cc(gen_str(header, "arch"), &rule));
	comment(&c, "The problem that it was tuned for.");
	problem_constants(&c, header);
	comment(&c, "The kernel: its variant, each axis, and what the first kernel of a call uses.");
	json_object_foreach(json_object_get(header, "candidate"), key, v)
		define_value(&c, "", key, v);
	launch_constants(&c, header);
	define_value(&c, "", "REGISTERS", json_object_get(json_object_get(header, "resources"), "regs"));
	if (measured) {
		comment(&c, "Microseconds a call, inputs not in the L2 cache; the fastest baseline in the same run.");
		define_us(&c, "TIME_US", gen_num(p, "time_us"));
		define_us(&c, "BASELINE_US", gen_num(p, "baseline_us"));
		define_text(&c, "BASELINE", gen_str(p, "baseline_name"));
	}
	comment(&c, "SHA-256 of the machine code, and of the source that it was compiled from.");
	define_text(&c, "CUBIN_SHA256", cubin_sha256);
	define_text(&c, "SOURCE_SHA256", gen_str(p, "source_sha256"));
	buf_free(&prefix);
	return c.rc;
}

int gen_value_constants(struct buf *out, const struct gen_names *n, const struct gen_family *f, json_t *seen,
			struct err *e)
{
	struct constants c = { .out = out, .names = n, .entry = "", .seen = seen, .e = e };
	size_t i, k;
	json_t *item, *v;

	json_array_foreach(f->fixed, i, item) {
		struct buf prefix;

		if (!gen_fixed_words(item))
			continue;
		buf_init(&prefix);
		gen_upper(&prefix, gen_str(item, "name"));
		buf_addc(&prefix, '_');
		json_array_foreach(json_object_get(item, "values"), k, v)
			if (json_is_string(v) && define(&c, buf_text(&prefix), json_string_value(v)))
				buf_addf(out, "%lld\n", gen_fixed_number(item, v));
		buf_free(&prefix);
	}
	return c.rc;
}
