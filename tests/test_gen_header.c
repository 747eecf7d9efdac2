/* test_gen_header: headers of one and of several entries against their golden files, and what no header may hold.
 * `test_gen_header DESCRIPTIONS IMAGE` prints one instead (tests/downstream.sh, and to renew tests/golden: IMAGE is then -). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/fs.h"
#include "attune/gen.h"
#include "gen_internal.h"

static const char *repository(void)
{
	const char *path = getenv("ATTUNE_ROOT");

	return path ? path : ".";
}

static void read_golden(struct buf *out, const char *name)
{
	char *path = fs_join(repository(), name);
	struct err e = { 0 };

	buf_init(out);
	ck_assert_msg(fs_read(path, out, 1 << 24, &e) == 0, "%s", e.text);
	free(path);
}

/* --- header ------------------------------------------------------------------------------------------------------- */

static json_t *description(const char *name)
{
	char *path = fs_join(repository(), name);
	json_error_t why;
	json_t *v = json_load_file(path, 0, &why);

	/* Also called where no test runs, so without Check. */
	if (!v) {
		fprintf(stderr, "%s: %s\n", path, why.text);
		abort();
	}
	free(path);
	return v;
}

/* A stand-in for machine code: its bytes are only looked at by hash and by the array of words. */
static void fill_image(unsigned char *image, size_t len)
{
	for (size_t i = 0; i < len; i++)
		image[i] = (unsigned char)(i % 96 < 32 ? 0 : i * 37 + (i >> 8));
}

static void replace(json_t *v, const char *path, json_t *by)
{
	char *copy = strdup(path), *save = NULL;

	for (char *key = strtok_r(copy, ".", &save), *next; key; key = next) {
		next = strtok_r(NULL, ".", &save);
		if (json_is_array(v)) {
			if (!next)
				json_array_set_new(v, (size_t)atol(key), by);
			v = json_array_get(v, (size_t)atol(key));
		} else {
			if (!next)
				json_object_set_new(v, key, by);
			v = json_object_get(v, key);
		}
	}
	free(copy);
}

/* The entries of a golden file: one description, or a list of {"name", "base": a description, "set": {path: value}}. */
struct entries {
	struct gen_entry list[16];
	json_t *headers[16];
	unsigned char image[4099];
	size_t n;
};

static void open_entries(struct entries *s, const char *name)
{
	json_t *d = description(name), *item, *by;
	const char *path;
	size_t i;

	memset(s, 0, sizeof *s);
	fill_image(s->image, sizeof s->image);
	if (json_is_object(d)) {
		s->headers[s->n] = json_incref(d);
		s->list[s->n++].name = "seed_sm_90a";
	}
	for (i = 0; json_is_array(d) && i < json_array_size(d); i++) {
		item = json_array_get(d, i);
		s->headers[i] = description(gen_str(item, "base"));
		json_object_foreach(json_object_get(item, "set"), path, by)
			replace(s->headers[i], path, json_incref(by));
		json_object_set(s->headers[i], "name_", json_object_get(item, "name"));
		s->list[s->n++].name = gen_str(s->headers[i], "name_");
	}
	for (i = 0; i < s->n; i++) {
		s->list[i].header = s->headers[i];
		s->list[i].image.data = s->image;
		s->list[i].image.len = sizeof s->image - 8 * i;
	}
	json_decref(d);
}

static void close_entries(struct entries *s)
{
	for (size_t i = 0; i < s->n; i++)
		json_decref(s->headers[i]);
}

static const char *const golden[][2] = {
	{ "tests/golden/attn.json", "tests/golden/attn_best.h" },
	{ "tests/golden/split.json", "tests/golden/split_best.h" },
	{ "tests/golden/several.json", "tests/golden/several_best.h" },
};

START_TEST(header_is_golden)
{
	struct entries s;
	struct err e = { 0 };
	struct buf want, got;

	open_entries(&s, golden[_i][0]);
	read_golden(&want, golden[_i][1]);
	buf_init(&got);
	ck_assert_msg(gen_header(&got, s.list, s.n, &e) == 0, "%s", e.text);
	ck_assert_str_eq(buf_text(&got), buf_text(&want));
	ck_assert_ptr_null(strstr(buf_text(&got), "%%"));
	for (size_t i = 0; i < s.n; i++) {
		buf_clear(&want);
		gen_header_code(&want, &s.list[i]);
		ck_assert_ptr_nonnull(strstr(buf_text(&got), buf_text(&want)));
	}
	buf_free(&want);
	buf_free(&got);
	close_entries(&s);
}
END_TEST

/* --- what entries share ------------------------------------------------------------------------------------------- */

/* Into out: the body of the only function that launches. */
static void launch_body(struct buf *out, const struct buf *header)
{
	const char *from = strstr(buf_text(header), "_launch_0_(const struct"), *to = from ? strstr(from, "\n}\n") : NULL;

	ck_assert_ptr_nonnull(to);
	ck_assert_ptr_null(strstr(buf_text(header), "_launch_1_("));
	buf_init(out);
	buf_add(out, from, (size_t)(to - from));
}

