/* space: the building of a space from a family's variants, its mixed-radix keys, and the two ways of writing a
 * configuration (text and JSON). Moves and draws are in space_walk.c, recorded spaces in space_record.c.
 * A key numbers the combinations of all parts one after the other, the last axis running fastest. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attune/space.h"

#define LARGEST ((uint64_t)1 << 62)

static void *take(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

void space_map_free(struct space_map *m)
{
	free(m->keys);
	free(m->values);
	memset(m, 0, sizeof *m);
}

/* The finaliser of splitmix64: neighbouring keys must not share a run of slots. */
static size_t slot_of(uint64_t key, size_t cap)
{
	key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9u;
	key = (key ^ (key >> 27)) * 0x94d049bb133111ebu;
	return (size_t)(key ^ (key >> 31)) & (cap - 1);
}

int32_t space_map_get(const struct space_map *m, uint64_t key)
{
	if (!m->cap)
		return -1;
	for (size_t i = slot_of(key, m->cap);; i = (i + 1) & (m->cap - 1)) {
		if (m->values[i] < 0)
			return -1;
		if (m->keys[i] == key)
			return m->values[i];
	}
}

static void map_grow(struct space_map *m)
{
	struct space_map old = *m;

	m->cap = old.cap ? 2 * old.cap : 256;
	m->keys = take(m->cap, sizeof *m->keys);
	m->values = take(m->cap, sizeof *m->values);
	memset(m->values, 0xff, m->cap * sizeof *m->values);
	m->n = 0;
	for (size_t i = 0; i < old.cap; i++)
		if (old.values[i] >= 0)
			space_map_put(m, old.keys[i], old.values[i]);
	free(old.keys);
	free(old.values);
}

void space_map_put(struct space_map *m, uint64_t key, int32_t value)
{
	size_t i;

	if (2 * (m->n + 1) > m->cap)
		map_grow(m);
	for (i = slot_of(key, m->cap); m->values[i] >= 0 && m->keys[i] != key;)
		i = (i + 1) & (m->cap - 1);
	m->n += m->values[i] < 0;
	m->keys[i] = key;
	m->values[i] = value;
}

static char *value_text(const json_t *value)
{
	struct buf b;

	buf_init(&b);
	if (json_is_string(value)) {
		buf_adds(&b, json_string_value(value));
	} else if (json_is_integer(value)) {
		buf_addf(&b, "%lld", (long long)json_integer_value(value));
	} else if (json_is_real(value)) {
		double x = json_real_value(value);

		buf_addf(&b, "%.15g", x);
		if (strtod(buf_text(&b), NULL) != x) {
			buf_clear(&b);
			buf_addf(&b, "%.17g", x);
		}
	} else {
		buf_adds(&b, json_is_true(value) ? "true" : "false");
	}
	return buf_take(&b);
}

static int open_axis(struct space_axis *a, const json_t *spec, struct err *e)
{
	const json_t *usual = json_object_get(spec, "default");
	const char *text;
	size_t n;

	a->name = json_string_value(json_object_get(spec, "name"));
	a->values = json_object_get(spec, "values");
	text = json_string_value(json_object_get(spec, "strategy"));
	a->strategy = text ? text : "";
	text = json_string_value(json_object_get(spec, "about"));
	a->about = text ? text : "";
	n = json_array_size(a->values);
	if (!a->name || !n || n > UINT16_MAX)
		return err_set(e, "axis %s: needs a name and 1 to %d values", a->name ? a->name : "(unnamed)", UINT16_MAX);
	a->n = (uint16_t)n;
	a->usual = (uint16_t)((n - 1) / 2);
	a->middle = (double)(n - 1) / 2;
	a->ordered = true;
	a->texts = take(n, sizeof *a->texts);
	a->numbers = take(n, sizeof *a->numbers);
	a->drawn = take(n, sizeof *a->drawn);
	a->legal = take(n, sizeof *a->legal);
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_array_get(a->values, i);

		a->texts[i] = value_text(value);
		a->numbers[i] = json_is_number(value) ? json_number_value(value) : NAN;
		if (!json_is_number(value))
			a->ordered = false;
		if (usual && json_equal(value, usual)) {
			a->usual = (uint16_t)i;
			a->middle = (double)i;
		}
	}
	a->start = a->usual;
	return 0;
}

