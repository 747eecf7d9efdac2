/* space_t4: writes a run's journal in T4, the autotuning community's format of results (version 1.0.0: an object with
 * schema_version and results; of each result configuration, times, invalidity and correctness are required; Kernel Tuner's
 * store_output_file writes the same). Times are in milliseconds. Copies what was recorded and measures nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attune/space.h"
#include "space_export.h"

static const char *invalidity_of(const char *verdict)
{
	static const char *const words[][2] = {
		{ "ok", "correct" },	    { "compile", "compile" },		 { "illegal", "constraints" }, { "hung", "timeout" },
		{ "slow", "timeout" },	    { "wrong", "correctness" },		 { "cheat", "correctness" },
		{ "nondeterministic", "correctness" },
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(verdict, words[i][0]) == 0)
			return words[i][1];
	return "runtime";
}

/* Axis values that are whole numbers become numbers. */
static json_t *configuration(const json_t *texts)
{
	json_t *c = json_object(), *v;
	const char *axis;

	json_object_foreach((json_t *)texts, axis, v) {
		const char *text = json_string_value(v);
		char *end;
		long long n = strtoll(text, &end, 10);

		json_object_set_new(c, axis, *text && !*end ? json_integer((json_int_t)n) : json_string(text));
	}
	return c;
}

/* Nine digits, as in the other format: more than a clock gives. */
static json_t *rounded(double x)
{
	char text[40];

	snprintf(text, sizeof text, "%.9g", x);
	return json_real(strtod(text, NULL));
}

static void measured(json_t *list, const json_t *trial, const char *member, const char *name, double factor, const char *unit)
{
	const json_t *v = json_object_get(trial, member);

	if (json_is_number(v))
		json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "name", name, "value",
						      rounded(json_number_value(v) * factor), "unit", unit));
}

static json_t *result_of(const json_t *row, const char *date)
{
	const json_t *trial = json_object_get(row, "trial");
	const char *verdict = export_text(trial, "verdict");
	const bool ok = strcmp(verdict, "ok") == 0;
	json_t *times = json_object(), *measurements = json_array(), *r = json_object();
	double compile_s = json_number_value(json_object_get(trial, "compile_s"));

	if (date)
		json_object_set_new(r, "timestamp", json_string(date));
	if (compile_s > 0) /* 0: it was in the cache */
		json_object_set_new(times, "compilation_time", rounded(1e3 * compile_s));
	json_object_set_new(times, "runtimes", json_array());
	if (ok && json_is_number(json_object_get(trial, "time_us"))) {
		json_array_append_new(json_object_get(times, "runtimes"),
				      rounded(1e-3 * json_number_value(json_object_get(trial, "time_us"))));
		measured(measurements, trial, "time_us", "time", 1e-3, "ms");
		measured(measurements, trial, "time_lo_us", "time_lo", 1e-3, "ms");
		measured(measurements, trial, "time_hi_us", "time_hi", 1e-3, "ms");
		measured(measurements, trial, "warm_us", "time_warm", 1e-3, "ms");
		measured(measurements, trial, "clock_mhz", "clock", 1, "MHz");
	}
	json_object_set_new(r, "configuration", configuration(json_object_get(row, "configuration")));
	json_object_set_new(r, "objectives", json_pack("[s]", "time"));
	json_object_set_new(r, "times", times);
	json_object_set_new(r, "invalidity", json_string(invalidity_of(verdict)));
	json_object_set_new(r, "correctness", json_integer(ok));
	json_object_set_new(r, "measurements", measurements);
	return r;
}

static json_t *metadata_of(const json_t *run)
{
	static const char *const members[] = { "kernel", "problem", "arch", "date", "attune", "nvcc", "device" };
	json_t *query = json_object();

	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if (json_object_get(run, members[i]))
			json_object_set(query, members[i], json_object_get(run, members[i]));
	return json_pack("{s:{s:o}}", "environment", "device_query", query);
}

int space_export_t4(const json_t *records, struct buf *out, struct err *e)
{
	const json_t *run = export_run(records);
	json_t *rows = NULL, *results, *all, *row;
	const char *key;
	char *dump;

	if (!run)
		return err_set(e, "no run line");
	if (export_rows(records, &rows, e) < 0)
		return -1;
	results = json_array();
	json_object_foreach(rows, key, row)
		json_array_append_new(results, result_of(row, export_text(run, "date")));
	all = json_pack("{s:s, s:o, s:o}", "schema_version", "1.0.0", "metadata", metadata_of(run), "results", results);
	dump = json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(12));
	buf_adds(out, dump);
	buf_addc(out, '\n');
	free(dump);
	json_decref(all);
	json_decref(rows);
	return 0;
}
