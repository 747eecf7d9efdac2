// memory: shared memory of a CTA between an inaccessible page and a stretch of canaries, full of NaN at first; and the ranges
// of global memory that a kernel may touch.
#include <algorithm>
#include <stdlib.h>
#include <sys/mman.h>

#include "emulate.h"
#include "machine.h"

namespace emu {

enum : size_t { PAGE = 4096, CANARIES = 2048 };
enum : unsigned char { POISON = 0xff, CANARY = 0xfd }; // NaN in every dtype, both

struct range {
	uint64_t from, to;
};
static std::vector<range> ranges;

struct kept_region {
	char *at;
	size_t bytes;
};
static std::vector<kept_region> kept; // of ended CTAs, for the next ones

void memory_open(cta &c, size_t dynamic) {
	size_t bytes = (dynamic + CANARIES + PAGE - 1) / PAGE * PAGE;
	char *p = nullptr;

	for (size_t i = 0; i < kept.size() && !p; i++)
		if (kept[i].bytes == bytes) {
			p = kept[i].at;
			kept.erase(kept.begin() + (ptrdiff_t)i);
		}
	if (!p) {
		p = (char *)mmap(nullptr, bytes + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED || mprotect(p, PAGE, PROT_NONE) || mprotect(p + PAGE + bytes, PAGE, PROT_NONE))
			abort();
		p += PAGE;
	}
	c.region = c.shared = p;
	c.region_bytes = bytes;
	c.shared_bytes = dynamic;
	memset(p, POISON, dynamic);
	memset(p + dynamic, CANARY, bytes - dynamic);
}

void memory_check(const cta &c) {
	for (size_t i = c.shared_bytes; i < c.region_bytes; i++)
		if ((unsigned char)c.shared[i] != CANARY)
			fail_anywhere("CTA (%u,%u,%u) has written %zu bytes behind its %zu bytes of shared memory", c.index.x,
				      c.index.y, c.index.z, i - c.shared_bytes, c.shared_bytes);
}

void memory_close(cta &c) {
	kept.push_back({ c.region, c.region_bytes });
}

uint32_t shared_address(const void *p) {
	const cta &c = *m.self->of->of;
	const char *at = (const char *)p;

	if (at < c.shared || at > c.shared + c.shared_bytes)
		fail("an address of shared memory is asked for what is not in dynamic shared memory");
	return (uint32_t)(SHARED_BASE + (at - c.shared));
}

// An address below 1 << CLUSTER_SHIFT is the running CTA's own; mapa puts rank + 1 above that.
cta &shared_owner(uint32_t address, uint32_t *offset) {
	uint32_t rank = address >> CLUSTER_SHIFT;

	*offset = address & ((1u << CLUSTER_SHIFT) - 1);
	if (rank == 0)
		return *m.self->of->of;
	if (rank > m.now->ctas.size())
		fail("address %#x is in the shared memory of CTA %u of a cluster of %zu", address, rank - 1, m.now->ctas.size());
	return m.now->ctas[rank - 1];
}

char *shared_at(uint32_t address, size_t bytes, size_t align, const char *what) {
	uint32_t offset;
	cta &c = shared_owner(address, &offset);

	if (offset < SHARED_BASE || offset - SHARED_BASE + bytes > c.shared_bytes)
		fail("%s: %zu bytes at %lld of %zu bytes of shared memory", what, bytes, (long long)offset - SHARED_BASE,
		     c.shared_bytes);
	if (offset % align)
		fail("%s: %lld in shared memory is not a multiple of %zu", what, (long long)offset - SHARED_BASE, align);
	if (c.live == 0 || !c.begun)
		fail("%s: the CTA whose shared memory this is has %s", what, c.begun ? "ended" : "not begun");
	return c.shared + (offset - SHARED_BASE);
}

char *global_at(uint64_t address, size_t bytes, size_t align, const char *what) {
	if (address % align)
		fail("%s: global address %#llx is not a multiple of %zu", what, (unsigned long long)address, align);
	for (const range &r : ranges)
		if (address >= r.from && address + bytes <= r.to)
			return (char *)address;
	for (const range &r : ranges)
		if (address + bytes > r.from - (1 << 20) && address < r.to + (1 << 20))
			fail("%s: %zu bytes at %lld of a buffer of %llu", what, bytes, (long long)(address - r.from),
			     (unsigned long long)(r.to - r.from));
	fail("%s: %zu bytes at %#llx, in no buffer", what, bytes, (unsigned long long)address);
}

} // namespace emu

void emu_memory_add(void *p, size_t bytes) {
	emu::ranges.push_back({ (uint64_t)p, (uint64_t)p + bytes });
}

void emu_memory_forget(void) {
	emu::ranges.clear();
}
