/* space_export: a small run written as a recorded space and in T4, and read back: variants, keys, times, facts, defaults; the
 * fields that T4's schema requires; equal bytes for equal records. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attune/space.h"
#include "scratch.h"

static json_t *trial(const char *candidate, const char *verdict, double time_us)
{
	json_t *t = json_pack("{s:s, s:s, s:s, s:s}", "kind", "trial", "candidate", candidate, "problem", "n=1", "verdict", verdict);

	if (time_us > 0)
		json_object_update_new(t, json_pack("{s:f, s:f, s:f, s:f, s:f}", "time_us", time_us, "time_lo_us", time_us - 0.5,
						    "time_hi_us", time_us + 0.5, "warm_us", time_us - 1, "compile_s", 1.5));
	return t;
}

static json_t *run_of(const char *date)
{
	json_t *run = json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s}}", "kind", "run", "kernel", "toy", "problem", "n=1",
				"arch", "sm_90a", "nvcc", "13.0.88", "device", "name", "NVIDIA H200", "driver", "580", "cuda", "13.0");
	json_t *records = json_array(), *with;

	if (date)
		json_object_set_new(run, "date", json_string(date));
	json_array_append_new(records, run);
	json_array_append_new(records, json_pack("{s:s, s:s}", "kind", "intent", "candidate", "a X=1 Y=u"));
	with = trial("a X=1 Y=u", "ok", 8.25);
	json_object_set_new(with, "static", json_pack("{s:i, s:f, s:i}", "latency_cycles", 5000, "trips", 2.5, "regs", 40));
	json_array_append_new(records, with);
	json_array_append_new(records, trial("a X=16 Y=u", "wrong", 0));
	json_array_append_new(records, trial("b X=2 Z=7", "ok", 6));
	json_array_append_new(records, trial("a X=2 Y=v", "compile", 0));
	json_array_append_new(records, trial("b X=4 Z=7", "hung", 0));
	json_array_append_new(records, trial("a X=16 Y=u", "ok", 4)); /* of several the right one counts */
	json_array_append_new(records, trial("b X=4 Z=7", "unrecorded", 0));
	json_array_append_new(records, trial("c", "ok", 9));
	with = trial("b X=8 Z=7", "ok", 1); /* of another problem */
	json_object_set_new(with, "problem", json_string("n=2"));
	json_array_append_new(records, with);
	with = trial("b X=16 Z=7", "ok", 2); /* not measured: machine code that was */
	json_object_set_new(with, "same_as", json_string("b X=2 Z=7"));
	json_array_append_new(records, with);
	return records;
}

static const char *const family = "[{\"name\":\"a\",\"axes\":[{\"name\":\"X\",\"default\":2},"
				  "{\"name\":\"Y\",\"default\":\"v\",\"strategy\":\"memory\"}]},"
				  "{\"name\":\"b\",\"axes\":[{\"name\":\"X\",\"default\":4,\"strategy\":\"l2\"},"
				  "{\"name\":\"Z\",\"default\":7}]},"
				  "{\"name\":\"d\",\"axes\":[{\"name\":\"X\",\"default\":1}]}]";

static void export(struct buf *out, const char *date)
{
	json_t *records = run_of(date), *variants = json_loads(family, 0, NULL);
	struct err e = { 0 };
	long rows = 0;

	buf_init(out);
	ck_assert_msg(space_export_tsv(records, "toy-run", variants, out, &rows, &e) == 0, "%s", e.text);
	ck_assert_int_eq(rows, 6);
	json_decref(records);
	json_decref(variants);
}

static void open_exported(struct space_record *r, struct space **space, const char *date)
{
	struct err e = { 0 };
	struct buf text;

	export(&text, date);
	scratch_write(scratch_path("s.tsv"), text.data, text.len);
	buf_free(&text);
	ck_assert_msg(space_record_open(r, scratch_path("s.tsv"), &e) == 0, "%s", e.text);
	ck_assert_msg(space_open(space, r->variants, &e) == 0, "%s", e.text);
	space_list_keys(*space, r->keys, r->n);
}

/* The row of a candidate, through the space's own keys. */
static long row_of(const struct space_record *r, const struct space *space, const char *candidate)
{
	struct space_config c;
	struct err e = { 0 };

	ck_assert_msg(space_parse(space, candidate, &c, &e) == 0, "%s", e.text);
	return space_map_get(&r->row, space_key(space, &c));
}

