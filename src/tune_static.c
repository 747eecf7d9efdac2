/* tune_static: what compiling one candidate tells about running it: its machine code, its launch for the tuned problem and
 * that problem's operations, put together for chip_static. Runs nothing. */
#include <string.h>

#include "attune/chip.h"
#include "attune/cubin.h"
#include "attune/tune.h"

static double product(const json_t *numbers)
{
	double p = 1;
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)numbers, i, v)
		p *= json_number_value(v);
	return p;
}

/* null for a step that runs no code of the image. */
static json_t *trace_of(const struct nvcc_result *image, const json_t *step, double flops)
{
	const char *entry = json_string_value(json_object_get(step, "entry"));
	const double ctas = product(json_object_get(step, "grid")), threads = product(json_object_get(step, "block"));
	json_t *trace = NULL;

	if (entry && cubin_trace(image->cubin.data, image->cubin.len, entry, ctas > 0 ? flops / ctas : 0,
				 (long)(threads + 31) / 32, &trace, NULL) == 0)
		return trace;
	return json_null();
}

json_t *session_static(struct session *s, const json_t *candidate, const struct nvcc_result *image)
{
	const double flops = json_number_value(json_object_get(json_array_get(s->specs, 0), "flops"));
	json_t *launch = NULL, *info = NULL, *traces = json_array(), *facts = NULL, *steps, *step;
	size_t i, at;

	if (script_launch(s->script, session_problem(s), candidate, &launch, NULL) == 0 &&
	    cubin_read(image->cubin.data, image->cubin.len, &info, NULL) == 0) {
		steps = json_object_get(launch, "steps");
		at = chip_main_step(json_object_get(info, "kernels"), steps);
		json_array_foreach(steps, i, step)
			json_array_append_new(traces, trace_of(image, step, i == at ? flops : 0));
		facts = chip_static(s->device, image->resources, steps, traces);
	}
	json_decref(launch);
	json_decref(info);
	json_decref(traces);
	return facts;
}
