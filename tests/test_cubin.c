/* test_cubin: kernels, instruction mix and globals of two committed cubins (tests/golden/mix.cu), and damaged files.
 * `test_cubin FILE` prints what is in a cubin instead, `test_cubin --branches FILE` where its branches lead; tests/sass.sh
 * compares both with nvdisasm. */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/buf.h"
#include "attune/cubin.h"
#include "attune/fs.h"

static const struct {
	const char *path;
	int cc;
	int code_bytes; /* of mix_product */
} cubins[] = {
	{ "tests/golden/mix_sm_80.cubin", 80, 896 },
	{ "tests/golden/mix_sm_90a.cubin", 90, 1024 },
};

static void load(struct buf *b, const char *path)
{
	const char *root = getenv("ATTUNE_ROOT");
	char *full = fs_join(root ? root : ".", path);
	struct err e = { 0 };

	buf_init(b);
	ck_assert_msg(fs_read(full, b, 1 << 20, &e) == 0, "%s", e.text);
	free(full);
}

static const json_t *named(const json_t *list, const char *name)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
		if (strcmp(json_string_value(json_object_get(v, "name")), name) == 0)
			return v;
	ck_abort_msg("no %s", name);
	return NULL;
}

static long number(const json_t *v, const char *key)
{
	return (long)json_integer_value(json_object_get(v, key));
}

START_TEST(reads_kernels)
{
	struct err e = { 0 };
	const json_t *kernels, *product, *scalar, *mix;
	json_t *info;
	struct buf b;

	load(&b, cubins[_i].path);
	ck_assert_msg(cubin_read(b.data, b.len, &info, &e) == 0, "%s", e.text);
	kernels = json_object_get(info, "kernels");
	ck_assert_int_eq(number(info, "cc"), cubins[_i].cc);
	ck_assert_uint_eq(json_array_size(kernels), 2);
	product = named(kernels, "mix_product");
	scalar = named(kernels, "mix_scalar");
	ck_assert_int_eq(number(product, "code_bytes"), cubins[_i].code_bytes);
	ck_assert_int_lt(number(product, "instructions"), cubins[_i].code_bytes / 16); /* less the padding */
	mix = json_object_get(product, "mix");
	ck_assert_int_eq(number(mix, "HMMA"), 1);
	ck_assert_int_eq(number(mix, "LDSM"), 1);
	ck_assert_int_eq(number(mix, "LDGSTS"), 1);
	ck_assert_int_eq(number(mix, "STG"), 4);
	ck_assert_int_eq(number(mix, "MUFU"), 4);
	ck_assert_int_eq(number(mix, "BAR"), 1);
	ck_assert_int_eq(number(mix, "EXIT"), 1);
	ck_assert_int_eq(number(mix, "NOP"), 0);
	ck_assert_int_eq(number(mix, "other"), 0);
	mix = json_object_get(scalar, "mix");
	ck_assert_int_eq(number(mix, "SHFL"), 1);
	ck_assert_int_eq(number(mix, "RED"), 1);
	ck_assert_int_eq(number(mix, "STL"), 1);
	ck_assert_int_eq(number(mix, "LDL"), 2);
	ck_assert_int_eq(number(mix, "HMMA"), 0);
	json_decref(info);
	buf_free(&b);
}
END_TEST

START_TEST(reads_globals)
{
	const json_t *globals;
	json_t *info;
	struct buf b;

	load(&b, cubins[_i].path);
	ck_assert_int_eq(cubin_read(b.data, b.len, &info, NULL), 0);
	globals = json_object_get(info, "globals");
	ck_assert_uint_eq(json_array_size(globals), 3);
	ck_assert_int_eq(number(named(globals, "counter"), "bytes"), 4);
	ck_assert(json_is_true(json_object_get(named(globals, "counter"), "writable")));
	ck_assert_int_eq(number(named(globals, "table"), "bytes"), 16);
	ck_assert(json_is_true(json_object_get(named(globals, "table"), "writable")));
	ck_assert_int_eq(number(named(globals, "fixed"), "bytes"), 32);
	ck_assert(json_is_false(json_object_get(named(globals, "fixed"), "writable")));
	json_decref(info);
	buf_free(&b);
}
END_TEST