START_TEST(what_is_written_is_read)
{
	struct space_record r;
	struct space *space;
	long at;

	open_exported(&r, &space, "2026-11-22");
	ck_assert_str_eq(r.kernel, "toy");
	ck_assert_str_eq(r.device, "NVIDIA H200");
	ck_assert_str_eq(r.date, "2026-11-22");
	ck_assert_uint_eq(json_array_size(r.variants), 3);
	ck_assert_uint_eq(space->parts_n, 3);
	ck_assert_uint_eq(space->parts[0].axes_n, 2); /* X and Y of a */
	ck_assert_uint_eq(space->parts[1].axes_n, 1); /* X of b: Z has one value */
	ck_assert_uint_eq(space->parts[2].axes_n, 0);
	at = row_of(&r, space, "a X=1 Y=u");
	ck_assert_double_eq_tol(r.time_ms[at], 0.00825, 1e-12);
	ck_assert_double_eq(json_number_value(json_object_get(r.facts[at], "latency_cycles")), 5000);
	ck_assert_double_eq(json_number_value(json_object_get(r.facts[at], "trips")), 2.5);
	at = row_of(&r, space, "a X=16 Y=u");
	ck_assert_double_eq_tol(r.time_ms[at], 0.004, 1e-12);
	ck_assert_ptr_null(json_object_get(r.facts[at], "latency_cycles"));
	at = row_of(&r, space, "a X=2 Y=v");
	ck_assert_str_eq(r.status[at], "CompilationFailedConfig");
	ck_assert(isnan(r.time_ms[at]));
	ck_assert_str_eq(r.status[row_of(&r, space, "b X=4")], "RuntimeFailedConfig");
	ck_assert_int_eq(row_of(&r, space, "a X=1 Y=v"), -1); /* not recorded: forbidden */
	ck_assert_int_ge(row_of(&r, space, "c"), 0);
	ck_assert_int_eq(space->parts[1].axes[0].n, 2); /* 2 and 4: 8 and 16 have no row */
	ck_assert_double_eq_tol(r.best_ms, 0.004, 1e-12);
	space_close(space);
	space_record_close(&r);
}
END_TEST

START_TEST(defaults_and_strategies_come_from_the_family)
{
	struct space_record r;
	struct space *space;
	const struct space_part *a;

	open_exported(&r, &space, NULL);
	ck_assert_str_eq(r.date, "");
	a = &space->parts[0];
	ck_assert_str_eq(a->axes[0].texts[a->axes[0].usual], "2");
	ck_assert_str_eq(a->axes[1].texts[a->axes[1].usual], "v");
	ck_assert_str_eq(space->parts[1].axes[0].texts[space->parts[1].axes[0].usual], "4");
	ck_assert_str_eq(a->axes[0].strategy, "");
	ck_assert_str_eq(a->axes[1].strategy, "memory");
	ck_assert_str_eq(space->parts[1].axes[0].strategy, "l2");
	space_close(space);
	space_record_close(&r);
}
END_TEST

START_TEST(equal_records_give_equal_bytes)
{
	struct buf a, b;

	export(&a, "2026-11-22");
	export(&b, "2026-11-22");
	ck_assert_str_eq(buf_text(&a), buf_text(&b));
	buf_free(&a);
	buf_free(&b);
}
END_TEST

/* The rows of a variant must have its parameters, or not, all of them. */
START_TEST(a_row_that_lacks_a_parameter_is_named)
{
	static const char text[] = "#kernel=k device=d source=s\nvariant\tX\tY\tstatus\ttime_ms\na\t1\t\tok\t1\na\t2\t\tok\t2\n"
				   "b\t1\t5\tok\t3\nb\t2\t\tok\t4\n";
	struct space_record r;
	struct err e = { 0 };

	scratch_write(scratch_path("s.tsv"), text, strlen(text));
	ck_assert_int_lt(space_record_open(&r, scratch_path("s.tsv"), &e), 0);
	ck_assert_msg(strstr(e.text, "row 4: Y is empty"), "%s", e.text);
}
END_TEST