/* Word number `at` of the entry's numbers. */
static void add_number(struct buf *out, const struct buf *header, const char *entry, long at)
{
	char mark[64];
	const char *p;

	snprintf(mark, sizeof mark, "_%s_numbers_[] = {", entry);
	p = strstr(buf_text(header), mark);
	ck_assert_ptr_nonnull(p);
	for (p += strlen(mark); at >= 0; at--) {
		p += strspn(p, " ,\n\t");
		ck_assert_msg(*p != '}', "%s has too few numbers", entry);
		if (at > 0)
			p += strcspn(p, " ,\n");
	}
	buf_add(out, p, strcspn(p, " ,\n"));
}

/* The next k[NUMBER], which block[] is not. */
static const char *next_number(const char *p)
{
	while ((p = strstr(p, "k[")) != NULL && (p[2] < '0' || p[2] > '9'))
		p++;
	return p;
}

/* The body with the entry's numbers in the place of k, and without the casts of those that are enumerators. */
static void put_numbers(struct buf *out, const struct buf *body, const struct buf *header, const char *entry)
{
	const char *p = buf_text(body), *next;
	size_t cast;

	buf_init(out);
	for (; (next = next_number(p)) != NULL; p = strchr(next, ']') + 1) {
		buf_add(out, p, (size_t)(next - p));
		for (cast = out->len; cast > 0 && out->data[cast - 1] != '('; cast--)
			;
		if (next[-1] == ')' && strncmp(out->data + cast, "CUtensorMap", 11) == 0)
			out->len = cast - 1;
		add_number(out, header, entry, strtol(next + 2, NULL, 10));
	}
	buf_adds(out, p);
}

/* As ck_assert_str_eq, of texts that are too long for its message. */
static void check_same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	ck_assert_msg(*a == *b, "%.60s and %.60s", a, b);
}

/* One function for three entries, each of whose launches, its numbers put in, is what it is in a header of its own. */
START_TEST(entries_that_differ_in_numbers_share_a_launch)
{
	static const char *const names[] = { "first", "second", "third" };
	static const char *const changes[][2] = { { "block.0", "256" }, { "cluster.1", "4" }, { "args.1.tensormap.box.1", "32" },
						  { "args.1.tensormap.swizzle", "\"64B\"" }, { "args.6.i32", "9" },
						  { "args.1.tensormap.dtype", "\"bf16\"" },
						  { "grid.0", "\"(a->sq + 31) / 32\"" }, { "smem", "\"a->sk * 8 + 1024\"" } };
	static unsigned char image[640];
	struct gen_entry list[3] = { { .name = NULL } };
	struct buf all, body, alone, own, put;
	struct err e = { 0 };
	json_t *headers[3];

	fill_image(image, sizeof image);
	for (size_t i = 0; i < 3; i++) {
		headers[i] = description("tests/golden/split.json");
		json_object_del(json_object_get(headers[i], "provenance"), "cubin_sha256");
		for (size_t k = 0; i > 0 && k < sizeof changes / sizeof *changes; k++) {
			char path[96];

			snprintf(path, sizeof path, "launch.steps.1.%s", changes[k][0]);
			if (i == 1 || k % 2)
				replace(headers[i], path, json_loads(changes[k][1], JSON_DECODE_ANY, NULL));
		}
		list[i].name = names[i];
		list[i].header = headers[i];
		list[i].image.data = image;
		list[i].image.len = sizeof image;
	}
	buf_init(&all);
	ck_assert_msg(gen_header(&all, list, 3, &e) == 0, "%s", e.text);
	launch_body(&body, &all);
	for (size_t i = 0; i < 3; i++) {
		buf_init(&own);
		ck_assert_msg(gen_header(&own, &list[i], 1, &e) == 0, "%s", e.text);
		launch_body(&alone, &own);
		ck_assert_ptr_null(next_number(buf_text(&alone)));
		put_numbers(&put, &body, &all, names[i]);
		check_same(buf_text(&put), buf_text(&alone));
		buf_free(&own);
		buf_free(&alone);
		buf_free(&put);
	}
	buf_free(&all);
	buf_free(&body);
	for (size_t i = 0; i < 3; i++)
		json_decref(headers[i]);
}
END_TEST

/* Entries that cannot stand in one header: what the second is changed to, and what the error must say. */
static const struct {
	const char *path, *json, *error;
} mixtures[] = {
	{ "family", "\"other\"", "entry gqa_sm_90a is of the family other, entry seed_sm_90a of several" },
	{ "family_info.dims.0.max", "7", "entry gqa_sm_90a: b of its dims is not that of entry seed_sm_90a: tune it again" },
	{ "family_info.dims.5.fixed", "false", "d of its dims" },
	{ "family_info.flags", "[]", "entry gqa_sm_90a has other flags" },
	{ "spec.tensors.1.align", "32", "a tensor is not that of" },
	{ "derived.types.q_sb", "\"i32\"", "has other derived values" },
	{ "name_", "\"seed_sm_90a\"", "entry seed_sm_90a: two entries of that name" },
	{ "name_", "\"a b\"", "an entry called a b cannot" },
};

