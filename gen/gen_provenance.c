/* gen_provenance: the comments of a header: the list of its entries, and before each whether its times were taken, recorded
 * or not taken at all, and where everything in it comes from. It states what the description holds and nothing else: what
 * is absent is left out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gen_internal.h"

/* "name" of an object, or the text itself. */
static const char *name_of(const json_t *v)
{
	return json_is_object(v) ? gen_str(v, "name") : json_string_value(v);
}

static void add_device(struct buf *b, const json_t *p)
{
	const char *device = name_of(json_object_get(p, "device")), *driver = gen_str(p, "driver");

	buf_adds(b, device ? device : "an unnamed device");
	if (driver)
		buf_addf(b, ", driver %s", driver);
}

static void add_times(struct buf *b, const json_t *p)
{
	double time = gen_num(p, "time_us"), lo = gen_num(p, "time_lo_us"), hi = gen_num(p, "time_hi_us");
	double warm = gen_num(p, "warm_us"), base = gen_num(p, "baseline_us");
	const char *name = gen_str(p, "baseline_name");

	if (isnan(time))
		return;
	buf_addf(b, "%.4g us a call with inputs out of cache", time);
	if (!isnan(lo) && !isnan(hi))
		buf_addf(b, " (95%% interval %.4g to %.4g us)", lo, hi);
	if (!isnan(warm))
		buf_addf(b, ", %.4g us with them in the L2 cache", warm);
	if (!isnan(base) && name)
		buf_addf(b, "; %s, the fastest baseline of the same run, %.4g us (%.3g times as long)", name, base, base / time);
	buf_addc(b, '.');
}

void gen_notice(struct buf *out, const json_t *header)
{
	const json_t *p = json_object_get(header, "provenance");
	const char *why = gen_str(header, "provisional_why"), *run = gen_str(p, "run");
	struct buf b;

	buf_init(&b);
	if (!json_is_true(json_object_get(header, "measured"))) {
		buf_addf(&b, "PROVISIONAL: nothing was timed.%s%s%s The kernel was ranked by a static model of the compiled code "
			     "(occupancy, spills, instruction mix), which is no measurement. To tune on the device, "
			     "from a machine with a compiler, RUNNER being any command that starts attune-run there:",
			 why ? " Reason: " : "", why ? why : "", why ? "." : "");
		gen_wrap(out, " * ", " * ", buf_text(&b));
		buf_clear(&b);
		buf_addf(&b, "%s RUNNER=\"ssh DEVICE attune-run\"", gen_str(header, "regenerate"));
		buf_adds(out, " *\n");
		gen_wrap(out, " *     ", " *         ", buf_text(&b));
	} else {
		if (json_is_true(json_object_get(header, "recorded"))) {
			buf_adds(&b, "RECORDED: no device was at hand when this file was written. Its times were recorded earlier, on ");
			add_device(&b, p);
			if (run)
				buf_addf(&b, ", in run %s", run);
			buf_adds(&b, ": ");
		} else {
			buf_adds(&b, "MEASURED on ");
			add_device(&b, p);
			if (run)
				buf_addf(&b, ", in run %s", run);
			buf_adds(&b, ": ");
		}
		add_times(&b, p);
		gen_wrap(out, " * ", " * ", buf_text(&b));
	}
	buf_free(&b);
}

static void row(struct buf *out, const char *name, const char *text)
{
	struct buf first;

	if (!text || !*text)
		return;
	buf_init(&first);
	buf_addf(&first, " *   %-12s ", name);
	gen_wrap(out, buf_text(&first), " *                ", text);
	buf_free(&first);
}

/* "k v, k v" of an object of numbers; zero counts are left out. */
static void add_counts(struct buf *b, const json_t *counts)
{
	const char *key;
	json_t *v;
	bool any = false;

	json_object_foreach((json_t *)counts, key, v) {
		if (!json_is_number(v) || json_number_value(v) == 0)
			continue;
		buf_addf(b, "%s%s %.6g", any ? ", " : "", key, json_number_value(v));
		any = true;
	}
}

static void search_rows(struct buf *out, const json_t *p)
{
	const char *policy = gen_str(p, "policy"), *sha = gen_str(p, "policy_sha256");
	double seed = gen_num(p, "seed"), trials = gen_num(p, "trials");
	struct buf b;

	buf_init(&b);
	if (policy) {
		buf_adds(&b, policy);
		if (sha)
			buf_addf(&b, " (sha256 %.16s)", sha);
		if (!isnan(seed))
			buf_addf(&b, ", seed %.0f", seed);
		row(out, "policy", buf_text(&b));
		buf_clear(&b);
	}
	if (!isnan(trials)) {
		buf_addf(&b, "%.0f tried", trials);
		if (json_object_size(json_object_get(p, "rejected"))) {
			buf_adds(&b, "; not accepted: ");
			add_counts(&b, json_object_get(p, "rejected"));
		}
		row(out, "search", buf_text(&b));
	}
	buf_free(&b);
}

