/* space: what a search may try, as small integers. A space has parts (variants), a part has axes, an axis has values; a
 * configuration is a part and one value index for each of its axes. Knows neither Lua nor kernels: whether a configuration
 * is legal is asked of a rule, or of a list of those that exist, and remembered. */
#ifndef ATTUNE_SPACE_H
#define ATTUNE_SPACE_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "attune/buf.h"
#include "attune/err.h"
#include "attune/stats.h"

#define SPACE_AXES 48

struct space_config {
	uint32_t part;
	uint16_t at[SPACE_AXES]; /* value indices; those beyond the part's axes are 0 */
};

struct space_axis {
	const char *name, *strategy, *about; /* strategy and about may be "" */
	const json_t *values;                /* the array as the family declares it */
	char **texts;                        /* how each value is written in a candidate's text */
	double *numbers;                     /* the values; NaN where they are no numbers */
	uint16_t n;
	uint16_t usual; /* index of the default; the middle one when none is declared */
	uint16_t start; /* index in the first candidate: the default, or what space_start said */
	double middle;  /* index of the declared default; without one half the way */
	bool ordered;   /* numbers: neighbouring indices are neighbouring values. Strings: every other value is a neighbour */
	uint64_t *drawn, *legal; /* of each value: how often a draw took it, and was legal */
};

struct space_part {
	const char *name;
	struct space_axis *axes;
	size_t axes_n;
	uint64_t first, size; /* keys of the part: first .. first + size - 1 */
	uint64_t *listed;     /* keys that exist, when the space is listed */
	size_t listed_n;
	uint64_t scan_at, scan_step; /* a walk over all keys in scattered order, for draws without repeats */
	uint64_t scanned;
	bool barren; /* no legal configuration was found in many draws */
	uint64_t drawn, legal;
};

/* Open-addressed map from keys to small numbers. */
struct space_map {
	uint64_t *keys;
	int32_t *values;
	size_t n, cap;
};
void space_map_free(struct space_map *m);
/* The value, or -1. */
int32_t space_map_get(const struct space_map *m, uint64_t key);
/* value >= 0; replaces an older one. */
void space_map_put(struct space_map *m, uint64_t key, int32_t value);

struct space {
	json_t *variants; /* shared */
	struct space_part *parts;
	size_t parts_n;
	bool listed;
	struct space_map known; /* listed: what exists. Otherwise: legal (1) or not (0), as far as asked */
	struct space_map seen;  /* proposed before: space_see */
	/* 1 legal, 0 not (why is appended when not NULL), negative: the rule itself failed. */
	int (*rule)(void *to, const struct space_config *c, struct buf *why, struct err *e);
	void *rule_to;
};

/* variants: array of {"name", "axes":[{"name","values":[...],"default"?,"strategy"?,"about"?}], "baseline"?}; baselines are left
 * out. Without a rule everything is legal. Spaces of more than 2^62 combinations are an error. */
int space_open(struct space **out, const json_t *variants, struct err *e);
void space_close(struct space *s);
/* Only these exist: rule is no longer asked. texts: array of candidate texts; those of unknown variants or values are an error. */
int space_list(struct space *s, const json_t *texts, struct err *e);
/* The same by keys, which may repeat. */
void space_list_keys(struct space *s, const uint64_t *keys, size_t n);

uint64_t space_key(const struct space *s, const struct space_config *c);
void space_config(const struct space *s, uint64_t key, struct space_config *c);
bool space_same(const struct space_config *a, const struct space_config *b);

/* Index of a part or an axis by name; -1 when there is none. */
int space_find_part(const struct space *s, const char *name);
int space_find_axis(const struct space_part *p, const char *name);
/* Index of the value written so; -1 when there is none. */
int space_find_value(const struct space_axis *a, const char *text);
/* "16, 32, 64": for messages. */
void space_list_values(const struct space_axis *a, struct buf *out);

/* Candidate text and {"variant":...,axis:value...}; absent axes take their usual value, members that begin with _ are ignored. */
int space_parse(const struct space *s, const char *text, struct space_config *c, struct err *e);
int space_from_json(const struct space *s, const json_t *candidate, struct space_config *c, struct err *e);
json_t *space_to_json(const struct space *s, const struct space_config *c);
void space_text(const struct space *s, const struct space_config *c, struct buf *out);

