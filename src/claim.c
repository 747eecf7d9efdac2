/* claim: when a difference between two entries of a championship is more than chance. */
#include "attune/claim.h"

#include <math.h>
#include <string.h>

#include "attune/stats.h"

enum { PROCESSES_MAX = 64 };

static double number(const json_t *of, const char *name)
{
	return json_number_value(json_object_get(of, name));
}

bool claim_faster(const json_t *answer, size_t entry, size_t than)
{
	const json_t *entries = json_object_get(answer, "entries");
	const json_t *us = json_object_get(json_array_get(entries, entry), "per_process_us");
	const json_t *than_us = json_object_get(json_array_get(entries, than), "per_process_us");
	const size_t n = json_array_size(us);
	double gain[PROCESSES_MAX], mean, error;

	/* Of an entry that failed in a process it is not known which times belong together. */
	if (n < 2 || n > PROCESSES_MAX || n != json_array_size(than_us) ||
	    n != (size_t)json_integer_value(json_object_get(answer, "processes")))
		return false;
	for (size_t p = 0; p < n; p++) {
		const double a = json_number_value(json_array_get(us, p)), b = json_number_value(json_array_get(than_us, p));

		if (!(a > 0 && b > 0))
			return false;
		gain[p] = log(b / a);
	}
	mean = stats_mean(gain, n);
	error = stats_stddev(gain, n) / sqrt((double)n);
	return mean > stats_student(n - 1) * error && mean > number(json_object_get(answer, "noise"), "aa_p95");
}

long claim_next(const json_t *answer, const char *candidate, size_t *entry, double *ahead)
{
	const json_t *entries = json_object_get(answer, "entries"), *e;
	double own = 0, best = INFINITY;
	long next = -1;
	size_t i;

	json_array_foreach((json_t *)entries, i, e) {
		const char *text = json_string_value(json_object_get(e, "candidate"));

		if (text && candidate && strcmp(text, candidate) == 0) {
			own = number(e, "time_us");
			*entry = i;
		}
	}
	json_array_foreach((json_t *)entries, i, e) {
		const double us = number(e, "time_us");

		if (json_object_get(e, "candidate") && us > 0 && own > 0 && i != *entry && us < best) {
			best = us;
			next = (long)i;
		}
	}
	*ahead = next >= 0 ? best / own - 1 : 0;
	return next;
}
