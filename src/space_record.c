/* space_record: reads one recorded space (space.h says the layout) into variants, keys, times and what compiling told.
 * Checks every line: a damaged file is an error that names file and line. Axis values are sorted when all are numbers;
 * otherwise they stay in the order of their first appearance. Writing is done in space_export.c. */
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
	bool many; /* the first column names the variant */
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
	end = strstr(at, next); /* of the rest of the line */
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
	t->many = t->params > 0 && !strcmp(t->names[0], "variant");
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

static const char *cell(const struct table *t, size_t row, size_t column)
{
	return t->cells[row * t->columns + column];
}

/* The different texts of one column in the rows of one variant, as values by text, and in the order of their appearance;
 * *numbers: all are. */
static json_t *column_texts(const struct table *t, size_t column, const uint32_t *part, uint32_t which, json_t *values, bool *numbers)
{
	json_t *texts = json_object();

	*numbers = true;
	for (size_t r = 0; r < t->rows; r++) {
		const char *text = cell(t, r, column);
		json_t *value;

		if (part[r] != which || json_object_get(texts, text))
			continue;
		value = value_of(text);
		*numbers = *numbers && json_is_number(value);
		json_array_append(values, value);
		json_object_set_new(texts, text, value);
	}
	return texts;
}

static void sort_values(json_t *values)
{
	size_t n = json_array_size(values);
	json_t **sorted = calloc(n + 1, sizeof(json_t *));

	if (!sorted)
		abort();
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_incref(json_array_get(values, i));
	qsort(sorted, n, sizeof(json_t *), value_compare);
	json_array_clear(values);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(values, sorted[i]);
	free(sorted);
}

/* The values of one column for one variant, and its rows' indices among them. NULL for a column of one value or with too
 * many. */
static json_t *column_values(const struct table *t, size_t column, const uint32_t *part, uint32_t which, uint16_t *at)
{
	json_t *values = json_array(), *texts;
	bool numbers;
	size_t n;

	texts = column_texts(t, column, part, which, values, &numbers);
	n = json_array_size(values);
	if (n < 2 || n > UINT16_MAX) {
		json_decref(values);
		json_decref(texts);
		return NULL;
	}
	if (numbers)
		sort_values(values);
	for (size_t r = 0; r < t->rows; r++) {
		const json_t *value = part[r] == which ? json_object_get(texts, cell(t, r, column)) : NULL;

		for (size_t i = 0; value && i < n; i++)
			if (json_array_get(values, i) == value)
				at[r] = (uint16_t)i;
	}
	json_decref(texts);
	return values;
}

/* "...;hopper:CONSUMERS=2,BLOCK_N=128;...": the text for one axis, or NULL. */
static char *text_for(const char *list, const char *variant, const char *axis)
{
	size_t n = strlen(variant), m = strlen(axis);

	for (const char *p = list; *p; p += strcspn(p, ";"), p += *p == ';') {
		const char *end = p + strcspn(p, ";");

		if (strncmp(p, variant, n) != 0 || p[n] != ':')
			continue;
		for (p += n + 1; p < end; p += strcspn(p, ",;"), p += *p == ',')
			if (!strncmp(p, axis, m) && p[m] == '=')
				return grab(p + m + 1, strcspn(p + m + 1, ",;"));
		return NULL;
	}
	return NULL;
}

/* What the head of the file says of the axes, beside their values. */
struct said {
	char *defaults, *strategies;
};

static void add_said(json_t *axis, const struct said *said, const char *variant, const char *name)
{
	char *usual = text_for(said->defaults, variant, name), *strategy = text_for(said->strategies, variant, name);

	if (usual)
		json_object_set_new(axis, "default", value_of(usual));
	if (strategy)
		json_object_set_new(axis, "strategy", json_string(strategy));
	free(usual);
	free(strategy);
}

