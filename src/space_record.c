/* space_record: reads one recorded space (space.h says the layout) into a variant, keys and times.
 * Checks every line: a damaged file is an error that names file and line. Axis values are sorted when all are numbers;
 * otherwise they stay in the order of their first appearance. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attune/fs.h"
#include "attune/space.h"

#define LARGEST_FILE ((size_t)1 << 30)

struct table {
	char **cells; /* rows x columns, pointing into the file's text */
	char **names;
	size_t columns, rows, params, time_at;
};

static char *grab(const char *s, size_t n)
{
	char *p = strndup(s, n);

	if (!p)
		abort();
	return p;
}

/* The word after "KEY=" in the first line, up to the next " KEY=" that we know of. */
static char *head_field(const char *line, const char *key, const char *next)
{
	const char *at = strstr(line, key), *end;

	if (!at)
		return grab("", 0);
	at += strlen(key);
	end = strstr(at, next);
	return grab(at, end ? (size_t)(end - at) : strlen(at));
}

static size_t count(const char *s, char c)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == c;
	return n;
}

static int split(struct table *t, char *text, const char *path, struct err *e)
{
	char *rest = text, *line = strsep(&rest, "\n"), *word;
	size_t lines = rest ? count(rest, '\n') + 1 : 0;

	t->columns = count(line, '\t') + 1;
	t->names = calloc(t->columns, sizeof *t->names);
	t->cells = calloc(lines * t->columns + 1, sizeof *t->cells);
	if (!t->names || !t->cells)
		abort();
	t->params = t->time_at = t->columns;
	for (size_t i = 0; (word = strsep(&line, "\t")); i++) {
		t->names[i] = word;
		if (!strcmp(word, "status"))
			t->params = i;
		if (!strcmp(word, "time_ms"))
			t->time_at = i;
	}
	if (t->params == t->columns || t->time_at == t->columns || t->time_at < t->params)
		return err_set(e, "%s:2: columns `status` and `time_ms` were expected after the parameters", path);
	for (size_t number = 3; rest; number++) {
		char **row = t->cells + t->rows * t->columns;
		size_t n = 0;

		line = strsep(&rest, "\n");
		if (!*line)
			continue;
		for (; (word = strsep(&line, "\t")); n++)
			if (n < t->columns)
				row[n] = word;
		if (n != t->columns)
			return err_set(e, "%s:%zu: %zu columns, %zu were expected", path, number, n, t->columns);
		t->rows++;
	}
	if (!t->rows)
		return err_set(e, "%s: no rows", path);
	return 0;
}

static json_t *value_of(const char *text)
{
	char *end;
	double x = strtod(text, &end);
	long long whole = strtoll(text, NULL, 10);

	if (end == text || *end || !isfinite(x))
		return json_string(text);
	return (double)whole == x && !strpbrk(text, ".eE") ? json_integer(whole) : json_real(x);
}

static int value_compare(const void *a, const void *b)
{
	double x = json_number_value(*(json_t *const *)a), y = json_number_value(*(json_t *const *)b);

	return (x > y) - (x < y);
}

/* The values of one column, and every row's index among them. NULL for a column of one value or with too many. */
static json_t *column_values(const struct table *t, size_t column, uint16_t *at)
{
	json_t *values = json_array(), *texts = json_object(), **sorted;
	bool numbers = true;
	size_t n;

	for (size_t r = 0; r < t->rows; r++) {
		const char *text = t->cells[r * t->columns + column];
		json_t *value;

		if (json_object_get(texts, text))
			continue;
		value = value_of(text);
		numbers = numbers && json_is_number(value);
		json_array_append(values, value);
		json_object_set_new(texts, text, value);
	}
	n = json_array_size(values);
	if (n < 2 || n > UINT16_MAX) {
		json_decref(values);
		json_decref(texts);
		return NULL;
	}
	sorted = calloc(n, sizeof(json_t *));
	if (!sorted)
		abort();
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_incref(json_array_get(values, i));
	if (numbers)
		qsort(sorted, n, sizeof(json_t *), value_compare);
	json_array_clear(values);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(values, sorted[i]);
	for (size_t r = 0; r < t->rows; r++) {
		const json_t *value = json_object_get(texts, t->cells[r * t->columns + column]);

		for (size_t i = 0; i < n; i++)
			if (json_array_get(values, i) == value)
				at[r] = (uint16_t)i;
	}
	free(sorted);
	json_decref(texts);
	return values;
}