/* Reads a copy whose end is the end of an allocation, so that a sanitizer sees one byte too many. */
static int read_copy(const void *data, size_t len, struct err *e)
{
	static const char *const entries[] = { "mix_product", "mix_scalar" };
	char *copy = malloc(len ? len : 1);
	json_t *info = NULL;
	int rc;

	memcpy(copy, data, len);
	for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
		json_t *trace = NULL;

		rc = cubin_trace(copy, len, entries[i], 1e6, 4, &trace, NULL);
		ck_assert(rc == 0 ? trace != NULL : trace == NULL);
		json_decref(trace);
	}
	rc = cubin_read(copy, len, &info, e);
	ck_assert(rc == 0 ? info != NULL : info == NULL);
	json_decref(info);
	free(copy);
	return rc;
}

/* Every proper prefix that cuts into the section headers, which nvcc puts after the content, is an error. */
START_TEST(truncated)
{
	struct buf b;
	unsigned long long headers;

	load(&b, cubins[_i].path);
	memcpy(&headers, b.data + 40, sizeof headers); /* e_shoff */
	for (size_t len = 0; len < b.len; len += len < 256 ? 1 : 7) {
		struct err e = { 0 };
		int rc = read_copy(b.data, len, &e);

		if (len <= headers) {
			ck_assert_int_lt(rc, 0);
			ck_assert_int_eq(strncmp(e.text, "cubin: ", 7), 0);
			ck_assert_ptr_null(strchr(e.text, '\n'));
		}
	}
	buf_free(&b);
}
END_TEST

/* Whatever a byte says, nothing outside the file is read (the sanitizers see it), and failure says why. */
START_TEST(damaged)
{
	static const unsigned char values[] = { 0x00, 0x7f, 0xff };
	struct buf b;

	load(&b, cubins[_i].path);
	for (size_t at = 0; at < b.len; at++) {
		char saved = b.data[at];

		for (size_t k = 0; k < sizeof values; k++) {
			struct err e = { 0 };

			b.data[at] = (char)values[k];
			if (at % 5 == k && read_copy(b.data, b.len, &e) < 0)
				ck_assert_int_eq(strncmp(e.text, "cubin: ", 7), 0);
		}
		b.data[at] = saved;
	}
	buf_free(&b);
}
END_TEST

START_TEST(not_a_cubin)
{
	struct err e = { 0 };
	struct buf b;

	ck_assert_int_lt(read_copy("", 0, &e), 0);
	ck_assert_str_eq(e.text, "cubin: no ELF file (0 bytes)");
	load(&b, cubins[0].path);
	b.data[18] = 62; /* e_machine: x86-64 */
	err_clear(&e);
	ck_assert_int_lt(read_copy(b.data, b.len, &e), 0);
	ck_assert_str_eq(e.text, "cubin: an ELF file, but not machine code for a GPU");
	buf_free(&b);
}
END_TEST

static json_t *trace(const char *path, const char *entry, double work)
{
	struct err e = { 0 };
	json_t *t = NULL;
	struct buf b;

	load(&b, path);
	ck_assert_msg(cubin_trace(b.data, b.len, entry, work, 4, &t, &e) == 0, "%s", e.text);
	buf_free(&b);
	return t;
}

/* What nvdisasm shows of mix_product, which is straight, and of mix_scalar: a multiply-add, 64 operations of a warp, in each
 * pass of its loop, and two behind it, so that 256 multiply-adds take 254 passes. */
START_TEST(paths_of_a_warp)
{
	json_t *t = trace(cubins[_i].path, "mix_product", 4 * 4096), *once, *often;
	struct err e = { 0 };
	struct buf b;

	ck_assert_int_eq(number(t, "tensor"), 1);
	ck_assert_int_eq(number(t, "mufu"), 4);
	ck_assert_int_eq(number(t, "barrier"), 2); /* BAR and DEPBAR */
	ck_assert_int_eq(number(t, "global"), 5);  /* LDGSTS and four STG */
	ck_assert_double_eq(json_number_value(json_object_get(t, "trips")), 0);
	ck_assert_int_gt(number(t, "latency"), 700); /* it waits for a load from memory */
	ck_assert_int_lt(number(t, "latency"), 1500);
	json_decref(t);
	once = trace(cubins[_i].path, "mix_scalar", 0);
	often = trace(cubins[_i].path, "mix_scalar", 4 * 64 * 256.0);
	ck_assert_double_eq(json_number_value(json_object_get(once, "trips")), 1);
	ck_assert_double_eq(json_number_value(json_object_get(often, "trips")), 254);
	ck_assert_int_gt(number(often, "latency"), number(once, "latency") + 253 * 4);
	ck_assert_int_gt(number(often, "issued"), number(once, "issued") + 253 * 4);
	ck_assert_int_eq(number(often, "barrier"), number(once, "barrier")); /* behind the loop */
	json_decref(once);
	json_decref(often);
	load(&b, cubins[_i].path);
	ck_assert_int_lt(cubin_trace(b.data, b.len, "mix", 1, 4, &t, &e), 0);
	ck_assert_str_eq(e.text, "cubin: no kernel mix in it");
	ck_assert_ptr_null(t);
	buf_free(&b);
}
END_TEST