/* The axes of one variant; its rows' keys count from `first` on, and *size is how many there are. */
static json_t *part_axes(struct space_record *r, const struct table *t, uint32_t which, const char *name, const struct said *said,
			 uint64_t first, uint64_t *size)
{
	json_t *axes = json_array();
	uint16_t *at = calloc(t->rows, sizeof *at);

	if (!at)
		abort();
	*size = 1;
	for (size_t c = t->many; c < t->params; c++) {
		json_t *values = column_values(t, c, r->part, which, at), *axis;

		if (!values)
			continue;
		*size *= json_array_size(values);
		for (size_t i = 0; i < t->rows; i++)
			if (r->part[i] == which)
				r->keys[i] = r->keys[i] * json_array_size(values) + at[i];
		axis = json_pack("{s:s, s:o}", "name", t->names[c], "values", values);
		add_said(axis, said, name, t->names[c]);
		json_array_append_new(axes, axis);
	}
	for (size_t i = 0; i < t->rows; i++)
		if (r->part[i] == which)
			r->keys[i] += first;
	free(at);
	return axes;
}

/* A parameter that a variant does not have is empty in all of its rows, one that it has in none. */
static int check_cells(const struct space_record *r, const struct table *t, uint32_t which, const char *path, struct err *e)
{
	for (size_t c = 1; c < t->params; c++) {
		size_t empty = 0, n = 0, last = 0;

		for (size_t i = 0; i < t->rows; i++) {
			if (r->part[i] != which)
				continue;
			n++;
			if (!*cell(t, i, c)) {
				empty++;
				last = i;
			}
		}
		if (empty && empty < n)
			return err_set(e, "%s: row %zu: %s is empty, though other rows of this variant have it", path, last + 1,
				       t->names[c]);
	}
	return 0;
}

static int read_axes(struct space_record *r, const struct table *t, const struct said *said, const char *path, struct err *e)
{
	json_t *names = json_object(), *which;
	const char *name;
	uint64_t first = 0, size;

	r->n = t->rows;
	r->keys = calloc(t->rows, sizeof *r->keys);
	r->part = calloc(t->rows, sizeof *r->part);
	r->variants = json_array();
	if (!r->keys || !r->part)
		abort();
	for (size_t i = 0; i < t->rows; i++) {
		const char *text = t->many ? cell(t, i, 0) : r->kernel;

		if (!json_object_get(names, text))
			json_object_set_new(names, text, json_integer((json_int_t)json_object_size(names)));
		r->part[i] = (uint32_t)json_integer_value(json_object_get(names, text));
	}
	json_object_foreach(names, name, which) {
		const uint32_t part = (uint32_t)json_integer_value(which);
		json_t *axes = part_axes(r, t, part, name, said, first, &size);

		first += size;
		json_array_append_new(r->variants, json_pack("{s:s, s:o}", "name", name, "axes", axes));
		if (t->many && check_cells(r, t, part, path, e) < 0) {
			json_decref(names);
			return -1;
		}
	}
	json_decref(names);
	return 0;
}

/* The numbers behind time_ms, where what compiling told is among them. */
static void read_facts(struct space_record *r, const struct table *t)
{
	bool told = false;

	for (size_t c = t->time_at + 1; c < t->columns; c++)
		told |= !strcmp(t->names[c], "latency_cycles");
	if (!told)
		return;
	r->facts = calloc(t->rows, sizeof *r->facts);
	if (!r->facts)
		abort();
	for (size_t i = 0; i < t->rows; i++) {
		r->facts[i] = json_object();
		for (size_t c = t->time_at + 1; c < t->columns; c++) {
			char *end;
			double x = strtod(cell(t, i, c), &end);

			if (end != cell(t, i, c) && !*end && isfinite(x))
				json_object_set_new(r->facts[i], t->names[c], json_real(x));
		}
	}
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
	struct said said = { 0 };
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
	r->date = head_field(head, " recorded=", " ");
	if (!strcmp(r->date, "?"))
		*r->date = '\0';
	said.defaults = head_field(head, " defaults=", " ");
	said.strategies = head_field(head, " strategies=", " ");
	rc = split(&t, rest, path, e);
	if (!rc)
		rc = read_axes(r, &t, &said, path, e);
	if (!rc)
		rc = read_times(r, &t, path, e);
	if (!rc)
		read_facts(r, &t);
out:
	free(said.defaults);
	free(said.strategies);
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
	for (size_t i = 0; i < r->n && r->facts; i++)
		json_decref(r->facts[i]);
	free(r->status);
	free(r->facts);
	free(r->part);
	free(r->date);
	free(r->time_ms);
	free(r->keys);
	free(r->kernel);
	free(r->device);
	space_map_free(&r->row);
	json_decref(r->variants);
	memset(r, 0, sizeof *r);
}
