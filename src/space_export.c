/* space_export: writes a run's journal as a recorded space (space.h says the layout), which `attune bench` and tools of the
 * autotuning community read. Copies what was recorded; it measures and computes nothing but units. Equal records give equal
 * bytes. The other format, T4, is written by space_t4.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attune/space.h"
#include "space_export.h"

/* Columns behind the community's own: what compiling alone told, named as chip.h names it. */
static const char *const facts[] = { "regs", "spill_bytes", "smem_bytes", "threads", "ctas", "occupancy", "steps", "waves",
				     "trips", "tensor", "mufu", "alu", "shared", "global", "barrier", "latency_cycles",
				     "issue_cycles", "tensor_cycles", "mufu_cycles", "shared_cycles", "global_cycles" };
enum { FACTS = sizeof facts / sizeof *facts };

const char *export_text(const json_t *record, const char *key)
{
	const json_t *v = json_object_get(record, key);

	return json_string_value(json_is_object(v) ? json_object_get(v, "text") : v);
}

const json_t *export_run(const json_t *records)
{
	size_t i;
	json_t *r;

	json_array_foreach((json_t *)records, i, r) {
		const char *kind = export_text(r, "kind");

		if (kind && strcmp(kind, "run") == 0)
			return r;
	}
	return NULL;
}

/* "mma BLOCK_M=32 ..." as {"variant":"mma","BLOCK_M":"32",...}; NULL when it is no such text. */
static json_t *configuration_of(const char *candidate)
{
	json_t *c = json_object();
	char *text = strdup(candidate), *rest = text, *word = strsep(&rest, " ");

	json_object_set_new(c, "variant", json_string(word));
	while ((word = strsep(&rest, " "))) {
		char *value = strchr(word, '=');

		if (!value)
			goto bad;
		*value++ = '\0';
		if (json_object_get(c, word))
			goto bad;
		json_object_set_new(c, word, json_string(value));
	}
	free(text);
	return c;
bad:
	free(text);
	json_decref(c);
	return NULL;
}

int export_rows(const json_t *records, json_t **out, struct err *e)
{
	const char *problem = export_text(export_run(records), "problem");
	json_t *rows = json_object(), *r, *row;
	size_t i;

	json_array_foreach((json_t *)records, i, r) {
		const char *kind = export_text(r, "kind"), *candidate = export_text(r, "candidate");
		const char *own = export_text(r, "problem"), *verdict = export_text(r, "verdict");
		json_t *c;

		if (!kind || strcmp(kind, "trial") != 0 || !candidate || !verdict || strcmp(verdict, "unrecorded") == 0 ||
		    json_object_get(r, "same_as") || /* its time is another's */
		    (own && problem && strcmp(own, problem) != 0))
			continue;
		c = configuration_of(candidate);
		if (!c) {
			json_decref(rows);
			return err_set(e, "trial \"%s\": no configuration of a variant and its axes", candidate);
		}
		row = json_pack("{s:o, s:O}", "configuration", c, "trial", r);
		/* Of several trials of one candidate the last counts, unless only an earlier one is right: as in a replay. */
		if (!json_object_get(rows, candidate) || strcmp(verdict, "ok") == 0)
			json_object_set(rows, candidate, row);
		json_decref(row);
	}
	*out = rows;
	return json_object_size(rows) ? 0 : (json_decref(rows), err_set(e, "no trials to export"));
}

/* Names of the axes of all variants, each once, in the order in which they appear. */
static json_t *columns_of(const json_t *rows)
{
	json_t *seen = json_object(), *names = json_array(), *row, *value;
	const char *key, *axis;

	json_object_foreach((json_t *)rows, key, row)
		json_object_foreach(json_object_get(row, "configuration"), axis, value)
			if (!json_object_get(seen, axis)) {
				json_object_set_new(seen, axis, json_true());
				json_array_append_new(names, json_string(axis));
			}
	json_decref(seen);
	return names;
}

/* " defaults=mma:BLOCK_M=32,...;hopper:..." or " strategies=mma:BLOCK_M=launch,...": of the axes that are columns, as the family
 * declares them. */
static void add_declared(const char *what, const char *member, const json_t *variants, const json_t *rows, struct buf *out)
{
	json_t *present = json_object(), *row, *v, *axis;
	const char *key;
	size_t i, k, n = 0;

	json_object_foreach((json_t *)rows, key, row)
		json_object_set_new(present, export_text(json_object_get(row, "configuration"), "variant"), json_true());
	json_array_foreach((json_t *)variants, i, v) {
		const char *name = export_text(v, "name");
		size_t some = 0;

		if (!name || !json_object_get(present, name) || !json_array_size(json_object_get(v, "axes")))
			continue;
		buf_addf(out, "%s%s", n++ ? ";" : what, name);
		json_array_foreach(json_object_get(v, "axes"), k, axis) {
			json_t *value = json_object_get(axis, member);

			if (!value)
				continue;
			buf_addf(out, "%c%s=", some++ ? ',' : ':', export_text(axis, "name"));
			if (json_is_string(value))
				buf_adds(out, json_string_value(value));
			else
				buf_addf(out, "%.15g", json_number_value(value));
		}
	}
	json_decref(present);
}

