/* gen_internal: what the gen_*.c files share. Only they include it.
 * Words and literals of C, the template engine, and the parts of a header. */
#ifndef GEN_INTERNAL_H
#define GEN_INTERNAL_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "attune/buf.h"
#include "attune/err.h"
#include "attune/gen.h"

/* --- gen_template.c: marks in a text ------------------------------------------------------------------------------ */

struct gen_mark {
	const char *name; /* stands as %%name%% in the template */
	const char *text;
};

/* Copies a template and puts the marks' texts in. A line that holds nothing but one mark becomes the mark's text as whole
 * lines (no line at all when it is empty). Lines that begin with %%# are the template's own comments and are dropped.
 * A mark without a text is an error that names `name` and the line. */
int gen_template(struct buf *out, const char *name, const char *text, const struct gen_mark *marks, size_t n,
		 struct err *e);

/* --- gen_embed.c: best.h.in and best_entry.h.in as they were when the program was built ----------------------------- */

extern const char gen_template_best[];
extern const char gen_template_entry[];

/* --- gen_check.c: what may still be included --------------------------------------------------------------------- */

/* A flat source, whose project includes have been copied in: an include of anything but a few headers of the compiler is
 * an error that names the line. */
int gen_check(const char *source, struct err *e);

/* --- gen_text.c: words and literals of C -------------------------------------------------------------------------- */

/* Text for inside a comment: the comment's end, trigraphs, and control characters are made harmless. */
void gen_comment(struct buf *out, const char *text);
/* A string literal, quotes included. */
void gen_string(struct buf *out, const char *text);
/* [A-Z0-9_]: upper case, everything else becomes _. */
void gen_upper(struct buf *out, const char *word);
bool gen_is_word(const char *word); /* an identifier of C */
/* A number of the launch or of the provenance: integer or real JSON, as a C literal (reals are doubles). */
int gen_number(struct buf *out, const json_t *v, struct err *e);
/* The same for people: at most six significant digits. */
void gen_real(struct buf *out, double v);
/* The bytes as little-endian 64-bit words, the last filled up with zeros; lines of at most 116 columns. */
void gen_words(struct buf *out, const void *data, size_t len);
/* Text broken at spaces into lines of at most 116 columns: the first begins with `first`, the others with `rest`. */
void gen_wrap(struct buf *out, const char *first, const char *rest, const char *text);
const char *gen_str(const json_t *object, const char *key); /* member as text, or NULL */
double gen_num(const json_t *object, const char *key);      /* member as a number, or NaN */

/* --- the header ---------------------------------------------------------------------------------------------------- */

struct gen_names {
	const char *best; /* attn_best */
	const char *BEST; /* ATTN_BEST */
};

/* gen_family.c: what all entries of one header share. */
struct gen_family {
	const struct gen_entry *entries; /* the first is the one that plain names mean */
	size_t n;
	json_t *free;           /* dimensions that a call chooses */
	json_t *fixed;          /* {"name","about","values"}: dimensions and flags that are fixed into machine code */
	const json_t *types;    /* of derived values, by name */
	const json_t *tensors;
	const char *flag;       /* the flag that chooses derived values at run time ("layout"), or "" */
	const char *flag_value; /* its value where a call leaves strides 0 */
};
int gen_family_open(struct gen_family *f, const struct gen_entry *entries, size_t n, struct err *e);
void gen_family_close(struct gen_family *f); /* also after a failed open */
/* In C a fixed value is an int: a number is itself, words count from 1. 0 asks for the first entry's, unless it is a value. */
bool gen_fixed_words(const json_t *fixed);
long long gen_fixed_number(const json_t *fixed, const json_t *value);
bool gen_fixed_may_be_0(const json_t *fixed);
/* The value of a dimension or flag in the problem that an entry was tuned for. */
const json_t *gen_problem_value(const struct gen_entry *entry, const json_t *item);

/* gen_provenance.c: lines of comments, each beginning with " *". */
void gen_notice(struct buf *out, const json_t *header);
void gen_provenance(struct buf *out, const json_t *header, const char *cubin_sha256);
void gen_list(struct buf *out, const struct gen_entry *entries, size_t n);
/* gen_constants.c: the #define lines. `seen` holds the names of the whole header: one used twice is an error. */
int gen_constants(struct buf *out, const struct gen_names *n, const struct gen_entry *entry, const char *cubin_sha256,
		  bool plain, json_t *seen, struct err *e);
int gen_value_constants(struct buf *out, const struct gen_names *n, const struct gen_family *f, json_t *seen,
			struct err *e);
/* gen_args.c: members of the arguments structure, their completed 64-bit form, and the checks. */
int gen_args_fields(struct buf *out, const struct gen_names *n, const struct gen_family *f, struct err *e);
int gen_args_values(struct buf *out, const struct gen_family *f, struct err *e);
int gen_args_sizes(struct buf *out, const struct gen_family *f, struct err *e);
int gen_args_first(struct buf *out, const struct gen_family *f, struct err *e);
int gen_args_defaults(struct buf *out, const struct gen_names *n, const struct gen_family *f, struct err *e);
int gen_args_complete(struct buf *out, const struct gen_names *n, const struct gen_family *f, struct err *e);
int gen_args_pointers(struct buf *out, const struct gen_family *f, struct err *e);
bool gen_is_integer_type(const char *type);
/* gen_derive.c: derived values of contiguous tensors, and the layout helpers made from them. */
int gen_derive(struct buf *out, const struct gen_names *n, const struct gen_family *f, struct err *e);
void gen_derive_name(struct buf *out, const struct gen_names *n, const struct gen_family *f, const char *value);
/* gen_plan.c: what the choice among entries looks at. */
void gen_plan_tuned(struct buf *out, const struct gen_family *f, const struct gen_entry *entry);
void gen_plan_serves(struct buf *out, const struct gen_family *f);
void gen_plan_distance(struct buf *out, const struct gen_names *n, const struct gen_family *f);
void gen_plan_words(struct buf *out, const struct gen_names *n, const struct gen_family *f);
long long gen_plan_cc(const char *arch, int *rule);
/* gen_launch.c: the entries' names in order of first use (array of strings), and the code that loads and starts them. */
int gen_launch_entries(const json_t *launch, json_t **entries, struct err *e);
int gen_launch_load(struct buf *out, const struct gen_names *n, const json_t *launch, const json_t *entries, struct err *e);
int gen_launch_workspace(struct buf *out, const json_t *launch, struct err *e);
int gen_launch_steps(struct buf *out, const struct gen_names *n, const json_t *header, const json_t *entries,
		     struct err *e);

/* gen_share.c: the functions that launch, one for all entries of a kind; launches: an array, in which {"function", "numbers"} of
 * each entry say which is its own and with what. */
int gen_share(struct buf *out, const struct gen_names *n, const struct gen_entry *entries, size_t count, json_t **launches,
	      struct err *e);
void gen_share_numbers(struct buf *out, const json_t *launch);
/* gen_arg.c: one argument of a kernel: declares the local variable NAME and fills it. */
int gen_arg(struct buf *out, const struct gen_names *n, const json_t *arg, const char *name, struct err *e);
/* A number or an expression over a->NAME: gen_expression as it stands, gen_value in parentheses where needed. */
int gen_expression(struct buf *out, const json_t *v, const char *what, struct err *e);
int gen_value(struct buf *out, const json_t *v, const char *what, struct err *e);

#endif
