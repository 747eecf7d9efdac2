/* hash: SHA-256 through libmd and CRC-32 through zlib, with our conventions for hex and for several parts.
 * Implements neither algorithm. */
#include "attune/hash.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sha2.h>
#include <unistd.h>
#include <zlib.h>

static void hash_hex(char hex[HASH_HEX], SHA2_CTX *ctx)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256Final(digest, ctx);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

void hash_bytes(char hex[HASH_HEX], const void *data, size_t len)
{
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	if (len)
		SHA256Update(&ctx, data, len);
	hash_hex(hex, &ctx);
}

int hash_file(char hex[HASH_HEX], const char *path, struct err *e)
{
	uint8_t chunk[1 << 16];
	SHA2_CTX ctx;
	ssize_t n;
	int fd, rc = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "%s", path);
	SHA256Init(&ctx);
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n > 0) {
			SHA256Update(&ctx, chunk, (size_t)n);
		} else if (errno != EINTR) {
			rc = err_sys(e, "%s: cannot be read", path);
			break;
		}
	}
	close(fd);
	if (!rc)
		hash_hex(hex, &ctx);
	return rc;
}

void hash_parts(char hex[HASH_HEX], size_t n, const void *const *parts, const size_t *lens)
{
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	for (size_t i = 0; i < n; i++) {
		uint8_t prefix[8];

		for (int b = 0; b < 8; b++)
			prefix[b] = (uint8_t)((uint64_t)lens[i] >> (8 * b));
		SHA256Update(&ctx, prefix, sizeof(prefix));
		if (lens[i])
			SHA256Update(&ctx, parts[i], lens[i]);
	}
	hash_hex(hex, &ctx);
}

uint32_t hash_crc32(const void *data, size_t len)
{
	return len ? (uint32_t)crc32_z(0, data, len) : 0;
}
