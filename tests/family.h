/* family: opens families for suites of script: the committed ones under tests/families, and ones written into a scratch
 * folder from a template in which a test replaces a piece. */
#ifndef ATTUNE_TESTS_FAMILY_H
#define ATTUNE_TESTS_FAMILY_H
#include <jansson.h>
#include "attune/script.h"

/* The folder that holds lua/. */
const char *family_root(void);
/* Opens tests/families/NAME; the test fails when that fails. Its device is an invented one of compute capability 9.0.
 */
struct script *family_open(const char *name);
void family_set_device(struct script *s);
/* Writes a family "t" with one variant "v" into the scratch folder. head, odd: pieces of the family (NULL: harmless
 * ones); variant: the whole of v.lua. Opens it: 0 and *out, or negative and the error. */
int family_make(struct script **out, const char *head, const char *odd, const char *variant, struct err *e);
/* A variant whose legal() and launch() have these bodies (NULL: harmless ones), both functions on line 2 and 3. */
const char *family_variant(const char *legal, const char *launch);

json_t *family_problem(struct script *s, const char *text);
json_t *family_candidate(struct script *s, const char *text);

#endif
