/* fs: bounds, gzip, what a failed write leaves behind, folders and links. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "attune/fs.h"
#include "scratch.h"

static int entries(const char *folder)
{
	DIR *d = opendir(folder);
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void holds(const char *path, const void *data, size_t len)
{
	struct buf b = {0};

	ck_assert_int_eq(fs_read(path, &b, 1 << 24, NULL), 0);
	ck_assert_uint_eq(b.len, len);
	ck_assert_int_eq(memcmp(buf_text(&b), data, len), 0);
	buf_free(&b);
}

START_TEST(reading_is_bounded)
{
	static char data[200000];
	static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 200000};
	const char *path = scratch_path("f");

	memset(data, 7, sizeof(data));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct buf b = {0};
		struct err e = {0};
		size_t n = sizes[i];

		scratch_write(path, data, n);
		buf_adds(&b, "before");
		ck_assert_int_eq(fs_read(path, &b, n, &e), 0);
		ck_assert_uint_eq(b.len, 6 + n);
		ck_assert_int_eq(memcmp(b.data + 6, data, n), 0);
		ck_assert_int_eq(b.data[b.len], 0);
		if (n) {
			ck_assert_int_eq(fs_read(path, &b, n - 1, &e), ERR_LIMIT);
			ck_assert_ptr_nonnull(strstr(e.text, path));
			ck_assert_uint_eq(b.len, 6 + n);
		}
		ck_assert_int_eq(fs_read(path, &b, SIZE_MAX, NULL), 0);
		buf_free(&b);
	}
}
END_TEST

/* A device tells no size beforehand. */
START_TEST(reading_without_a_size)
{
	struct buf b = {0};
	struct err e = {0};

	ck_assert_int_eq(fs_read("/dev/zero", &b, 100000, &e), ERR_LIMIT);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_uint_lt(b.cap, 1 << 20);
	ck_assert_int_eq(fs_read("/dev/null", &b, 0, NULL), 0);
	err_clear(&e);
	ck_assert_int_lt(fs_read(scratch_path("none"), &b, 10, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "/none: No such file"));
	err_clear(&e);
	ck_assert_int_lt(fs_read(scratch_path(""), &b, 10, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "directory"));
	buf_free(&b);
}
END_TEST

START_TEST(gzip)
{
	const char *path = scratch_path("f.gz");
	static char data[300000], packed[400000];
	struct buf b = {0};
	struct err e = {0};
	ssize_t len;
	gzFile gz;
	int fd;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * i >> 7);
	gz = gzopen(path, "wb");
	ck_assert_int_eq(gzwrite(gz, data, sizeof(data)), sizeof(data));
	gzclose(gz);
	ck_assert_int_eq(fs_read_gz(path, &b, sizeof(data), &e), 0);
	ck_assert_uint_eq(b.len, sizeof(data));
	ck_assert_int_eq(memcmp(b.data, data, sizeof(data)), 0);
	buf_clear(&b);
	ck_assert_int_eq(fs_read_gz(path, &b, sizeof(data) - 1, &e), ERR_LIMIT);
	ck_assert_uint_eq(b.len, 0);

	/* Cut anywhere, or with one byte changed, it is never taken for whole. */
	fd = open(path, O_RDONLY);
	len = read(fd, packed, sizeof(packed));
	close(fd);
	for (ssize_t cut = 0; cut < len; cut += 1 + len / 40) {
		scratch_write(path, packed, (size_t)cut);
		err_clear(&e);
		ck_assert_int_lt(fs_read_gz(path, &b, sizeof(data), &e), 0);
		ck_assert_ptr_nonnull(strstr(e.text, path));
		ck_assert_uint_eq(b.len, 0);
	}
	packed[len / 2] ^= 1;
	scratch_write(path, packed, (size_t)len);
	ck_assert_int_lt(fs_read_gz(path, &b, sizeof(data) * 2, NULL), 0);
	ck_assert_uint_eq(b.len, 0);
	scratch_write(path, "plain text", 10);
	err_clear(&e);
	ck_assert_int_lt(fs_read_gz(path, &b, 100, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "not a gzip file"));
	/* Another name is read as it is. */
	scratch_write(scratch_path("f"), "plain text", 10);
	ck_assert_int_eq(fs_read_gz(scratch_path("f"), &b, 100, NULL), 0);
	ck_assert_str_eq(buf_text(&b), "plain text");
	ck_assert_int_lt(fs_read_gz(scratch_path("none.gz"), &b, 100, NULL), 0);
	buf_free(&b);
}
END_TEST

