/* hash: SHA-256 (FIPS 180-4, through libmd) as lower-case hex, and CRC-32 (through zlib) for journal lines. */
#ifndef ATTUNE_HASH_H
#define ATTUNE_HASH_H
#include <stddef.h>
#include <stdint.h>
#include "attune/err.h"

#define HASH_HEX 65 /* 64 digits and a NUL */

void hash_bytes(char hex[HASH_HEX], const void *data, size_t len);
/* Hash of a file's content. */
int hash_file(char hex[HASH_HEX], const char *path, struct err *e);
/* Several parts, each prefixed by its length so that moving a boundary changes the hash. */
void hash_parts(char hex[HASH_HEX], size_t n, const void *const *parts, const size_t *lens);
uint32_t hash_crc32(const void *data, size_t len);

#endif
