/* case: a problem with its inputs, the right answers, and memory laid out so that touching anything else is noticed. */
#ifndef EMULATE_CASE_H
#define EMULATE_CASE_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "attune/inputs.h"
#include "attune/spec.h"
#include "emulate.h"

/* One problem with one kind of values. The reference's outputs stand beside those of the plain implementation. */
struct checked {
	struct spec spec;
	enum values values;
	uint64_t seed;                    /* of the values */
	void *given[SPEC_TENSORS_MAX];    /* inputs; spans */
	double *want[SPEC_TENSORS_MAX];   /* outputs */
	void *plain[SPEC_TENSORS_MAX];
};

/* Makes the inputs and runs the reference on them. */
int checked_open(struct checked *c, const json_t *spec, enum values v, uint64_t seed, struct emu_module *reference,
		 struct err *e);
void checked_close(struct checked *c);

/* Runs a launch on the inputs. The seed chooses who runs when, and whether tensors lie against the upper or the lower end of
 * what may be touched. Returns whether all is right; else why. Faults and deadlocks go to emu_on_failure. */
bool checked_run(const struct checked *c, struct emu_module *module, const json_t *launch, uint64_t seed, char *why,
		 size_t size);

#endif
