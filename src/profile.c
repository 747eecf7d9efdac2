/* profile: reads ncu's table. Fields are found by the names of the columns, never by their place. Numbers come with commas
 * between thousands; "n/a" and "(!) nan" are no numbers, and such a field is as good as absent. */
#include "attune/profile.h"


#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 512
#define KERNELS_MAX 256

enum { TIME, WAVEFRONTS, CONFLICTS, OCCUPANCY, FIRST_PIPE, PIPES = 6, METRICS = FIRST_PIPE + PIPES };

static const struct {
	const char *name, *metric;
} metrics[METRICS] = {
	{ "time", "gpu__time_duration.sum" },
	{ "wavefronts", "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum" },
	{ "bank_conflicts", "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum" },
	{ "occupancy", "sm__warps_active.avg.pct_of_peak_sustained_active" },
	{ "issue", "sm__inst_issued.avg.pct_of_peak_sustained_elapsed" },
	{ "tensor", "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed" },
	{ "xu", "sm__inst_executed_pipe_xu.avg.pct_of_peak_sustained_elapsed" },
	{ "shared", "l1tex__data_pipe_lsu_wavefronts_mem_shared.avg.pct_of_peak_sustained_elapsed" },
	{ "l2", "lts__t_sectors.avg.pct_of_peak_sustained_elapsed" },
	{ "dram", "dram__throughput.avg.pct_of_peak_sustained_elapsed" },
};

static const char metric_list[] =
	"gpu__time_duration.sum,l1tex__data_pipe_lsu_wavefronts_mem_shared.sum,"
	"l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum,sm__warps_active.avg.pct_of_peak_sustained_active,"
	"sm__inst_issued.avg.pct_of_peak_sustained_elapsed,"
	"sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed,"
	"sm__inst_executed_pipe_xu.avg.pct_of_peak_sustained_elapsed,"
	"l1tex__data_pipe_lsu_wavefronts_mem_shared.avg.pct_of_peak_sustained_elapsed,"
	"lts__t_sectors.avg.pct_of_peak_sustained_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed";

const char *profile_metrics(void)
{
	return metric_list;
}

struct kernel {
	long id;
	double value[METRICS]; /* NAN: absent */
};

struct table {
	int id, name, value, of[METRICS]; /* columns; -1: there is none */
	struct kernel *kernels;
	size_t n;
};

/* Takes a line apart in place; quotes may hold commas, and a doubled quote is one. Returns how many fields. */
static size_t split(char *line, char **fields, size_t most)
{
	size_t n = 0;
	char *p = line;

	while (n < most) {
		char *to = p;
		bool quoted = *p == '"';

		fields[n++] = p;
		for (p += quoted; *p && (quoted || *p != ','); p++) {
			if (quoted && *p == '"' && p[1] != '"') {
				quoted = false;
				continue;
			}
			p += quoted && *p == '"';
			*to++ = *p;
		}
		if (!*p) {
			*to = 0;
			break;
		}
		p++;
		*to = 0;
	}
	return n;
}

static double number(const char *text)
{
	char plain[64], *end;
	size_t n = 0;
	double v;

	for (; *text && n < sizeof plain - 1; text++)
		if (*text != ',')
			plain[n++] = *text;
	plain[n] = 0;
	v = strtod(plain, &end);
	return n > 0 && *end == 0 && isfinite(v) ? v : NAN;
}

static bool take_header(struct table *t, char **fields, size_t n)
{
	t->id = t->name = t->value = -1;
	for (int m = 0; m < METRICS; m++)
		t->of[m] = -1;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(fields[i], "ID") == 0)
			t->id = (int)i;
		else if (strcmp(fields[i], "Metric Name") == 0)
			t->name = (int)i;
		else if (strcmp(fields[i], "Metric Value") == 0)
			t->value = (int)i;
		for (int m = 0; m < METRICS; m++)
			if (strcmp(fields[i], metrics[m].metric) == 0)
				t->of[m] = (int)i;
	}
	return t->id >= 0;
}

static struct kernel *kernel_of(struct table *t, long id)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->kernels[i].id == id)
			return &t->kernels[i];
	if (t->n == KERNELS_MAX)
		return NULL;
	t->kernels[t->n].id = id;
	for (int m = 0; m < METRICS; m++)
		t->kernels[t->n].value[m] = NAN;
	return &t->kernels[t->n++];
}

static const char *field(char **fields, size_t n, int column)
{
	return column >= 0 && (size_t)column < n ? fields[column] : "";
}

