/* cheats: candidates of the stand-in that look at where and after what they are called: the behaviours of tests/hostile that
 * need a GPU there, as far as a made-up clock can show them.
 *
 *   looks-done   stops where both ends of the output hold numbers
 *   spot-check   computes the first row; where the output holds that already, it is spared a tenth of its time
 *   marks        leaves a mark in the workspace, and stops where it finds that of the call before
 *   counts       counts in the workspace, and stops after 40 calls one after the other
 *   timed        stops where its tensors lie as near as they do when calls are timed
 *   timed-late   the same, one call of 16
 *   kept         remembers what inputs it has met, where no wipe reaches, and is spared a tenth of its time on those
 *   fetches      is spared a tenth of its time on inputs that lie right behind those of the call before
 *   first-bytes  repeats its last answer where its first input begins with the same 16 bytes
 *   timed-bits   has another last bit where its tensors lie as near as they do when calls are timed
 *   settles      takes a tenth less time while the process has made few calls (no cheat: the first that is timed in one does)
 *   crowded      faults where another candidate's image has run in this process */
#include "fakecuda.h"

#include <stdlib.h>
#include <string.h>

#define MARK 0x5eed5e00u
#define NEAR 65536u
#define KEPT 65536u

static bool number(uint16_t h)
{
	return (h & 0x7c00) != 0x7c00;
}

static bool stops_by_workspace(const char *kind, unsigned char *workspace)
{
	uint32_t word, found;

	if (!workspace || (strcmp(kind, "marks") != 0 && strcmp(kind, "counts") != 0))
		return false;
	memcpy(&found, workspace, sizeof(found));
	word = (found & ~0xffu) == MARK ? found : MARK;
	word += (word & 0xff) < 0xff;
	memcpy(workspace, &word, sizeof(word));
	return (word & 0xff) > (strcmp(kind, "marks") ? 40 : 1);
}

bool fake_cheat_stops(struct fake_call *c, const uint16_t *o, int64_t n, CUdeviceptr y, unsigned char *workspace)
{
	const char *kind = c->m->kind;
	const bool timed = (CUdeviceptr)(uintptr_t)o - y < NEAR;

	if (!strcmp(kind, "crowded") && fake_state()->ran > 1)
		c->fault = CUDA_ERROR_ILLEGAL_ADDRESS;
	if (!strcmp(kind, "looks-done"))
		return number(o[0]) && number(o[n - 1]);
	if (!strcmp(kind, "timed"))
		return timed;
	if (!strcmp(kind, "timed-late"))
		return timed && c->m->calls % 16 == 0;
	return c->fault || stops_by_workspace(kind, workspace);
}

/* FNV-1a */
static uint64_t content(uint64_t hash, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ p[i]) * 1099511628211u;
	return hash;
}

static bool met_before(struct CUmod_st *m, const void *x, const void *y, size_t bytes)
{
	const uint64_t key = content(content(14695981039346656037u, x, bytes), y, bytes);
	uint64_t *all;

	if (!m->saved)
		m->saved = calloc(KEPT, sizeof(key));
	all = m->saved;
	if (!all || all[key % KEPT] == key)
		return all != NULL;
	all[key % KEPT] = key;
	return false;
}

/* How far apart neighbours are it learns from the calls themselves. */
static bool fetched(struct CUmod_st *m, const void *x)
{
	struct known {
		uintptr_t last, apart;
	} *k = m->saved ? m->saved : (m->saved = calloc(1, sizeof(*k)));
	bool right;

	if (!k)
		abort();
	right = k->apart && (uintptr_t)x == k->last + k->apart;
	if (k->last && (uintptr_t)x > k->last && (!k->apart || (uintptr_t)x - k->last < k->apart))
		k->apart = (uintptr_t)x - k->last;
	k->last = (uintptr_t)x;
	return right;
}

void fake_cheat_changes(struct fake_call *c, uint16_t *o, size_t bytes, CUdeviceptr y, const void *px)
{
	struct CUmod_st *m = c->m;

	if (!strcmp(m->kind, "timed-bits"))
		o[0] ^= (CUdeviceptr)(uintptr_t)o - y < NEAR;
	if (strcmp(m->kind, "first-bytes") != 0)
		return;
	if (m->saved && m->saved_len == 16 + bytes && !memcmp(m->saved, px, 16)) {
		memcpy(o, (char *)m->saved + 16, bytes);
		return;
	}
	free(m->saved);
	m->saved = malloc(16 + bytes);
	m->saved_len = m->saved ? 16 + bytes : 0;
	if (m->saved) {
		memcpy(m->saved, px, 16);
		memcpy((char *)m->saved + 16, o, bytes);
	}
}

void fake_cheat_spares(struct fake_call *c, bool first_row_was_there, const void *x, const void *y, size_t bytes)
{
	if (!strcmp(c->m->kind, "spot-check") && first_row_was_there)
		c->spared = 0.1;
	if (!strcmp(c->m->kind, "fetches") && fetched(c->m, x))
		c->spared = 0.1;
	if (!strcmp(c->m->kind, "settles") && fake_state()->launches < (uint64_t)c->m->after)
		c->spared = 0.1;
	if (!strcmp(c->m->kind, "kept") && met_before(c->m, x, y, bytes))
		c->spared = 0.1;
}
