/* stream: streams, events and graphs. Everything runs in the order in which it is asked for, on one made-up clock. */
#include "fakecuda.h"

#include <stdlib.h>
#include <string.h>

#define GRAPH_OVERHEAD_US 1.5 /* made up, as every time here */

bool fake_graph_add(CUgraph g, const struct CUgraphNode_st *n)
{
	if (g->n == g->room) {
		size_t room = g->room ? 2 * g->room : 16;
		struct CUgraphNode_st *more = realloc(g->nodes, room * sizeof(*more));

		if (!more)
			return false;
		g->nodes = more;
		g->room = room;
	}
	g->nodes[g->n++] = *n;
	return true;
}

CUresult CUDAAPI cuStreamCreate(CUstream *stream, unsigned int flags)
{
	(void)flags;
	*stream = calloc(1, sizeof(**stream));
	return *stream ? fake_enter() : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult CUDAAPI cuStreamSynchronize(CUstream stream)
{
	if (stream && stream->capture)
		return CUDA_ERROR_NOT_SUPPORTED;
	return fake_wait();
}

CUresult CUDAAPI cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode mode)
{
	(void)mode;
	if (!stream || stream->capture)
		return CUDA_ERROR_INVALID_VALUE;
	stream->capture = calloc(1, sizeof(*stream->capture));
	return stream->capture ? fake_enter() : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult CUDAAPI cuStreamEndCapture(CUstream stream, CUgraph *graph)
{
	if (!stream || !stream->capture)
		return CUDA_ERROR_INVALID_VALUE;
	*graph = stream->capture;
	stream->capture = NULL;
	return fake_enter();
}

CUresult CUDAAPI cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **params, void **extra)
{
	struct CUgraphNode_st n = { .kind = FAKE_NODE_KERNEL };
	CUresult r = fake_enter();

	if (r == CUDA_SUCCESS && extra)
		r = CUDA_ERROR_NOT_SUPPORTED;
	if (r == CUDA_SUCCESS)
		r = fake_prepare(&n.launch, config, f, params);
	if (r != CUDA_SUCCESS)
		return r;
	if (config->hStream && config->hStream->capture)
		return fake_graph_add(config->hStream->capture, &n) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	fake_execute(&n.launch);
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuEventCreate(CUevent *event, unsigned int flags)
{
	(void)flags;
	*event = calloc(1, sizeof(**event));
	return *event ? fake_enter() : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult CUDAAPI cuEventRecord(CUevent event, CUstream stream)
{
	if (stream && stream->capture)
		return CUDA_ERROR_NOT_SUPPORTED;
	event->recorded = true;
	event->after_hang = fake_state()->hung;
	event->at_us = fake_state()->now_us;
	return fake_enter();
}

CUresult CUDAAPI cuEventSynchronize(CUevent event)
{
	return event->recorded && event->after_hang ? fake_wait() : fake_enter();
}

/* Under its old name too, which a newer cuda.h hides behind a macro. */
CUresult CUDAAPI cuEventElapsedTime(float *ms, CUevent start, CUevent end)
{
	if (fake_enter())
		return fake_enter();
	if (!start->recorded || !end->recorded)
		return CUDA_ERROR_INVALID_HANDLE;
	if (start->after_hang || end->after_hang)
		return CUDA_ERROR_NOT_READY;
	*ms = (float)((end->at_us - start->at_us) / 1000);
	return CUDA_SUCCESS;
}

#ifdef cuEventElapsedTime
#undef cuEventElapsedTime
CUresult CUDAAPI cuEventElapsedTime(float *ms, CUevent start, CUevent end);
CUresult CUDAAPI cuEventElapsedTime(float *ms, CUevent start, CUevent end)
{
	return cuEventElapsedTime_v2(ms, start, end);
}
#endif

CUresult CUDAAPI cuEventDestroy(CUevent event)
{
	free(event);
	return fake_enter();
}

CUresult CUDAAPI cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags)
{
	struct CUgraphExec_st *x = calloc(1, sizeof(*x));

	(void)flags;
	if (!x)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < graph->n; i++)
		if (!fake_graph_add(&x->graph, &graph->nodes[i]))
			return CUDA_ERROR_OUT_OF_MEMORY;
	*exec = x;
	return fake_enter();
}

CUresult CUDAAPI cuGraphUpload(CUgraphExec exec, CUstream stream)
{
	(void)exec;
	(void)stream;
	return fake_enter();
}

CUresult CUDAAPI cuGraphLaunch(CUgraphExec exec, CUstream stream)
{
	struct fake *s = fake_state();

	if (fake_enter())
		return fake_enter();
	if (stream && stream->capture)
		return CUDA_ERROR_NOT_SUPPORTED;
	s->now_us += GRAPH_OVERHEAD_US;
	for (size_t i = 0; i < exec->graph.n && !s->hung && !s->sticky; i++) {
		const struct CUgraphNode_st *n = &exec->graph.nodes[i];

		if (n->kind == FAKE_NODE_KERNEL)
			fake_execute(&n->launch);
		else if (n->kind == FAKE_NODE_MEMSET)
			s->sticky = fake_fill(n->to, n->value, n->bytes) ? CUDA_ERROR_ILLEGAL_ADDRESS : 0;
		else
			s->sticky = fake_copy(n->to, n->from, n->bytes) ? CUDA_ERROR_ILLEGAL_ADDRESS : 0;
	}
	return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphDestroy(CUgraph graph)
{
	free(graph->nodes);
	free(graph);
	return fake_enter();
}

CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec exec)
{
	free(exec->graph.nodes);
	free(exec);
	return fake_enter();
}
