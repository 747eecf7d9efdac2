/* problem: the text of a problem ("b=1 h=8 sq=512 ...") against the dimensions and flags of a family. Pure C over JSON:
 * knows no Lua, no file and no family by name. Any bytes are acceptable input; errors are one line that name the word.
 *
 * schema: {"dims":[{"name","min","max"}|{"name","values":[ints]}, "default"? (integer or another dimension's name),
 *           "divides"? (another dimension)...],
 *          "flags":[{"name","values":[ints or texts],"default"?}...]}, as in script_family; it must be well formed. */
#ifndef ATTUNE_PROBLEM_H
#define ATTUNE_PROBLEM_H
#include <jansson.h>
#include <stdbool.h>
#include "attune/buf.h"
#include "attune/err.h"

#define PROBLEM_TEXT_MAX 4096 /* longer texts are refused */

/* NAME=VALUE words in any order, separated by blanks; defaults filled in. *problem is a new object: "text" (canonical),
 * then every dimension and flag in declared order. */
int problem_parse(const json_t *schema, const char *text, json_t **problem, struct err *e);
/* The problem that differs from base by the members of changes (an object). */
int problem_change(const json_t *schema, const json_t *base, const json_t *changes, json_t **problem, struct err *e);
/* Whether text can only be a problem's name: one word without "=". */
bool problem_is_name(const char *text);
/* The entry of a dimension or flag, or NULL. */
const json_t *problem_dim(const json_t *schema, const char *name);
const json_t *problem_flag(const json_t *schema, const char *name);

/* Appends a JSON integer, real or text without quotes. */
void problem_add_value(struct buf *out, const json_t *value);
/* Appends the values of an array, separated by blanks. */
void problem_add_values(struct buf *out, const json_t *values);
/* The member of `values` that a word stands for (borrowed), or NULL. */
const json_t *problem_match(const json_t *values, const char *word);
/* Whether values holds value. */
bool problem_has(const json_t *values, const json_t *value);
/* Splits text at blanks and hands each word to each(); stops at its first negative result. */
int problem_words(const char *text, int (*each)(void *to, const char *word, struct err *e), void *to, struct err *e);

#endif
