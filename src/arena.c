/* arena: a sealed memfd mapped by the judge and by one child. A private one is excluded from later forks, which is how
 * the oracle's answers stay out of the GPU child's address space. */
#include "attune/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int arena_open(struct arena *a, bool private, struct err *e)
{
	*a = (struct arena){ .fd = memfd_create("attune", MFD_CLOEXEC | MFD_ALLOW_SEALING), .private = private };
	if (a->fd < 0)
		return err_sys(e, "memfd_create");
	if (fcntl(a->fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return err_sys(e, "sealing shared memory");
	return 0;
}

static int map(struct arena *a, size_t size, struct err *e)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);

	if (base == MAP_FAILED)
		return err_sys(e, "mapping %zu bytes of shared memory", size);
	if (a->private && madvise(base, size, MADV_DONTFORK) < 0) {
		munmap(base, size);
		return err_sys(e, "madvise");
	}
	if (a->base)
		munmap(a->base, a->size);
	a->base = base;
	a->size = size;
	return 0;
}

int arena_grow(struct arena *a, size_t size, struct err *e)
{
	if (size <= a->size)
		return 0;
	size = (size + 0xfffff) & ~(size_t)0xfffff;
	if (ftruncate(a->fd, (off_t)size) < 0)
		return err_sys(e, "growing shared memory to %zu bytes", size);
	return map(a, size, e);
}

int arena_map(struct arena *a, int fd, size_t size, struct err *e)
{
	a->fd = fd;
	return size == a->size && a->base ? 0 : map(a, size, e);
}

void arena_close(struct arena *a)
{
	if (a->base)
		munmap(a->base, a->size);
	if (a->fd >= 0)
		close(a->fd);
	*a = (struct arena){ .fd = -1 };
}