/* The community's results-schema.json for T4 1.0.0: types, and the members that it requires of each result. */
static void check_result(const json_t *result)
{
	static const char *const invalidities[] = { "timeout", "compile", "runtime", "correctness", "constraints", "correct" };
	const char *invalidity = json_string_value(json_object_get(result, "invalidity"));
	const json_t *times = json_object_get(result, "times"), *list = json_object_get(result, "measurements"), *m;
	bool known = false;
	size_t i;

	ck_assert(json_is_object(json_object_get(result, "configuration")));
	ck_assert(json_is_object(times));
	ck_assert(json_is_number(json_object_get(result, "correctness")));
	ck_assert_ptr_nonnull(invalidity);
	for (i = 0; i < sizeof invalidities / sizeof *invalidities; i++)
		known |= !strcmp(invalidity, invalidities[i]);
	ck_assert_msg(known, "%s", invalidity);
	ck_assert(!json_object_get(result, "timestamp") || json_is_string(json_object_get(result, "timestamp")));
	ck_assert(json_is_array(json_object_get(result, "objectives")));
	ck_assert(json_is_array(json_object_get(times, "runtimes")));
	ck_assert(!json_object_get(times, "compilation_time") || json_is_number(json_object_get(times, "compilation_time")));
	ck_assert(json_is_array(list));
	json_array_foreach(list, i, m) {
		ck_assert(json_is_string(json_object_get(m, "name")) && json_is_string(json_object_get(m, "unit")));
		ck_assert(json_is_number(json_object_get(m, "value")));
	}
}

START_TEST(t4_has_what_its_schema_requires)
{
	static const char *const invalidity[] = { "correct", "correct", "correct", "compile", "timeout", "correct" };
	json_t *records = run_of("2026-11-22"), *all, *results, *first, *r;
	struct err e = { 0 };
	struct buf text;
	size_t i;

	buf_init(&text);
	ck_assert_msg(space_export_t4(records, &text, &e) == 0, "%s", e.text);
	all = json_loads(buf_text(&text), 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(all, "schema_version")), "1.0.0");
	ck_assert(json_is_object(json_object_get(all, "metadata")));
	results = json_object_get(all, "results");
	ck_assert_uint_eq(json_array_size(results), 6);
	json_array_foreach(results, i, r) {
		check_result(r);
		ck_assert_str_eq(json_string_value(json_object_get(r, "invalidity")), invalidity[i]);
		ck_assert_int_eq(json_integer_value(json_object_get(r, "correctness")), !strcmp(invalidity[i], "correct"));
	}
	first = json_array_get(results, 0);
	ck_assert_str_eq(json_string_value(json_object_get(first, "timestamp")), "2026-11-22");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(first, "configuration"), "variant")), "a");
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(first, "configuration"), "X")), 1);
	ck_assert_double_eq_tol(json_number_value(json_object_get(json_array_get(json_object_get(first, "measurements"), 0), "value")),
				0.00825, 1e-12);
	json_decref(all);
	json_decref(records);
	buf_free(&text);
}
END_TEST

START_TEST(nothing_to_export_is_said)
{
	json_t *records = json_array(), *run = run_of(NULL);
	struct err e = { 0 };
	struct buf text;
	long rows;

	buf_init(&text);
	ck_assert_int_lt(space_export_tsv(records, "n", NULL, &text, &rows, &e), 0);
	err_clear(&e);
	ck_assert_int_lt(space_export_t4(records, &text, &e), 0);
	err_clear(&e);
	json_array_append(records, json_array_get(run, 0));
	ck_assert_int_lt(space_export_tsv(records, "n", NULL, &text, &rows, &e), 0);
	ck_assert_str_eq(e.text, "no trials to export");
	json_array_append_new(records, trial("a X=1 X=2", "ok", 1));
	err_clear(&e);
	ck_assert_int_lt(space_export_tsv(records, "n", NULL, &text, &rows, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "a X=1 X=2"));
	json_decref(records);
	json_decref(run);
	buf_free(&text);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("space_export");

	tcase_add_checked_fixture(cases, scratch_make, scratch_remove);
	tcase_add_test(cases, what_is_written_is_read);
	tcase_add_test(cases, defaults_and_strategies_come_from_the_family);
	tcase_add_test(cases, equal_records_give_equal_bytes);
	tcase_add_test(cases, a_row_that_lacks_a_parameter_is_named);
	tcase_add_test(cases, t4_has_what_its_schema_requires);
	tcase_add_test(cases, nothing_to_export_is_said);
	return scratch_run("space_export", cases);
}
