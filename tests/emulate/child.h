/* child: a candidate's checks in a process of their own, which a fault, a deadlock or the time limit ends. */
#ifndef EMULATE_CHILD_H
#define EMULATE_CHILD_H
#include "case.h"

struct child {
	const struct checked *checks;
	json_t *const *launches; /* one for each check */
	size_t count;
	long first_schedule, schedules, limit_s;
};

/* What fails in this process itself from now on ends it, with words that begin with `where`; so does the time limit, unless
 * 0 takes it away again. */
void child_prepare(const char *where, long limit_s);

/* Every check under every schedule, up to the first that fails. Returns whether all are right; else why. */
bool child_run(const struct child *t, struct emu_module *module, char *why, size_t size);

#endif