START_TEST(writing)
{
	const char *path = scratch_path("f");
	struct stat st;

	umask(022);
	ck_assert_int_eq(fs_write_atomic(path, "one", 3, NULL), 0);
	holds(path, "one", 3);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0644);
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(fs_write_atomic(path, "", 0, NULL), 0);
	holds(path, "", 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(entries(scratch_path("")), 1);
	/* A name without a folder, and one in the root folder. */
	ck_assert_int_eq(chdir(scratch_path("")), 0);
	ck_assert_int_eq(fs_write_atomic("bare", "b", 1, NULL), 0);
	holds(scratch_path("bare"), "b", 1);
}
END_TEST

START_TEST(failed_writes_leave_the_old_file)
{
	const char *folder = scratch_path("d"), *path = scratch_path("d/f");
	struct err e = {0};

	ck_assert_int_eq(mkdir(folder, 0777), 0);
	scratch_write(path, "old", 3);
	ck_assert_int_eq(chmod(folder, 0555), 0);
	ck_assert(scratch_drop_root());
	ck_assert_int_lt(fs_write_atomic(path, "new", 3, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, path));
	ck_assert_ptr_nonnull(strstr(e.text, "Permission denied"));
	holds(path, "old", 3);
	ck_assert_int_eq(entries(folder), 1);
}
END_TEST

START_TEST(full_disk_leaves_the_old_file)
{
	static char data[1 << 20];
	const char *path = scratch_path("f");
	struct rlimit limit = {.rlim_cur = 100000, .rlim_max = 100000};
	struct err e = {0};

	scratch_write(path, "old", 3);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_lt(fs_write_atomic(path, data, sizeof(data), &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "File too large"));
	holds(path, "old", 3);
	ck_assert_int_eq(entries(scratch_path("")), 1);
	ck_assert_int_eq(fs_write_atomic(path, data, 100000, NULL), 0);
}
END_TEST

START_TEST(writes_that_cannot_be)
{
	struct err e = {0};

	ck_assert_int_lt(fs_write_atomic(scratch_path("no/f"), "x", 1, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "No such file"));
	err_clear(&e);
	ck_assert_int_eq(mkdir(scratch_path("d"), 0777), 0);
	ck_assert_int_lt(fs_write_atomic(scratch_path("d"), "x", 1, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "irectory"));
	ck_assert_int_eq(entries(scratch_path("")), 1);
}
END_TEST

/* A reader that opens the file again and again sees one whole content or the other. */
START_TEST(readers_see_one_content_or_the_other)
{
	static char a[50000], b[70000];
	const char *path = scratch_path("f");
	pid_t writer;
	int seen = 0;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	ck_assert_int_eq(fs_write_atomic(path, a, sizeof(a), NULL), 0);
	writer = fork();
	if (!writer) {
		for (;;) {
			fs_write_atomic(path, b, sizeof(b), NULL);
			fs_write_atomic(path, a, sizeof(a), NULL);
		}
	}
	for (int i = 0; i < 2000 || (seen != 3 && i < 1000000); i++) {
		struct buf got = {0};

		ck_assert_int_eq(fs_read(path, &got, 1 << 20, NULL), 0);
		ck_assert(got.len == sizeof(a) || got.len == sizeof(b));
		ck_assert_int_eq(memcmp(got.data, got.len == sizeof(a) ? a : b, got.len), 0);
		seen |= got.len == sizeof(a) ? 1 : 2;
		buf_free(&got);
	}
	kill(writer, SIGKILL);
	ck_assert_int_eq(seen, 3);
}
END_TEST