/* 1, 0 or negative, as the rule. why may be NULL; then the answer may come from memory. */
int space_legal(struct space *s, const struct space_config *c, struct buf *why, struct err *e);

/* What has been proposed. */
bool space_seen(const struct space *s, const struct space_config *c);
void space_see(struct space *s, const struct space_config *c);
/* Nothing has been proposed: a new run in the same space. What is known of legality stays. */
void space_forget(struct space *s);

enum space_move {
	SPACE_STEP, /* one axis, one step up or down */
	SPACE_ANY,  /* one axis, any other value */
};
/* All legal configurations one move away, in the order of axes and values, into out (room for most); returns how many, or
 * negative when the rule failed. */
long space_neighbours(struct space *s, const struct space_config *c, enum space_move how, struct space_config *out, size_t most,
		      struct err *e);
/* A draw among the legal configurations that differ by at most one step in every axis, c itself excepted. fresh: not seen
 * either. 1 found, 0 not found in a bounded number of draws, negative: the rule failed. */
int space_adjacent(struct space *s, const struct space_config *c, bool fresh, struct stats_rng *rng, struct space_config *out,
		   struct err *e);
/* One draw of a part, legal or not: each axis a value for a number from 0 up to 1 (of middling: the mean of two, for ordered
 * axes), and its result noted. Values that were never legal where chance alone would have made them so are passed over: what a problem
 * rules out altogether (row tiles that are fewer than the CTAs that would walk over them) would make nearly all draws illegal. 1 legal, 0
 * not, negative: the rule failed. */
int space_draw(struct space *s, uint32_t part, bool middling, struct stats_rng *rng, struct space_config *out, struct err *e);
/* A draw among the legal ones of a part (negative: a part drawn first), preferring those not seen. fresh: only those not seen.
 * 1 found; 0: there is none (or none in some 10^5 draws, where the legal ones are that rare); negative: the rule failed. */
int space_random(struct space *s, int part, bool fresh, struct stats_rng *rng, struct space_config *out, struct err *e);
/* A legal configuration near c: fewest axes changed first, then fewest steps. 1, 0 (none found) or negative. */
int space_repair(struct space *s, const struct space_config *c, struct space_config *out, struct err *e);
/* What the part's first candidate is made from, in place of its defaults: a whole candidate. */
int space_start(struct space *s, const json_t *candidate, struct err *e);
/* The part's first candidate, repaired. 1, 0 or negative. */
int space_default(struct space *s, uint32_t part, struct space_config *out, struct err *e);
/* Steps between two configurations of one part: ordered axes by difference of index, others 1. */
unsigned space_distance(const struct space *s, const struct space_config *a, const struct space_config *b);

/* A recorded space: the measurement of one kernel on one device, a TSV file (.gz too). Line 1 is
 * "#kernel=NAME device=NAME source=...", line 2 names the columns: parameters up to `status`, then the results, of which
 * time_ms is needed. Rows that are absent are forbidden. Parameters of one value stay out of the axes. Where the first
 * parameter is called `variant`, its values are variants, and each has those parameters as axes that are not empty in its
 * rows; else there is one variant, named as the kernel. The first line's source may end in words of attune's own:
 * recorded=DATE or ?, and defaults=VARIANT:AXIS=VALUE,...;VARIANT:... */
struct space_record {
	char *kernel, *device, *date; /* date "" when it says none */
	json_t *variants; /* with defaults only where the file says them */
	size_t n;
	uint64_t *keys;
	double *time_ms;  /* NaN: failed */
	char **status;    /* "ok", or why it failed */
	json_t **facts;   /* of each row the numbers behind time_ms by column; NULL without any */
	uint32_t *part;   /* of each row its variant */
	double best_ms;
	struct space_map row; /* key to row */
};
int space_record_open(struct space_record *r, const char *path, struct err *e);
void space_record_close(struct space_record *r);

/* A run's journal (journal_read) as a recorded space, and in T4, the autotuning community's format of results. name: of the
 * record; variants: of script_family, for the defaults, or NULL. Both are appended to out; equal records give equal bytes. */
int space_export_tsv(const json_t *records, const char *name, const json_t *variants, struct buf *out, long *rows, struct err *e);
int space_export_t4(const json_t *records, struct buf *out, struct err *e);

#endif
