/* Fuzzing of the problem parser, on a schema with one of everything. A text that is accepted has a canonical form, which
 * must be accepted and be its own canonical form. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "attune/problem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char schema_text[] =
	"{\"name\":\"fuzz\",\"dims\":[{\"name\":\"b\",\"min\":1,\"max\":65535},{\"name\":\"h\",\"min\":1,\"max\":64,\"default\":\"b\"},"
	"{\"name\":\"d\",\"values\":[64,128],\"fixed\":true}],\"flags\":[{\"name\":\"dtype\",\"values\":[\"f16\",\"bf16\"],"
	"\"default\":\"f16\",\"fixed\":true},{\"name\":\"causal\",\"values\":[0,1],\"default\":0,\"fixed\":true}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static json_t *schema;
	json_t *problem = NULL, *again = NULL;
	struct err e = { 0 };
	char *text = malloc(len + 1);

	if (!schema)
		schema = json_loads(schema_text, 0, NULL);
	if (!text || !schema)
		abort();
	memcpy(text, data, len);
	text[len] = 0;
	problem_is_name(text);
	if (problem_parse(schema, text, &problem, &e) == 0) {
		const char *canonical = json_string_value(json_object_get(problem, "text"));

		if (!canonical || problem_parse(schema, canonical, &again, &e) < 0 || !json_equal(problem, again))
			abort();
	}
	json_decref(problem);
	json_decref(again);
	free(text);
	return 0;
}