START_TEST(folders)
{
	struct err e = {0};

	ck_assert_int_eq(fs_mkdirs(scratch_path("a/b//c/"), NULL), 0);
	ck_assert_int_eq(fs_mkdirs(scratch_path("a/b/c"), NULL), 0);
	ck_assert(fs_exists(scratch_path("a/b/c")));
	ck_assert_int_eq(fs_mkdirs("/", NULL), 0);
	ck_assert_int_eq(fs_mkdirs(".", NULL), 0);
	ck_assert_int_eq(chdir(scratch_path("a")), 0);
	ck_assert_int_eq(fs_mkdirs("x/y", NULL), 0);
	ck_assert(fs_exists(scratch_path("a/x/y")));
	scratch_write(scratch_path("file"), "", 0);
	ck_assert_int_lt(fs_mkdirs(scratch_path("file/sub"), &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "/file: folder cannot be made: Not a directory"));
	ck_assert_int_lt(fs_mkdirs("", NULL), 0);
	ck_assert_int_eq(chmod(scratch_path("a"), 0555), 0);
	ck_assert(scratch_drop_root());
	err_clear(&e);
	ck_assert_int_lt(fs_mkdirs(scratch_path("a/new/deep"), &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "/a/new: folder cannot be made: Permission denied"));
}
END_TEST

START_TEST(removing)
{
	struct err e = {0};

	ck_assert_int_eq(fs_mkdirs(scratch_path("t/a/b"), NULL), 0);
	ck_assert_int_eq(fs_mkdirs(scratch_path("kept/in"), NULL), 0);
	scratch_write(scratch_path("kept/f"), "x", 1);
	scratch_write(scratch_path("t/f"), "x", 1);
	scratch_write(scratch_path("t/a/b/.hidden"), "x", 1);
	ck_assert_int_eq(symlink(scratch_path("kept"), scratch_path("t/a/link")), 0);
	ck_assert_int_eq(symlink("/nowhere", scratch_path("t/dangling")), 0);
	ck_assert(!fs_exists(scratch_path("t/dangling")));
	ck_assert_int_eq(fs_remove_tree(scratch_path("t"), NULL), 0);
	ck_assert(!fs_exists(scratch_path("t")));
	holds(scratch_path("kept/f"), "x", 1);
	ck_assert_int_eq(fs_remove_tree(scratch_path("t"), NULL), 0);
	/* A link that is named itself goes, what it names stays. */
	ck_assert_int_eq(symlink(scratch_path("kept"), scratch_path("link")), 0);
	ck_assert_int_eq(fs_remove_tree(scratch_path("link"), NULL), 0);
	ck_assert(fs_exists(scratch_path("kept/in")));
	ck_assert_int_eq(fs_remove_tree(scratch_path("kept/f"), NULL), 0);
	ck_assert_int_eq(chmod(scratch_path("kept"), 0555), 0);
	ck_assert(scratch_drop_root());
	ck_assert_int_lt(fs_remove_tree(scratch_path("kept"), &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "/kept/in: cannot be removed: Permission denied"));
}
END_TEST

START_TEST(joining)
{
	static const char *const cases[][3] = {
		{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}, {"a", "", "a/"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *got = fs_join(cases[i][0], cases[i][1]);

		ck_assert_str_eq(got, cases[i][2]);
		free(got);
	}
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("fs");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, scratch_make, scratch_remove);
	tcase_add_test(c, reading_is_bounded);
	tcase_add_test(c, reading_without_a_size);
	tcase_add_test(c, gzip);
	tcase_add_test(c, writing);
	tcase_add_test(c, failed_writes_leave_the_old_file);
	tcase_add_test(c, full_disk_leaves_the_old_file);
	tcase_add_test(c, writes_that_cannot_be);
	tcase_add_test(c, readers_see_one_content_or_the_other);
	tcase_add_test(c, folders);
	tcase_add_test(c, removing);
	tcase_add_test(c, joining);
	return scratch_run("fs", c);
}
