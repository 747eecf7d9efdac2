/* space_walk: legality with a memory, draws, neighbours and repair. Nothing here enumerates a part: spaces of 10^7
 * combinations are usual and a rule costs microseconds. Draws are by rejection; when that fails a scattered walk over the
 * part's keys (each visited once in the life of the space) looks for what is left. */
#include <stdlib.h>
#include <string.h>
#include "attune/space.h"

enum {
	DRAWS = 3000,       /* rejected draws before the walk takes over */
	WALK = 200000,      /* keys that one draw may walk over; a part in which it finds nothing at all is barren */
	ADJACENT_DRAWS = 400,
	HOPELESS = 60,      /* draws that should have been legal, and were not */
	REPAIR_ASKS = 3000, /* rule calls of one repair: some 10 ms */
};

int space_legal(struct space *s, const struct space_config *c, struct buf *why, struct err *e)
{
	uint64_t key = space_key(s, c);
	int32_t known = space_map_get(&s->known, key);
	int legal;

	if (s->listed) {
		if (known < 0 && why)
			buf_adds(why, "not among the recorded candidates");
		return known >= 0;
	}
	if (!s->rule)
		return 1;
	if (known == 1 || (known == 0 && !why))
		return known;
	legal = s->rule(s->rule_to, c, why, e);
	if (legal >= 0)
		space_map_put(&s->known, key, legal > 0);
	return legal;
}

void space_list_keys(struct space *s, const uint64_t *keys, size_t n)
{
	space_map_free(&s->known);
	s->listed = true;
	for (size_t i = 0; i < s->parts_n; i++) {
		free(s->parts[i].listed);
		s->parts[i].listed = NULL;
		s->parts[i].listed_n = 0;
	}
	for (size_t i = 0; i < n; i++) {
		struct space_config c;
		struct space_part *p;

		if (space_map_get(&s->known, keys[i]) >= 0)
			continue;
		space_config(s, keys[i], &c);
		p = &s->parts[c.part];
		if (!p->listed) {
			p->listed = malloc(n * sizeof *p->listed);
			if (!p->listed)
				abort();
		}
		p->listed[p->listed_n++] = keys[i];
		space_map_put(&s->known, keys[i], 1);
	}
}

int space_list(struct space *s, const json_t *texts, struct err *e)
{
	size_t n = json_array_size(texts);
	uint64_t *keys = malloc((n ? n : 1) * sizeof *keys);
	int rc = 0;

	if (!keys)
		abort();
	for (size_t i = 0; i < n && !rc; i++) {
		const char *text = json_string_value(json_array_get(texts, i));
		struct space_config c;

		rc = space_parse(s, text ? text : "", &c, e);
		if (rc)
			err_where(e, "recorded candidate %zu", i + 1);
		else
			keys[i] = space_key(s, &c);
	}
	if (!rc)
		space_list_keys(s, keys, n);
	free(keys);
	return rc;
}

bool space_seen(const struct space *s, const struct space_config *c)
{
	return space_map_get(&s->seen, space_key(s, c)) >= 0;
}

void space_see(struct space *s, const struct space_config *c)
{
	space_map_put(&s->seen, space_key(s, c), 1);
}

void space_forget(struct space *s)
{
	space_map_free(&s->seen);
	for (size_t i = 0; i < s->parts_n; i++)
		s->parts[i].scan_at = s->parts[i].scanned = 0;
}

long space_neighbours(struct space *s, const struct space_config *c, enum space_move how, struct space_config *out, size_t most,
		      struct err *e)
{
	const struct space_part *p = &s->parts[c->part];
	long n = 0;

	for (size_t a = 0; a < p->axes_n; a++) {
		for (int v = 0; v < p->axes[a].n; v++) {
			struct space_config t = *c;
			int legal;

			if (v == c->at[a] || (how == SPACE_STEP && p->axes[a].ordered && abs(v - c->at[a]) > 1))
				continue;
			t.at[a] = (uint16_t)v;
			legal = space_legal(s, &t, NULL, e);
			if (legal < 0)
				return legal;
			if (legal && (size_t)n < most)
				out[n++] = t;
		}
	}
	return n;
}

int space_adjacent(struct space *s, const struct space_config *c, bool fresh, struct stats_rng *rng, struct space_config *out,
		   struct err *e)
{
	const struct space_part *p = &s->parts[c->part];

	for (int draw = 0; draw < ADJACENT_DRAWS; draw++) {
		int legal;

		*out = *c;
		for (size_t a = 0; a < p->axes_n; a++) {
			int lo = c->at[a] > 0 ? c->at[a] - 1 : 0, hi = c->at[a] + 1 < p->axes[a].n ? c->at[a] + 1 : c->at[a];

			if (!p->axes[a].ordered)
				lo = 0, hi = p->axes[a].n - 1;
			out->at[a] = (uint16_t)(lo + (int)stats_rng_below(rng, (uint64_t)(hi - lo + 1)));
		}
		if (space_same(out, c) || (fresh && space_seen(s, out)))
			continue;
		legal = space_legal(s, out, NULL, e);
		if (legal)
			return legal;
	}
	return 0;
}