/* The line of units below the header has no number in the column of IDs. */
static void take_row(struct table *t, char **fields, size_t n)
{
	const double id = number(field(fields, n, t->id));
	struct kernel *k = isfinite(id) ? kernel_of(t, (long)id) : NULL;

	for (int m = 0; k && m < METRICS; m++) {
		if (t->name >= 0 && strcmp(field(fields, n, t->name), metrics[m].metric) == 0)
			k->value[m] = number(field(fields, n, t->value));
		else if (t->name < 0 && t->of[m] >= 0)
			k->value[m] = number(field(fields, n, t->of[m]));
	}
}

static void read_table(struct table *t, const char *log, size_t len)
{
	const char *end = log + len;
	bool header = false;

	for (const char *line = log; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((stop ? stop : end) - line);
		char *copy = strndup(line, n), *fields[COLUMNS_MAX];

		if (!copy)
			abort();
		copy[strcspn(copy, "\r")] = 0;
		if (strncmp(copy, "\"ID\",", 5) == 0)
			header = take_header(t, fields, split(copy, fields, COLUMNS_MAX));
		else if (header && copy[0] == '"')
			take_row(t, fields, split(copy, fields, COLUMNS_MAX));
		free(copy);
		line += n + 1;
	}
}

/* Weighted by the kernels' times, or all alike when there are none; sums of counts are not weighted. NAN: no kernel has it. */
static double mean(const struct table *t, int m)
{
	double sum = 0, weights = 0;

	for (size_t i = 0; i < t->n; i++) {
		const double time = t->kernels[i].value[TIME], weight = time > 0 ? time : 1;

		if (!isfinite(t->kernels[i].value[m]))
			continue;
		sum += weight * t->kernels[i].value[m];
		weights += weight;
	}
	return weights > 0 ? sum / weights : NAN;
}

static double total(const struct table *t, int m)
{
	double sum = NAN;

	for (size_t i = 0; i < t->n; i++)
		if (isfinite(t->kernels[i].value[m]))
			sum = (isfinite(sum) ? sum : 0) + t->kernels[i].value[m];
	return sum;
}

static void set(json_t *to, const char *name, double v)
{
	if (isfinite(v))
		json_object_set_new(to, name, json_real(round(v * 100) / 100));
}

static json_t *profile_json(const struct table *t)
{
	const double wavefronts = total(t, WAVEFRONTS), conflicts = total(t, CONFLICTS);
	const char *limit = NULL;
	json_t *p = json_object();
	double most = 0;
	int pipes = 0;

	for (int m = FIRST_PIPE; m < METRICS; m++) {
		const double busy = mean(t, m);

		set(p, metrics[m].name, busy);
		pipes += isfinite(busy);
		if (isfinite(busy) && busy >= most) {
			most = busy;
			limit = metrics[m].name;
		}
	}
	set(p, metrics[OCCUPANCY].name, mean(t, OCCUPANCY));
	if (isfinite(wavefronts) && isfinite(conflicts))
		set(p, metrics[CONFLICTS].name, wavefronts > 0 ? 100 * conflicts / wavefronts : 0);
	/* With some of them unknown, none of them high says nothing. */
	if (limit && most >= PROFILE_BUSY_PCT)
		json_object_set_new(p, "limit", json_string(limit));
	else if (pipes == PIPES)
		json_object_set_new(p, "limit", json_string("latency"));
	json_object_set_new(p, "kernels", json_integer((json_int_t)t->n));
	if (pipes == 0) {
		json_decref(p);
		return NULL;
	}
	return p;
}

/* The first line in which ncu complains; without one, its last that is not of the table. */
static void complaint(const char *log, size_t len, struct buf *why)
{
	const char *end = log + len, *last = NULL, *first = NULL;
	size_t last_n = 0, first_n = 0;

	for (const char *line = log; line < end && !first;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		const size_t n = (size_t)((stop ? stop : end) - line);

		if (n > 0 && *line != '"') {
			last = line;
			last_n = n;
		}
		if (n > 11 && memcmp(line, "==ERROR== ", 10) == 0) {
			first = line + 10;
			first_n = n - 10;
		}
		line += n + 1;
	}
	if (first)
		buf_add(why, first, first_n);
	else if (last)
		buf_add(why, last, last_n);
	else
		buf_adds(why, len ? "a table without a row" : "it left no report");
}

json_t *profile_read(const char *log, size_t len, struct buf *why)
{
	struct table t = { .kernels = calloc(KERNELS_MAX, sizeof(struct kernel)) };
	json_t *p;

	if (!t.kernels)
		abort();
	read_table(&t, log, len);
	p = profile_json(&t);
	if (!p && t.n > 0)
		buf_adds(why, "none of the metrics has a number");
	else if (!p)
		complaint(log, len, why);
	free(t.kernels);
	return p;
}