static void add_head(const json_t *run, const char *name, const json_t *variants, const json_t *rows, struct buf *out)
{
	const json_t *device = json_object_get(run, "device");
	const char *date = export_text(run, "date"), *driver = export_text(device, "driver"), *cuda = export_text(device, "cuda");
	const char *nvcc = export_text(run, "nvcc");

	buf_addf(out, "#kernel=%s device=%s source=attune record %s", export_text(run, "kernel"), export_text(device, "name"),
		 name);
	buf_addf(out, " problem=\"%s\" arch=%s driver=%s cuda=%s nvcc=%s recorded=%s", export_text(run, "problem"),
		 export_text(run, "arch") ? export_text(run, "arch") : "?", driver ? driver : "?", cuda ? cuda : "?",
		 nvcc ? nvcc : "?", date ? date : "?");
	add_declared(" defaults=", "default", variants, rows, out);
	add_declared(" strategies=", "strategy", variants, rows, out);
	buf_addc(out, '\n');
}

/* As the community calls what went wrong; verdicts that it has no word for stay. */
static const char *status_of(const char *verdict)
{
	static const char *const runtime[] = { "load", "launch", "fault", "hung" };

	if (strcmp(verdict, "compile") == 0)
		return "CompilationFailedConfig";
	for (size_t i = 0; i < sizeof runtime / sizeof *runtime; i++)
		if (strcmp(verdict, runtime[i]) == 0)
			return "RuntimeFailedConfig";
	return verdict;
}

static void add_number(struct buf *out, const json_t *value, double unit)
{
	buf_addc(out, '\t');
	if (json_is_number(value))
		buf_addf(out, "%.9g", json_number_value(value) * unit);
}

/* The median is what was kept of the repetitions: their mean, least value and spread were not. */
static void add_results(struct buf *out, const json_t *trial)
{
	const char *verdict = export_text(trial, "verdict");
	const bool ok = strcmp(verdict, "ok") == 0;
	const json_t *time = ok ? json_object_get(trial, "time_us") : NULL, *compile = json_object_get(trial, "compile_s");

	buf_addf(out, "\t%s", status_of(verdict));
	add_number(out, time, 1e-3);
	buf_adds(out, "\t");
	add_number(out, time, 1e-3);
	buf_adds(out, "\t");
	add_number(out, json_number_value(compile) > 0 ? compile : NULL, 1e3); /* 0: it was in the cache */
	add_number(out, json_object_get(trial, "wall_ms"), 1);
	add_number(out, ok ? json_object_get(trial, "time_lo_us") : NULL, 1e-3);
	add_number(out, ok ? json_object_get(trial, "time_hi_us") : NULL, 1e-3);
	for (size_t i = 0; i < FACTS; i++)
		add_number(out, json_object_get(json_object_get(trial, "static"), facts[i]), 1);
	buf_addc(out, '\n');
}

int space_export_tsv(const json_t *records, const char *name, const json_t *variants, struct buf *out, long *rows_n, struct err *e)
{
	const json_t *run = export_run(records);
	json_t *rows = NULL, *columns, *row, *column;
	const char *key;
	size_t i;

	if (!export_text(run, "kernel") || !export_text(run, "problem") || !export_text(json_object_get(run, "device"), "name"))
		return err_set(e, "no run line with a kernel, a problem and a device");
	if (export_rows(records, &rows, e) < 0)
		return -1;
	columns = columns_of(rows);
	add_head(run, name, variants, rows, out);
	json_array_foreach(columns, i, column)
		buf_addf(out, "%s%s", i ? "\t" : "", json_string_value(column));
	buf_adds(out, "\tstatus\ttime_ms\tmin_ms\tmedian_ms\tcv\tcompile_ms\tbench_ms\tlo_ms\thi_ms");
	for (i = 0; i < FACTS; i++)
		buf_addf(out, "\t%s", facts[i]);
	buf_addc(out, '\n');
	json_object_foreach(rows, key, row) {
		json_array_foreach(columns, i, column) {
			const char *value = export_text(json_object_get(row, "configuration"), json_string_value(column));

			buf_addf(out, "%s%s", i ? "\t" : "", value ? value : "");
		}
		add_results(out, json_object_get(row, "trial"));
	}
	*rows_n = (long)json_object_size(rows);
	json_decref(rows);
	json_decref(columns);
	return 0;
}
