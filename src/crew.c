/* crew: threads that take the next part of a piece of work until none is left. The caller is one of them. */
#include "attune/crew.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

struct crew {
	void (*work)(void *arg, size_t i);
	void *arg;
	size_t parts;
	atomic_size_t next;
};

int crew_size(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof set, &set) < 0)
		return 1;
	n = CPU_COUNT(&set);
	return n > CREW_MAX ? CREW_MAX : n > 1 ? n : 1;
}

static void *take_parts(void *arg)
{
	struct crew *c = arg;

	for (size_t i = atomic_fetch_add(&c->next, 1); i < c->parts; i = atomic_fetch_add(&c->next, 1))
		c->work(c->arg, i);
	return NULL;
}

void crew_run(void (*work)(void *arg, size_t i), void *arg, size_t parts)
{
	struct crew c = { .work = work, .arg = arg, .parts = parts };
	const size_t size = parts > 1 ? (size_t)crew_size() : 1;
	pthread_t threads[CREW_MAX];
	sigset_t all, before;
	size_t n = 0;

	atomic_init(&c.next, 0);
	/* Signals are the caller's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (n + 1 < size && n + 1 < parts && pthread_create(&threads[n], NULL, take_parts, &c) == 0)
		n++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	take_parts(&c);
	while (n > 0)
		pthread_join(threads[--n], NULL);
}

/* Below, starting threads takes as long as what they would do. */
enum { LONE_BYTES = 4 << 20 };

struct stretch {
	char *to;
	const char *a, *b;
	size_t bytes;
	atomic_bool differ;
};

static size_t part_bytes(const struct stretch *s, size_t i)
{
	const size_t left = s->bytes - i * CREW_PART_BYTES;

	return left < CREW_PART_BYTES ? left : CREW_PART_BYTES;
}

static size_t parts_of(size_t bytes)
{
	return (bytes + CREW_PART_BYTES - 1) / CREW_PART_BYTES;
}

static void copy_part(void *arg, size_t i)
{
	const struct stretch *s = arg;

	memcpy(s->to + i * CREW_PART_BYTES, s->a + i * CREW_PART_BYTES, part_bytes(s, i));
}

void crew_copy(void *to, const void *from, size_t bytes)
{
	struct stretch s = { .to = to, .a = from, .bytes = bytes };

	if (bytes < LONE_BYTES)
		memcpy(to, from, bytes);
	else
		crew_run(copy_part, &s, parts_of(bytes));
}

static void compare_part(void *arg, size_t i)
{
	struct stretch *s = arg;

	if (!atomic_load(&s->differ) && memcmp(s->a + i * CREW_PART_BYTES, s->b + i * CREW_PART_BYTES, part_bytes(s, i)) != 0)
		atomic_store(&s->differ, true);
}

bool crew_equal(const void *a, const void *b, size_t bytes)
{
	struct stretch s = { .a = a, .b = b, .bytes = bytes };

	if (bytes < LONE_BYTES)
		return memcmp(a, b, bytes) == 0;
	atomic_init(&s.differ, false);
	crew_run(compare_part, &s, parts_of(bytes));
	return !atomic_load(&s.differ);
}
