/* fs: whole files in, whole files out, folders made and removed.
 * Does not watch, lock or map files. A write goes to a temporary file in the target's folder, which is synced and
 * renamed over the target; the folder is synced last, so the change also outlives a power cut. */
#include "attune/fs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static int fs_too_large(const char *path, size_t max_bytes, struct err *e)
{
	return err_set_code(e, ERR_LIMIT, "%s: larger than the %zu bytes allowed here", path, max_bytes);
}

int fs_read(const char *path, struct buf *out, size_t max_bytes, struct err *e)
{
	size_t start = out->len;
	struct stat st;
	int fd, rc = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "%s", path);
	if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
		if ((uint64_t)st.st_size > max_bytes) {
			rc = fs_too_large(path, max_bytes, e);
			goto out;
		}
		buf_reserve(out, (size_t)st.st_size + 1);
	}
	for (;;) {
		ssize_t n;

		/* One byte beyond the bound tells a file that has just that size from a larger one. */
		size_t room = max_bytes - (out->len - start) + 1;

		room = room && room < 65536 ? room : 65536;
		buf_reserve(out, room);
		n = read(fd, out->data + out->len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = err_sys(e, "%s: cannot be read", path);
			break;
		}
		if (n == 0)
			break;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (out->len - start > max_bytes) {
			rc = fs_too_large(path, max_bytes, e);
			break;
		}
	}
out:
	close(fd);
	if (rc) {
		out->len = start;
		if (out->data)
			out->data[start] = '\0';
	}
	return rc;
}

int fs_read_gz(const char *path, struct buf *out, size_t max_bytes, struct err *e)
{
	size_t start = out->len, len = strlen(path);
	char chunk[1 << 16];
	gzFile gz;
	int fd, n, rc = 0;

	if (len < 3 || strcmp(path + len - 3, ".gz"))
		return fs_read(path, out, max_bytes, e);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "%s", path);
	gz = gzdopen(fd, "rb");
	if (!gz) {
		close(fd);
		return err_set(e, "%s: out of memory", path);
	}
	while ((n = gzread(gz, chunk, sizeof(chunk))) > 0) {
		if (out->len - start + (size_t)n > max_bytes) {
			rc = fs_too_large(path, max_bytes, e);
			break;
		}
		buf_add(out, chunk, (size_t)n);
	}
	/* zlib hands a file that is not gzip's through as it is, and a cut one without an error from gzread. */
	if (!rc && gzdirect(gz))
		rc = err_set(e, "%s: not a gzip file", path);
	else if (!rc && n < 0)
		rc = err_set(e, "%s: damaged gzip file", path);
	if (gzclose(gz) != Z_OK && !rc)
		rc = err_set(e, "%s: gzip file cut short", path);
	if (rc) {
		out->len = start;
		if (out->data)
			out->data[start] = '\0';
	}
	return rc;
}

static int fs_write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Creates path.tmp.<random>, malloc'ed into *name. Not mkstemp: the umask shall rule the mode, as for any new file. */
static int fs_temporary(const char *path, char **name)
{
	for (int tries = 0; tries < 100; tries++) {
		struct buf b = {0};
		uint32_t r = 0;
		int fd;

		if (getrandom(&r, sizeof(r), 0) < 0)
			r = (uint32_t)getpid() * 2654435761u + (uint32_t)tries;
		buf_addf(&b, "%s.tmp.%08x", path, r);
		fd = open(buf_text(&b), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0 || errno != EEXIST) {
			*name = buf_take(&b);
			return fd;
		}
		buf_free(&b);
	}
	*name = NULL;
	return -1;
}

int fs_write_atomic(const char *path, const void *data, size_t len, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == path ? strdup("/") : slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	char *name = NULL;
	int fd = -1, dir = -1, rc = 0;
	struct stat st;

	if (!folder)
		abort();
	fd = fs_temporary(path, &name);
	if (fd < 0) {
		rc = err_sys(e, "%s: cannot be written", path);
		free(name);
		name = NULL;
		goto out;
	}
	/* An existing file's mode is kept; failing at that is no reason not to write. */
	if (!stat(path, &st) && S_ISREG(st.st_mode) && fchmod(fd, st.st_mode & 0777))
		errno = 0;
	if (fs_write_all(fd, data, len) || fsync(fd)) {
		rc = err_sys(e, "%s: cannot be written", path);
		goto out;
	}
	if (close(fd)) {
		fd = -1;
		rc = err_sys(e, "%s: cannot be written", path);
		goto out;
	}
	fd = -1;
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rename(name, path)) {
		rc = err_sys(e, "%s: cannot be replaced", path);
		goto out;
	}
	free(name);
	name = NULL;
	/* A folder that cannot be opened or synced (some network file systems) leaves only the power cut uncovered. */
	if (dir >= 0 && fsync(dir) && errno == EIO)
		rc = err_sys(e, "%s: written, but its folder cannot be synced", path);
out:
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	if (name)
		unlink(name);
	free(name);
	free(folder);
	return rc;
}

int fs_mkdirs(const char *path, struct err *e)
{
	char *copy = strdup(path);
	struct stat st;
	int rc = 0;

	if (!copy)
		abort();
	for (char *p = copy + (*copy == '/'); !rc; p++) {
		char old = *p;

		if (old && old != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0777)) {
			int cause = errno;

			if (stat(copy, &st) || !S_ISDIR(st.st_mode)) {
				errno = cause == EEXIST ? ENOTDIR : cause;
				rc = err_sys(e, "%s: folder cannot be made", copy);
			}
		}
		*p = old;
		while (p[0] == '/' && p[1] == '/')
			p++;
		if (!*p || !p[1])
			break;
	}
	free(copy);
	return rc;
}

/* Removes name below the folder at; the path is for messages only. */
static int fs_remove_at(int at, const char *name, const char *path, struct err *e)
{
	struct dirent *entry;
	int fd, rc = 0;
	DIR *dir;

	if (!unlinkat(at, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, "%s: cannot be removed", path);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		rc = err_sys(e, "%s: cannot be removed", path);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (!rc && (errno = 0, entry = readdir(dir))) {
		char *below;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		below = fs_join(path, entry->d_name);
		rc = fs_remove_at(fd, entry->d_name, below, e);
		free(below);
	}
	if (!rc && errno)
		rc = err_sys(e, "%s: cannot be listed", path);
	closedir(dir);
	if (!rc && unlinkat(at, name, AT_REMOVEDIR) && errno != ENOENT)
		rc = err_sys(e, "%s: cannot be removed", path);
	return rc;
}

int fs_remove_tree(const char *path, struct err *e)
{
	return fs_remove_at(AT_FDCWD, path, path, e);
}

bool fs_exists(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

char *fs_join(const char *a, const char *b)
{
	size_t len = strlen(a);
	struct buf out = {0};

	buf_adds(&out, a);
	if (len && a[len - 1] != '/')
		buf_addc(&out, '/');
	buf_adds(&out, b);
	return buf_take(&out);
}