static void read_axes(struct space_record *r, const struct table *t)
{
	json_t *axes = json_array();
	uint16_t *at = calloc(t->rows, sizeof *at);

	r->n = t->rows;
	r->keys = calloc(t->rows, sizeof *r->keys);
	if (!r->keys || !at)
		abort();
	for (size_t c = 0; c < t->params; c++) {
		json_t *values = column_values(t, c, at);

		if (!values)
			continue;
		for (size_t i = 0; i < t->rows; i++)
			r->keys[i] = r->keys[i] * json_array_size(values) + at[i];
		json_array_append_new(axes, json_pack("{s:s, s:o}", "name", t->names[c], "values", values));
	}
	free(at);
	r->variants = json_pack("[{s:s, s:o}]", "name", r->kernel, "axes", axes);
}

static int read_times(struct space_record *r, const struct table *t, const char *path, struct err *e)
{
	r->time_ms = calloc(t->rows, sizeof *r->time_ms);
	r->status = calloc(t->rows, sizeof *r->status);
	if (!r->time_ms || !r->status)
		abort();
	r->best_ms = INFINITY;
	for (size_t i = 0; i < t->rows; i++) {
		const char *text = t->cells[i * t->columns + t->time_at];
		char *end;

		r->status[i] = grab(t->cells[i * t->columns + t->params], 80);
		r->time_ms[i] = strtod(text, &end);
		if (strcmp(r->status[i], "ok")) {
			r->time_ms[i] = NAN;
		} else if (*end || end == text || !(r->time_ms[i] > 0) || isinf(r->time_ms[i])) {
			return err_set(e, "%s: row %zu: time_ms \"%s\" is no time", path, i + 1, text);
		} else {
			r->best_ms = fmin(r->best_ms, r->time_ms[i]);
		}
		if (space_map_get(&r->row, r->keys[i]) >= 0)
			return err_set(e, "%s: row %zu: this configuration occurs twice", path, i + 1);
		space_map_put(&r->row, r->keys[i], (int32_t)i);
	}
	if (isinf(r->best_ms))
		return err_set(e, "%s: no configuration has a time", path);
	return 0;
}

int space_record_open(struct space_record *r, const char *path, struct err *e)
{
	struct table t = { 0 };
	struct buf b;
	char *text = NULL, *rest, *head;
	size_t len = strlen(path);
	bool packed = len > 3 && !strcmp(path + len - 3, ".gz");
	int rc;

	memset(r, 0, sizeof *r);
	buf_init(&b);
	rc = packed ? fs_read_gz(path, &b, LARGEST_FILE, e) : fs_read(path, &b, LARGEST_FILE, e);
	if (rc)
		goto out;
	text = buf_take(&b);
	rest = text;
	head = text ? strsep(&rest, "\n") : NULL;
	if (!rest || strncmp(head, "#kernel=", 8)) {
		rc = err_set(e, "%s:1: \"#kernel=NAME device=NAME source=...\" was expected", path);
		goto out;
	}
	r->kernel = head_field(head, "#kernel=", " device=");
	r->device = head_field(head, " device=", " source=");
	rc = split(&t, rest, path, e);
	if (rc)
		goto out;
	read_axes(r, &t);
	rc = read_times(r, &t, path, e);
out:
	free(t.names);
	free(t.cells);
	free(text);
	buf_free(&b);
	if (rc)
		space_record_close(r);
	return rc;
}

void space_record_close(struct space_record *r)
{
	for (size_t i = 0; i < r->n && r->status; i++)
		free(r->status[i]);
	free(r->status);
	free(r->time_ms);
	free(r->keys);
	free(r->kernel);
	free(r->device);
	space_map_free(&r->row);
	json_decref(r->variants);
	memset(r, 0, sizeof *r);
}
