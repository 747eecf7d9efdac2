/* gpu_graph: graphs made by capturing the stream, so that a timed call enqueues exactly what a judged call does; and
 * time stamps. A graph is instantiated and uploaded at once: its first replay is already a plain one. */
#include "gpu_driver.h"

#include <stdlib.h>

struct gpu_graph {
	CUgraph graph;
	CUgraphExec exec;
};

int gpu_graph_begin(struct gpu *g, struct err *e)
{
	/* Relaxed: cuBLAS may ask the driver for things that other modes forbid while a stream captures. */
	const int rc = gpu_check(g, g->d.capture_begin(g->stream, CU_STREAM_CAPTURE_MODE_RELAXED), GPU_LAUNCH, e,
				 "cuStreamBeginCapture");

	g->capturing = rc == 0;
	return rc;
}

int gpu_graph_end(struct gpu *g, struct gpu_graph **out, struct err *e)
{
	struct gpu_graph *graph = calloc(1, sizeof *graph);
	int rc;

	*out = NULL;
	if (!graph)
		abort();
	g->capturing = false;
	rc = gpu_check(g, g->d.capture_end(g->stream, &graph->graph), GPU_LAUNCH, e, "cuStreamEndCapture");
	if (rc == 0)
		rc = gpu_check(g, g->d.graph_instantiate(&graph->exec, graph->graph, 0), GPU_LAUNCH, e,
			       "cuGraphInstantiate");
	if (rc == 0)
		rc = gpu_check(g, g->d.graph_upload(graph->exec, g->stream), GPU_LAUNCH, e, "cuGraphUpload");
	if (rc < 0)
		gpu_graph_close(g, graph);
	else
		*out = graph;
	return rc;
}

void gpu_graph_abandon(struct gpu *g)
{
	CUgraph graph = NULL;

	if (!g->capturing)
		return;
	g->capturing = false;
	if (g->d.capture_end(g->stream, &graph) == CUDA_SUCCESS && graph)
		g->d.graph_destroy(graph);
}

int gpu_graph_launch(struct gpu *g, struct gpu_graph *graph, struct err *e)
{
	return gpu_check(g, g->d.graph_launch(graph->exec, g->stream), GPU_LAUNCH, e, "cuGraphLaunch");
}

void gpu_graph_close(struct gpu *g, struct gpu_graph *graph)
{
	if (!graph)
		return;
	if (graph->exec)
		g->d.exec_destroy(graph->exec);
	if (graph->graph)
		g->d.graph_destroy(graph->graph);
	free(graph);
}

int gpu_mark(struct gpu *g, int number, struct err *e)
{
	while (number >= g->event_count) {
		CUevent *more = realloc(g->events, ((size_t)g->event_count + 1) * sizeof *more);

		if (!more)
			abort();
		g->events = more;
		if (gpu_check(g, g->d.event_create(&g->events[g->event_count], CU_EVENT_DEFAULT), ERR_FAIL, e,
			      "cuEventCreate") < 0)
			return e->code;
		g->event_count++;
	}
	return gpu_check(g, g->d.event_record(g->events[number], g->stream), GPU_FAULT, e, "cuEventRecord");
}

int gpu_between_us(struct gpu *g, int from, int to, double *us, struct err *e)
{
	float ms = 0;
	const int rc = gpu_check(g, g->d.event_elapsed(&ms, g->events[from], g->events[to]), GPU_FAULT, e,
				 "cuEventElapsedTime");

	*us = 1e3 * (double)ms;
	return rc;
}
