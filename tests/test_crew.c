/* crew: every part is done once; copies and comparisons of lengths around those where parts and threads begin; one CPU does all. */
#include "attune/crew.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "scratch.h"

enum { PARTS = 1000 };

static void count_part(void *arg, size_t i)
{
	atomic_fetch_add((atomic_int *)arg + i, 1);
}

static void each_once(size_t parts)
{
	static atomic_int done[PARTS + 1];

	for (size_t i = 0; i <= PARTS; i++)
		atomic_init(&done[i], 0);
	crew_run(count_part, done, parts);
	for (size_t i = 0; i <= PARTS; i++)
		ck_assert_int_eq(atomic_load(&done[i]), i < parts);
}

START_TEST(parts)
{
	ck_assert_int_ge(crew_size(), 1);
	ck_assert_int_le(crew_size(), CREW_MAX);
	for (int round = 0; round < 20; round++) {
		each_once(PARTS);
		each_once(2);
		each_once(1);
		each_once(0);
	}
}
END_TEST

START_TEST(one_cpu)
{
	cpu_set_t before, one;
	int first = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
	while (!CPU_ISSET(first, &before))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
	ck_assert_int_eq(crew_size(), 1);
	each_once(PARTS);
	ck_assert_int_eq(sched_setaffinity(0, sizeof before, &before), 0);
}
END_TEST

START_TEST(copies)
{
	static const size_t around[] = { 0, 1, 4095, CREW_PART_BYTES, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, (9 << 20) + 77 };
	const size_t n = around[sizeof around / sizeof *around - 1];
	unsigned char *a = malloc(n), *b = malloc(n + 1);
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++)
		a[i] = (unsigned char)((x = x * 1664525 + 1013904223) >> 24);
	for (size_t k = 0; k < sizeof around / sizeof *around; k++) {
		const size_t m = around[k];

		memset(b, 0x5a, n + 1);
		crew_copy(b, a, m);
		ck_assert(memcmp(a, b, m) == 0);
		ck_assert_int_eq(b[m], 0x5a);
		ck_assert(crew_equal(a, b, m));
		/* The first and the last byte of every part. */
		for (size_t at = 0; at < m; at += CREW_PART_BYTES) {
			const size_t last = at + CREW_PART_BYTES < m ? at + CREW_PART_BYTES - 1 : m - 1;

			b[at] ^= 1;
			ck_assert(!crew_equal(a, b, m));
			b[at] ^= 1;
			b[last] ^= 1;
			ck_assert(!crew_equal(a, b, m));
			b[last] ^= 1;
		}
		ck_assert(crew_equal(a, b, m));
	}
	free(a);
	free(b);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("crew");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, parts);
	tcase_add_test(c, one_cpu);
	tcase_add_test(c, copies);
	return scratch_run("crew", c);
}
