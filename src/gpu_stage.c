/* gpu_stage: large copies between ordinary memory and the device, through two buffers whose pages the driver has locked: while
 * the device copies one, the crew fills or empties the other. The driver's own way with ordinary memory is one thread's. Memory
 * shared with the judge is not locked itself: that would put it within the reach of kernels. */
#include "gpu_driver.h"

#include <stdlib.h>

#include "attune/crew.h"

enum { STAGES = 2, STAGE_BYTES = 16 << 20, STAGED_LEAST = 4 << 20 };

struct gpu_stage {
	char *buffer[STAGES]; /* all NULL: there are none */
	CUevent done[STAGES]; /* recorded behind the last copy of each */
};

static struct gpu_stage *make(struct gpu *g)
{
	struct gpu_stage *s = calloc(1, sizeof *s);
	void *memory = NULL;

	if (!s)
		abort();
	if (!g->d.host_alloc || !g->d.event_sync || g->d.host_alloc(&memory, (size_t)STAGES * STAGE_BYTES) != CUDA_SUCCESS)
		return s;
	for (int i = 0; i < STAGES; i++)
		if (g->d.event_create(&s->done[i], CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS ||
		    g->d.event_record(s->done[i], g->stream) != CUDA_SUCCESS)
			return s;
	for (int i = 0; i < STAGES; i++)
		s->buffer[i] = (char *)memory + (size_t)i * STAGE_BYTES;
	return s;
}

bool gpu_staged(struct gpu *g, size_t bytes)
{
	if (bytes < STAGED_LEAST)
		return false;
	if (!g->stage)
		g->stage = make(g);
	return g->stage->buffer[0] != NULL;
}

static size_t piece(size_t bytes, size_t at)
{
	return bytes - at < STAGE_BYTES ? bytes - at : STAGE_BYTES;
}

CUresult gpu_stage_upload(struct gpu *g, uint64_t to, const void *from, size_t bytes)
{
	struct gpu_stage *s = g->stage;
	CUresult r = CUDA_SUCCESS;

	for (size_t at = 0, i = 0; r == CUDA_SUCCESS && at < bytes; at += STAGE_BYTES, i = (i + 1) % STAGES) {
		r = g->d.event_sync(s->done[i]);
		if (r == CUDA_SUCCESS) {
			crew_copy(s->buffer[i], (const char *)from + at, piece(bytes, at));
			r = g->d.upload(to + at, s->buffer[i], piece(bytes, at), g->stream);
		}
		if (r == CUDA_SUCCESS)
			r = g->d.event_record(s->done[i], g->stream);
	}
	return r;
}

static CUresult fetch(struct gpu *g, uint64_t from, size_t bytes, size_t at)
{
	struct gpu_stage *s = g->stage;
	const size_t i = at / STAGE_BYTES % STAGES;
	const CUresult r = g->d.download(s->buffer[i], from + at, piece(bytes, at), g->stream);

	return r ? r : g->d.event_record(s->done[i], g->stream);
}

CUresult gpu_stage_download(struct gpu *g, void *to, uint64_t from, size_t bytes)
{
	struct gpu_stage *s = g->stage;
	CUresult r = fetch(g, from, bytes, 0);

	for (size_t at = 0; r == CUDA_SUCCESS && at < bytes; at += STAGE_BYTES) {
		const size_t i = at / STAGE_BYTES % STAGES;

		if (at + STAGE_BYTES < bytes)
			r = fetch(g, from, bytes, at + STAGE_BYTES);
		if (r == CUDA_SUCCESS)
			r = g->d.event_sync(s->done[i]);
		if (r == CUDA_SUCCESS)
			crew_copy((char *)to + at, s->buffer[i], piece(bytes, at));
	}
	return r;
}
