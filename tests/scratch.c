/* scratch: see scratch.h. Tests run in forks, so what is left at file scope belongs to one test. */
#include "scratch.h"
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_folder[256];

/* A name for mkdtemp and mkostemp, which want six X at its end and put something unique in their place. */
static void scratch_template(char *path, size_t size)
{
	const char *tmp = getenv("TMPDIR");
	const int n = snprintf(path, size, "%s/attune-test.XXXXXX", tmp && *tmp ? tmp : "/tmp");

	ck_assert_int_lt(n, (int)size);
}

void scratch_new_folder(char *path, size_t size)
{
	scratch_template(path, size);
	ck_assert_ptr_nonnull(mkdtemp(path));
}

int scratch_new_file(char *path, size_t size)
{
	int fd;

	scratch_template(path, size);
	fd = mkostemp(path, O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

void scratch_make(void)
{
	scratch_new_folder(scratch_folder, sizeof(scratch_folder));
	/* A test that gives up root still has to reach it. */
	ck_assert_int_eq(chmod(scratch_folder, 0777), 0);
}

static int scratch_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void scratch_remove(void)
{
	nftw(scratch_folder, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_path(const char *name)
{
	/* Kept reachable, so that the leak checker speaks only of the code under test. */
	static char *paths[256];
	static size_t used;
	char **path = &paths[used++ % 256];

	free(*path);
	ck_assert_int_gt(asprintf(path, "%s/%s", scratch_folder, name), 0);
	return *path;
}

void scratch_write(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

bool scratch_drop_root(void)
{
	if (geteuid())
		return true;
	return !setgroups(0, NULL) && !setgid(65534) && !setuid(65534);
}

int scratch_run(const char *suite, TCase *cases)
{
	Suite *s = suite_create(suite);
	SRunner *runner;
	int failed;

	suite_add_tcase(s, cases);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