/* Offsets forwards and backwards, and one that leaves the code. */
START_TEST(where_branches_lead)
{
	ck_assert_int_eq(cubin_branch(0xffffff4000000947, 0x000fea000383ffff, 0x14, 80, 64), 0x9);
	ck_assert_int_eq(cubin_branch(0x0000000000488947, 0x000fea0003800000, 0x9, 90, 64), 0x1c);
	ck_assert_int_eq(cubin_branch(0x0000000000488947, 0x000fea0003800000, 0x9, 90, 0x1c), -1);
	ck_assert_int_eq(cubin_branch(0xfffffffd00cc7547, 0x000fea000b83ffff, 0x18, 120, 64), 0xc);
}
END_TEST

START_TEST(mnemonics)
{
	ck_assert_str_eq(cubin_mnemonic(0x000000100c10723cULL, 80), "HMMA");
	ck_assert_str_eq(cubin_mnemonic(0x835, 90), "HFMA2");
	ck_assert_str_eq(cubin_mnemonic(0x835, 120), "IADD");
	ck_assert_ptr_null(cubin_mnemonic(0x1ff, 90));
}
END_TEST

/* "KERNEL ADDRESS TARGET" of each branch, in bytes. */
static void print_branches(const struct buf *b, const char *kernel)
{
	const unsigned char *code;
	size_t bytes;
	int cc;

	if (cubin_code(b->data, b->len, kernel, (const void **)&code, &bytes, &cc, NULL) < 0)
		return;
	for (size_t at = 0; at < bytes; at += 16) {
		unsigned long long words[2];
		const char *mnemonic;
		long to;

		memcpy(words, code + at, sizeof words);
		mnemonic = cubin_mnemonic(words[0], cc);
		to = mnemonic && strcmp(mnemonic, "BRA") == 0 ? cubin_branch(words[0], words[1], (long)at / 16, cc, (long)bytes / 16) : -1;
		if (to >= 0)
			printf("%s %zx %lx\n", kernel, at, 16 * to);
	}
}

static int print(const char *path, bool branches)
{
	struct err e = { 0 };
	json_t *info = NULL, *v;
	const char *name;
	struct buf b;
	size_t i;
	int rc;

	buf_init(&b);
	rc = fs_read(path, &b, 1 << 26, &e);
	if (rc == 0)
		rc = cubin_read(b.data, b.len, &info, &e);
	if (rc < 0)
		fprintf(stderr, "%s\n", e.text);
	json_array_foreach(json_object_get(info, "kernels"), i, v) {
		json_t *count;

		if (branches) {
			print_branches(&b, json_string_value(json_object_get(v, "name")));
			continue;
		}
		json_object_foreach(json_object_get(v, "mix"), name, count)
			printf("%s %s %ld\n", json_string_value(json_object_get(v, "name")), name,
			       (long)json_integer_value(count));
	}
	json_decref(info);
	buf_free(&b);
	return rc < 0;
}

int main(int argc, char **argv)
{
	TCase *tc;
	Suite *suite;
	SRunner *runner;
	int failed, n = (int)(sizeof cubins / sizeof *cubins);

	if (argc == 2)
		return print(argv[1], false);
	if (argc == 3 && strcmp(argv[1], "--branches") == 0)
		return print(argv[2], true);
	tc = tcase_create("cubin");
	suite = suite_create("cubin");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, reads_kernels, 0, n);
	tcase_add_loop_test(tc, reads_globals, 0, n);
	tcase_add_loop_test(tc, truncated, 0, n);
	tcase_add_loop_test(tc, damaged, 0, n);
	tcase_add_test(tc, not_a_cubin);
	tcase_add_loop_test(tc, paths_of_a_warp, 0, n);
	tcase_add_test(tc, where_branches_lead);
	tcase_add_test(tc, mnemonics);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