/* A stride that shares no factor with the size visits every key once; the golden section scatters them. */
static uint64_t scan_step(uint64_t size)
{
	uint64_t step = (uint64_t)((double)size * 0.6180339887498949) | 1;

	for (;; step += 2) {
		uint64_t a = size, b = step;

		while (b) {
			uint64_t r = a % b;

			a = b;
			b = r;
		}
		if (a == 1)
			return step % size ? step % size : 1;
	}
}

static int open_part(struct space *s, struct space_part *p, const json_t *spec, struct err *e)
{
	const json_t *axes = json_object_get(spec, "axes");

	p->name = json_string_value(json_object_get(spec, "name"));
	p->axes_n = json_array_size(axes);
	if (!p->name)
		return err_set(e, "a variant without a name");
	if (p->axes_n > SPACE_AXES)
		return err_set(e, "variant %s: %zu axes, at most %d are possible", p->name, p->axes_n, SPACE_AXES);
	p->axes = take(p->axes_n, sizeof *p->axes);
	p->size = 1;
	for (size_t i = 0; i < p->axes_n; i++) {
		if (open_axis(&p->axes[i], json_array_get(axes, i), e))
			return err_where(e, "variant %s", p->name);
		if (p->size > LARGEST / p->axes[i].n)
			return err_set(e, "variant %s: more than 2^62 combinations", p->name);
		p->size *= p->axes[i].n;
	}
	if (s->parts_n) {
		const struct space_part *last = p - 1;

		p->first = last->first + last->size;
		if (p->first + p->size > LARGEST)
			return err_set(e, "variant %s: more than 2^62 combinations", p->name);
	}
	p->scan_step = scan_step(p->size);
	return 0;
}

int space_open(struct space **out, const json_t *variants, struct err *e)
{
	struct space *s = take(1, sizeof *s);
	json_t *spec;
	size_t i;

	s->variants = json_incref((json_t *)variants);
	s->parts = take(json_array_size(variants), sizeof *s->parts);
	json_array_foreach(s->variants, i, spec) {
		if (json_is_true(json_object_get(spec, "baseline")))
			continue;
		int rc = open_part(s, &s->parts[s->parts_n], spec, e);

		s->parts_n++;
		if (rc) {
			space_close(s);
			return rc;
		}
	}
	if (!s->parts_n) {
		space_close(s);
		return err_set(e, "the family has no variant to tune");
	}
	*out = s;
	return 0;
}

void space_close(struct space *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->parts_n; i++) {
		struct space_part *p = &s->parts[i];

		for (size_t a = 0; a < p->axes_n && p->axes; a++) {
			for (size_t v = 0; v < p->axes[a].n && p->axes[a].texts; v++)
				free(p->axes[a].texts[v]);
			free(p->axes[a].texts);
			free(p->axes[a].numbers);
			free(p->axes[a].drawn);
			free(p->axes[a].legal);
		}
		free(p->axes);
		free(p->listed);
	}
	free(s->parts);
	space_map_free(&s->known);
	space_map_free(&s->seen);
	json_decref(s->variants);
	free(s);
}

uint64_t space_key(const struct space *s, const struct space_config *c)
{
	const struct space_part *p = &s->parts[c->part];
	uint64_t key = 0;

	for (size_t i = 0; i < p->axes_n; i++)
		key = key * p->axes[i].n + c->at[i];
	return p->first + key;
}

void space_config(const struct space *s, uint64_t key, struct space_config *c)
{
	const struct space_part *p = s->parts;

	while (key >= p->first + p->size)
		p++;
	memset(c, 0, sizeof *c);
	c->part = (uint32_t)(p - s->parts);
	key -= p->first;
	for (size_t i = p->axes_n; i-- > 0;) {
		c->at[i] = (uint16_t)(key % p->axes[i].n);
		key /= p->axes[i].n;
	}
}

bool space_same(const struct space_config *a, const struct space_config *b)
{
	return a->part == b->part && !memcmp(a->at, b->at, sizeof a->at);
}