START_TEST(header_refuses_mixtures)
{
	struct entries s;
	struct err e = { 0 };
	struct buf got;

	open_entries(&s, golden[2][0]);
	replace(s.headers[1], mixtures[_i].path, json_loads(mixtures[_i].json, JSON_DECODE_ANY, NULL));
	s.list[1].name = gen_str(s.headers[1], "name_");
	buf_init(&got);
	ck_assert_int_lt(gen_header(&got, s.list, s.n, &e), 0);
	ck_assert_msg(strstr(e.text, mixtures[_i].error) != NULL, "%s", e.text);
	buf_free(&got);
	close_entries(&s);
}
END_TEST

/* Of machine code of a usual size, the header is at most six times as large. */
START_TEST(header_size)
{
	static unsigned char bytes[24576];
	struct entries s;
	struct buf got;

	open_entries(&s, golden[_i][0]);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(1 + i % 255);
	for (size_t i = 0; i < s.n; i++) {
		s.list[i].image.data = bytes;
		s.list[i].image.len = sizeof bytes;
	}
	buf_init(&got);
	ck_assert_int_eq(gen_header(&got, s.list, s.n, NULL), 0);
	ck_assert_uint_le(got.len, 6 * s.n * sizeof bytes);
	buf_free(&got);
	close_entries(&s);
}
END_TEST

/* One member replaced (by a path of keys and indices), and what the error must say. */
static const struct {
	const char *path, *json, *error;
} header_errors[] = {
	{ "family", "\"a-b\"", "family a-b cannot be part of a name in C" },
	{ "candidate", "{\"THREADS\":3}", "two constants of the header are called ATTN_BEST_THREADS" },
	{ "launch.steps.0.entry", "\"x y\"", "step 1 of the launch cannot stand in a header: no entry" },
	{ "launch.steps.0.args.4", "{\"i32\":\"a->h; evil()\"}", "step 1 of the launch: argument 5: i32: not an expression" },
	{ "launch.steps.0.args.4", "{\"i32\":\"(a->h\"}", "not an expression" },
	{ "launch.steps.0.args.0", "{\"gemm\":1}", "argument 1: an argument of a kind" },
	{ "launch.steps.0", "{\"gemm\":{}}", "a library's product" },
	{ "derived.types.early", "\"i32\"", "early is a member that every header has" },
	{ "derived.types.q_sb", "\"i16\"", "derived value q_sb: type i16" },
	{ "derived.layout.bshd", "{}", "has no expression" },
	{ "provenance.cubin_sha256", "\"00\"", "its provenance says 00" },
	{ "launch.steps.0.args.1", "{\"tensormap\":{\"tensor\":\"k\",\"dtype\":\"f16\",\"dims\":[1,2],\"strides_bytes\":[],\"box\":[1,1]}}",
	  "tensor map: dims, strides_bytes, box" },
};

START_TEST(header_refuses)
{
	struct entries s;
	struct err e = { 0 };
	struct buf got;

	open_entries(&s, golden[0][0]);
	replace(s.headers[0], header_errors[_i].path, json_loads(header_errors[_i].json, JSON_DECODE_ANY, NULL));
	buf_init(&got);
	ck_assert_int_lt(gen_header(&got, s.list, s.n, &e), 0);
	ck_assert_msg(strstr(e.text, header_errors[_i].error) != NULL, "%s", e.text);
	buf_free(&got);
	close_entries(&s);
}
END_TEST

static int print_header(const char *path, const char *image_path)
{
	struct entries s;
	struct err e = { 0 };
	struct buf bytes, out;
	int rc = 0;

	open_entries(&s, path);
	buf_init(&bytes);
	buf_init(&out);
	if (strcmp(image_path, "-") != 0) {
		rc = fs_read(image_path, &bytes, 1 << 26, &e);
		for (size_t i = 0; i < s.n; i++) {
			s.list[i].image.data = bytes.data;
			s.list[i].image.len = bytes.len;
		}
	}
	if (rc == 0)
		rc = gen_header(&out, s.list, s.n, &e);
	if (rc == 0)
		fwrite(out.data, 1, out.len, stdout);
	else
		fprintf(stderr, "%s\n", e.text);
	close_entries(&s);
	buf_free(&bytes);
	buf_free(&out);
	return rc < 0;
}

int main(int argc, char **argv)
{
	TCase *pure;
	Suite *suite;
	SRunner *runner;
	int failed;

	if (argc == 3)
		return print_header(argv[1], argv[2]);
	pure = tcase_create("header");
	suite = suite_create("gen_header");
	tcase_add_loop_test(pure, header_is_golden, 0, (int)(sizeof golden / sizeof *golden));
	tcase_add_test(pure, entries_that_differ_in_numbers_share_a_launch);
	tcase_add_loop_test(pure, header_size, 0, (int)(sizeof golden / sizeof *golden));
	tcase_add_loop_test(pure, header_refuses_mixtures, 0, (int)(sizeof mixtures / sizeof *mixtures));
	tcase_add_loop_test(pure, header_refuses, 0, (int)(sizeof header_errors / sizeof *header_errors));
	suite_add_tcase(suite, pure);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