/* Never legal, where HOPELESS would have been if the value made no difference. */
static bool hopeless(const struct space_part *p, const struct space_axis *x, size_t value)
{
	return x->legal[value] == 0 && (double)x->drawn[value] * (double)p->legal >= HOPELESS * (double)p->drawn && p->legal > 0;
}

static uint16_t draw_value(const struct space_part *p, const struct space_axis *x, double u)
{
	uint16_t hopeful[UINT8_MAX + 1], n = 0;

	if (x->n > UINT8_MAX)
		return (uint16_t)(u * x->n);
	for (uint16_t v = 0; v < x->n; v++)
		if (!hopeless(p, x, v))
			hopeful[n++] = v;
	return n ? hopeful[(size_t)(u * n)] : (uint16_t)(u * x->n);
}

int space_draw(struct space *s, uint32_t part, bool middling, struct stats_rng *rng, struct space_config *out, struct err *e)
{
	struct space_part *p = &s->parts[part];
	int legal;

	memset(out, 0, sizeof *out);
	out->part = part;
	for (size_t a = 0; a < p->axes_n; a++) {
		double u = stats_rng_uniform(rng);

		if (middling && p->axes[a].ordered && p->axes[a].n > 2)
			u = (u + stats_rng_uniform(rng)) / 2;
		out->at[a] = draw_value(p, &p->axes[a], u);
	}
	/* The rule has a memory of its own, and of millions of illegal draws none comes twice. */
	legal = s->listed || !s->rule ? space_legal(s, out, NULL, e) : s->rule(s->rule_to, out, NULL, e);
	if (legal < 0)
		return legal;
	p->drawn++;
	legal = legal > 0;
	p->legal += (uint64_t)legal;
	for (size_t a = 0; a < p->axes_n; a++) {
		p->axes[a].drawn[out->at[a]]++;
		p->axes[a].legal[out->at[a]] += (uint64_t)legal;
	}
	return legal;
}

static int random_listed(struct space *s, const struct space_part *p, bool fresh, struct stats_rng *rng, struct space_config *out)
{
	uint64_t left = 0, pick;

	if (!p->listed_n)
		return 0;
	for (int draw = 0; draw < 64; draw++) {
		space_config(s, p->listed[stats_rng_below(rng, p->listed_n)], out);
		if (!space_seen(s, out))
			return 1;
	}
	/* Nearly everything has been seen: count what is left and draw among it. */
	for (size_t i = 0; i < p->listed_n; i++)
		left += space_map_get(&s->seen, p->listed[i]) < 0;
	if (!left)
		return !fresh;
	pick = stats_rng_below(rng, left);
	for (size_t i = 0; i < p->listed_n; i++) {
		if (space_map_get(&s->seen, p->listed[i]) < 0 && !pick--) {
			space_config(s, p->listed[i], out);
			break;
		}
	}
	return 1;
}

static int random_part(struct space *s, uint32_t part, bool fresh, struct stats_rng *rng, struct space_config *out, struct err *e)
{
	struct space_part *p = &s->parts[part];
	struct space_config any;
	bool found = false;
	int legal;

	if (s->listed)
		return random_listed(s, p, fresh, rng, out);
	if (p->barren)
		return 0;
	for (int draw = 0; draw < DRAWS; draw++) {
		legal = space_draw(s, part, false, rng, out, e);
		if (legal < 0)
			return legal;
		if (legal && !space_seen(s, out))
			return 1;
		if (legal) {
			any = *out;
			found = true;
		}
	}
	for (int steps = 0; p->scanned < p->size && steps < WALK; steps++) {
		space_config(s, p->first + p->scan_at, out);
		p->scan_at = (p->scan_at + p->scan_step) % p->size;
		p->scanned++;
		legal = space_seen(s, out) ? 0 : space_legal(s, out, NULL, e);
		if (legal)
			return legal;
	}
	if (found && !fresh) {
		*out = any;
		return 1;
	}
	p->barren = !found;
	return 0;
}

int space_random(struct space *s, int part, bool fresh, struct stats_rng *rng, struct space_config *out, struct err *e)
{
	size_t start;

	if (part >= 0)
		return random_part(s, (uint32_t)part, fresh, rng, out, e);
	start = stats_rng_below(rng, s->parts_n);
	for (int pass = 0; pass < (fresh ? 1 : 2); pass++) {
		for (size_t i = 0; i < s->parts_n; i++) {
			int rc = random_part(s, (uint32_t)((start + i) % s->parts_n), pass == 0, rng, out, e);

			if (rc)
				return rc;
		}
	}
	return 0;
}