int space_find_part(const struct space *s, const char *name)
{
	for (size_t i = 0; i < s->parts_n; i++)
		if (!strcmp(s->parts[i].name, name))
			return (int)i;
	return -1;
}

int space_find_axis(const struct space_part *p, const char *name)
{
	for (size_t i = 0; i < p->axes_n; i++)
		if (!strcmp(p->axes[i].name, name))
			return (int)i;
	return -1;
}

int space_find_value(const struct space_axis *a, const char *text)
{
	for (int i = 0; i < a->n; i++)
		if (!strcmp(a->texts[i], text))
			return i;
	return -1;
}

void space_list_values(const struct space_axis *a, struct buf *out)
{
	for (size_t i = 0; i < a->n; i++)
		buf_addf(out, "%s%s", i ? ", " : "", a->texts[i]);
}

static void usual_of(const struct space *s, uint32_t part, struct space_config *c)
{
	memset(c, 0, sizeof *c);
	c->part = part;
	for (size_t i = 0; i < s->parts[part].axes_n; i++)
		c->at[i] = s->parts[part].axes[i].usual;
}

static int set_value(const struct space_part *p, const char *axis, const char *text, struct space_config *c, struct err *e)
{
	int at = space_find_axis(p, axis), value;
	struct buf b;
	int rc;

	if (at < 0)
		return err_set(e, "variant %s has no axis %s", p->name, axis);
	value = space_find_value(&p->axes[at], text);
	if (value >= 0) {
		c->at[at] = (uint16_t)value;
		return 0;
	}
	buf_init(&b);
	space_list_values(&p->axes[at], &b);
	rc = err_set(e, "%s=%s: axis %s of variant %s may be %s", axis, text, axis, p->name, buf_text(&b));
	buf_free(&b);
	return rc;
}

int space_parse(const struct space *s, const char *text, struct space_config *c, struct err *e)
{
	char *copy = strdup(text), *rest = copy, *word;
	int part, rc = 0;

	if (!copy)
		abort();
	word = strsep(&rest, " ");
	part = space_find_part(s, word);
	if (part < 0) {
		rc = err_set(e, "no variant %s", word);
		goto out;
	}
	usual_of(s, (uint32_t)part, c);
	while (!rc && (word = strsep(&rest, " "))) {
		char *equal = strchr(word, '=');

		if (!*word)
			continue;
		if (!equal) {
			rc = err_set(e, "%s: AXIS=VALUE was expected", word);
			goto out;
		}
		*equal = '\0';
		rc = set_value(&s->parts[part], word, equal + 1, c, e);
	}
out:
	free(copy);
	return rc;
}

int space_from_json(const struct space *s, const json_t *candidate, struct space_config *c, struct err *e)
{
	const char *name = json_string_value(json_object_get(candidate, "variant")), *axis;
	json_t *value;
	int part;

	if (!name)
		return err_set(e, "a candidate without a variant");
	part = space_find_part(s, name);
	if (part < 0)
		return err_set(e, "no variant %s", name);
	usual_of(s, (uint32_t)part, c);
	json_object_foreach((json_t *)candidate, axis, value) {
		char *text;
		int rc;

		if (*axis == '_' || !strcmp(axis, "variant"))
			continue;
		text = value_text(value);
		rc = set_value(&s->parts[part], axis, text, c, e);
		free(text);
		if (rc)
			return rc;
	}
	return 0;
}

json_t *space_to_json(const struct space *s, const struct space_config *c)
{
	const struct space_part *p = &s->parts[c->part];
	json_t *candidate = json_object();

	json_object_set_new(candidate, "variant", json_string(p->name));
	for (size_t i = 0; i < p->axes_n; i++)
		json_object_set(candidate, p->axes[i].name, json_array_get(p->axes[i].values, c->at[i]));
	return candidate;
}

void space_text(const struct space *s, const struct space_config *c, struct buf *out)
{
	const struct space_part *p = &s->parts[c->part];

	buf_adds(out, p->name);
	for (size_t i = 0; i < p->axes_n; i++) {
		buf_addc(out, ' ');
		buf_adds(out, p->axes[i].name);
		buf_addc(out, '=');
		buf_adds(out, p->axes[i].texts[c->at[i]]);
	}
}
