/* fs: whole-file reads with a bound, atomic writes, folders. No path is ever passed to a shell. */
#ifndef ATTUNE_FS_H
#define ATTUNE_FS_H
#include <stdbool.h>
#include <stddef.h>
#include "attune/buf.h"
#include "attune/err.h"

/* Appends a file's bytes to out; more than max_bytes is an error that names the file. "-" is not special. */
int fs_read(const char *path, struct buf *out, size_t max_bytes, struct err *e);
/* The same through gzip when the name ends in .gz (zlib); max_bytes bounds the unpacked size. */
int fs_read_gz(const char *path, struct buf *out, size_t max_bytes, struct err *e);
/* Writes a temporary file in the same folder, syncs it, renames it over path, syncs the folder. Either the old content
 * or the new one is there at any moment; on failure the old one is, and the temporary is gone. */
int fs_write_atomic(const char *path, const void *data, size_t len, struct err *e);
/* mkdir -p. */
int fs_mkdirs(const char *path, struct err *e);
/* rm -r of a tree below a folder; does not follow links; a missing path is no error. */
int fs_remove_tree(const char *path, struct err *e);
bool fs_exists(const char *path);
/* a "/" b, malloc'ed. */
char *fs_join(const char *a, const char *b);

#endif