unsigned space_distance(const struct space *s, const struct space_config *a, const struct space_config *b)
{
	const struct space_part *p = &s->parts[a->part];
	unsigned d = 0;

	for (size_t i = 0; i < p->axes_n; i++)
		d += p->axes[i].ordered ? (unsigned)abs(a->at[i] - b->at[i]) : a->at[i] != b->at[i];
	return d;
}

static int repair_listed(struct space *s, const struct space_config *c, struct space_config *out)
{
	const struct space_part *p = &s->parts[c->part];
	unsigned best = UINT32_MAX;

	for (size_t i = 0; i < p->listed_n; i++) {
		struct space_config t;
		unsigned d = 0;

		space_config(s, p->listed[i], &t);
		for (size_t a = 0; a < p->axes_n; a++)
			d += 1024 * (t.at[a] != c->at[a]);
		d += space_distance(s, c, &t);
		if (d < best) {
			best = d;
			*out = t;
		}
	}
	return best < UINT32_MAX;
}

/* The values of an axis in the order of their distance from `at`, `at` itself first; returns how many. */
static int by_distance(const struct space_axis *a, int at, uint16_t *out, int most)
{
	int n = 0;

	out[n++] = (uint16_t)at;
	for (int d = 1; d < a->n && n < most; d++) {
		if (at - d >= 0)
			out[n++] = (uint16_t)(at - d);
		if (at + d < a->n && n < most)
			out[n++] = (uint16_t)(at + d);
	}
	return n;
}

enum { NEAR = 9 };

/* All changes of one axis (b < 0) or of the two axes a and b, nearest values first. */
static int repair_axes(struct space *s, const struct space_config *c, int a, int b, long *asks, struct space_config *out,
		       struct err *e)
{
	const struct space_part *p = &s->parts[c->part];
	uint16_t va[NEAR], vb[NEAR] = { 0 };
	int na = by_distance(&p->axes[a], c->at[a], va, NEAR), nb = b < 0 ? 1 : by_distance(&p->axes[b], c->at[b], vb, NEAR);

	for (int i = 1; i < na; i++) {
		for (int j = b < 0 ? 0 : 1; j < nb; j++) {
			int legal;

			if ((*asks)-- <= 0)
				return 0;
			*out = *c;
			out->at[a] = va[i];
			if (b >= 0)
				out->at[b] = vb[j];
			legal = space_legal(s, out, NULL, e);
			if (legal)
				return legal;
		}
	}
	return 0;
}

/* From a legal configuration towards c, one axis at a time as long as it stays legal. */
static int repair_pull(struct space *s, const struct space_config *c, struct space_config *out, struct err *e)
{
	const struct space_part *p = &s->parts[c->part];
	struct stats_rng rng;
	bool moved = true;
	int rc;

	stats_rng_seed(&rng, space_key(s, c));
	rc = space_random(s, (int)c->part, false, &rng, out, e);
	while (rc > 0 && moved) {
		moved = false;
		for (size_t a = 0; a < p->axes_n; a++) {
			uint16_t old = out->at[a];
			int legal;

			if (old == c->at[a])
				continue;
			out->at[a] = c->at[a];
			legal = space_legal(s, out, NULL, e);
			if (legal < 0)
				return legal;
			if (legal)
				moved = true;
			else
				out->at[a] = old;
		}
	}
	return rc;
}

int space_repair(struct space *s, const struct space_config *c, struct space_config *out, struct err *e)
{
	const struct space_part *p = &s->parts[c->part];
	long asks = REPAIR_ASKS;
	int rc = space_legal(s, c, NULL, e);

	if (rc) {
		*out = *c;
		return rc;
	}
	if (s->listed)
		return repair_listed(s, c, out);
	if (p->barren)
		return 0;
	for (int a = 0; a < (int)p->axes_n && !rc; a++)
		rc = repair_axes(s, c, a, -1, &asks, out, e);
	for (int a = 0; a < (int)p->axes_n && !rc && asks > 0; a++)
		for (int b = a + 1; b < (int)p->axes_n && !rc; b++)
			rc = repair_axes(s, c, a, b, &asks, out, e);
	return rc ? rc : repair_pull(s, c, out, e);
}

int space_start(struct space *s, const json_t *candidate, struct err *e)
{
	struct space_config c;

	if (space_from_json(s, candidate, &c, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->parts[c.part].axes_n; i++)
		s->parts[c.part].axes[i].start = c.at[i];
	return 0;
}

int space_default(struct space *s, uint32_t part, struct space_config *out, struct err *e)
{
	struct space_config c = { .part = part };

	for (size_t i = 0; i < s->parts[part].axes_n; i++)
		c.at[i] = s->parts[part].axes[i].start;
	return space_repair(s, &c, out, e);
}