static void baseline_rows(struct buf *out, const json_t *p)
{
	struct buf b;
	size_t i;
	json_t *v;

	buf_init(&b);
	json_array_foreach(json_object_get(p, "baselines"), i, v) {
		const char *name = gen_str(v, "name"), *why = gen_str(v, "why");
		double time = gen_num(v, "time_us");

		if (!name)
			continue;
		buf_adds(&b, b.len ? ", " : "");
		if (!isnan(time))
			buf_addf(&b, "%s %.4g us", name, time);
		else
			buf_addf(&b, "%s not measured (%s)", name, why ? why : "no time");
	}
	row(out, "baselines", buf_text(&b));
	buf_clear(&b);
	add_counts(&b, json_object_get(p, "noise"));
	row(out, "noise", buf_text(&b));
	buf_free(&b);
}

/* The worst error over the checks, against its own tolerance. */
static void error_row(struct buf *out, const json_t *p)
{
	const json_t *worst = NULL;
	size_t i, n = 0;
	double share = -1;
	json_t *v;
	struct buf b;

	json_array_foreach(json_object_get(p, "errors"), i, v) {
		double used = gen_num(v, "max_abs") / gen_num(v, "tolerance_used");

		n++;
		if (isfinite(used) && used > share) {
			share = used;
			worst = v;
		}
	}
	if (!worst)
		return;
	buf_init(&b);
	buf_addf(&b, "%zu checks against float64; closest to its limit: largest difference %.3g of %.3g allowed", n,
		 gen_num(worst, "max_abs"), gen_num(worst, "tolerance_used"));
	if (!isnan(gen_num(worst, "plain_max_abs")))
		buf_addf(&b, ", a plain kernel's %.3g", gen_num(worst, "plain_max_abs"));
	if (gen_str(worst, "values"))
		buf_addf(&b, " (%s values)", gen_str(worst, "values"));
	row(out, "errors", buf_text(&b));
	buf_free(&b);
}

void gen_provenance(struct buf *out, const json_t *header, const char *cubin_sha256)
{
	const json_t *p = json_object_get(header, "provenance"), *flags = json_object_get(p, "nvcc_flags"), *v;
	struct buf b;
	size_t i;

	buf_init(&b);
	buf_adds(out, " * Provenance\n");
	row(out, "problem", gen_str(json_object_get(header, "problem"), "text"));
	row(out, "kernel", gen_str(header, "candidate_text"));
	if (json_is_true(json_object_get(header, "measured")))
		baseline_rows(out, p);
	error_row(out, p);
	search_rows(out, p);
	if (gen_str(p, "nvcc"))
		buf_addf(&b, "%s: ", gen_str(p, "nvcc"));
	if (json_is_string(flags))
		buf_adds(&b, json_string_value(flags));
	json_array_foreach(flags, i, v)
		buf_addf(&b, "%s%s", i ? " " : "", json_string_value(v) ? json_string_value(v) : "");
	row(out, "nvcc", buf_text(&b));
	row(out, "source", gen_str(p, "source_sha256"));
	row(out, "machine code", cubin_sha256);
	buf_free(&b);
}

/* "8.0 us, 2 times as fast as cudnn, on NVIDIA H200": only what was measured. */
static void add_short(struct buf *b, const json_t *header)
{
	const json_t *p = json_object_get(header, "provenance");
	double time = gen_num(p, "time_us"), base = gen_num(p, "baseline_us");
	const char *name = gen_str(p, "baseline_name"), *device = name_of(json_object_get(p, "device"));

	if (!json_is_true(json_object_get(header, "measured")) || isnan(time)) {
		buf_adds(b, "provisional: nothing was timed");
		return;
	}
	buf_addf(b, "%.4g us", time);
	if (!isnan(base) && name)
		buf_addf(b, ", %.3g times as fast as %s (%.4g us)", base / time, name, base);
	if (device)
		buf_addf(b, ", %s%s", json_is_true(json_object_get(header, "recorded")) ? "recorded on " : "on ", device);
}

void gen_list(struct buf *out, const struct gen_entry *entries, size_t n)
{
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, " *   %s, for %s\n", entries[i].name, gen_str(entries[i].header, "arch"));
		gen_wrap(out, " *       ", " *           ", gen_str(json_object_get(entries[i].header, "problem"), "text"));
		buf_clear(&b);
		add_short(&b, entries[i].header);
		gen_wrap(out, " *       ", " *           ", buf_text(&b));
	}
	buf_free(&b);
}
