/* hash: the published answers of SHA-256 (FIPS 180-4, NIST's examples) and CRC-32 (ISO 3309), files, and parts. */
#include <stdlib.h>
#include <string.h>
#include "attune/hash.h"
#include "scratch.h"

static const struct {
	const char *text, *sha256;
	uint32_t crc;
} known[] = {
	{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0},
	{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 0x352441c2},
	{"123456789", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225", 0xcbf43926},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", 0x171a3f5f},
};

START_TEST(known_answers)
{
	char hex[HASH_HEX];

	hash_bytes(hex, known[_i].text, strlen(known[_i].text));
	ck_assert_str_eq(hex, known[_i].sha256);
	ck_assert_uint_eq(hash_crc32(known[_i].text, strlen(known[_i].text)), known[_i].crc);
	scratch_write(scratch_path("f"), known[_i].text, strlen(known[_i].text));
	memset(hex, 0, sizeof(hex));
	ck_assert_int_eq(hash_file(hex, scratch_path("f"), NULL), 0);
	ck_assert_str_eq(hex, known[_i].sha256);
}
END_TEST

START_TEST(million_a)
{
	static const char answer[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
	char hex[HASH_HEX], *a = malloc(1000000);

	memset(a, 'a', 1000000);
	hash_bytes(hex, a, 1000000);
	ck_assert_str_eq(hex, answer);
	scratch_write(scratch_path("a"), a, 1000000);
	ck_assert_int_eq(hash_file(hex, scratch_path("a"), NULL), 0);
	ck_assert_str_eq(hex, answer);
	free(a);
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
	char hex[HASH_HEX] = "kept";
	struct err e = {0};

	ck_assert_int_lt(hash_file(hex, scratch_path("none"), &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "/none: No such file"));
	err_clear(&e);
	ck_assert_int_lt(hash_file(hex, scratch_path(""), &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "directory"));
	ck_assert_str_eq(hex, "kept");
}
END_TEST

/* Every way to cut a text into two or three parts has a hash of its own. */
START_TEST(parts_know_their_boundaries)
{
	static const char text[] = "aaaaaaaa";
	char seen[64][HASH_HEX];
	size_t n = 0;

	for (size_t i = 0; i <= 8; i++) {
		const void *two[] = {text, text + i};

		hash_parts(seen[n++], 2, two, (size_t[]){i, 8 - i});
		for (size_t k = i; k <= 8; k++) {
			const void *three[] = {text, text + i, text + k};

			if (n < 64)
				hash_parts(seen[n++], 3, three, (size_t[]){i, k - i, 8 - k});
		}
	}
	ck_assert_uint_eq(n, 54);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(seen[i], seen[k]);
}
END_TEST

/* The prefix is eight little-endian bytes, on every machine. */
START_TEST(parts_by_hand)
{
	char parts[HASH_HEX], whole[HASH_HEX];
	const void *two[] = {"abc", NULL};

	hash_parts(parts, 2, two, (size_t[]){3, 0});
	hash_bytes(whole, "\3\0\0\0\0\0\0\0abc\0\0\0\0\0\0\0\0", 19);
	ck_assert_str_eq(parts, whole);
	{
		char text[308] = "\x2c\1";
		const void *one[] = {text + 8};

		hash_parts(parts, 1, one, (size_t[]){300});
		hash_bytes(whole, text, 308);
		ck_assert_str_eq(parts, whole);
	}
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("hash");

	tcase_add_checked_fixture(c, scratch_make, scratch_remove);
	tcase_add_loop_test(c, known_answers, 0, sizeof(known) / sizeof(known[0]));
	tcase_add_test(c, million_a);
	tcase_add_test(c, files_that_cannot_be_read);
	tcase_add_test(c, parts_know_their_boundaries);
	tcase_add_test(c, parts_by_hand);
	return scratch_run("hash", c);
}
