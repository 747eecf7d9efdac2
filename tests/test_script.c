/* script, the family's side: what a family and its variants mean, on the committed toy family and on attn; and the
 * texts of errors, on families written here. */
#include <stdlib.h>
#include <string.h>
#include "family.h"
#include "scratch.h"

static json_t *parse(const char *text)
{
	json_error_t where;
	json_t *v = json_loads(text, JSON_DECODE_ANY, &where);

	ck_assert_msg(v != NULL, "%s", where.text);
	return v;
}

/* Both as text, so that order counts and a failure shows both. */
static void expect_json(json_t *got, const char *expected)
{
	json_t *e = parse(expected);
	char *a = json_dumps(got, JSON_ENCODE_ANY), *b = json_dumps(e, JSON_ENCODE_ANY);

	ck_assert_str_eq(a, b);
	free(a);
	free(b);
	json_decref(e);
}

static json_t *step_of(json_t *launch, size_t i)
{
	return json_array_get(json_object_get(launch, "steps"), i);
}

START_TEST(family_is_described)
{
	struct script *s = family_open("toy");
	const json_t *f = script_family(s);
	json_t *v = json_array_get(json_object_get(f, "variants"), 0);

	expect_json(json_object_get(f, "problems"), "[\"seed\",\"tall\"]");
	expect_json(json_object_get(f, "baselines"), "[{\"name\":\"library\",\"variant\":\"library\"},"
		    "{\"name\":\"other\",\"program\":\"other.py\",\"needs\":\"python3\"}]");
	expect_json(json_array_get(json_object_get(f, "dims"), 2), "{\"name\":\"g\",\"min\":1,\"max\":64,\"default\":1,"
		    "\"divides\":\"n\",\"fixed\":false,\"about\":\"groups of rows\"}");
	expect_json(
		v, "{\"name\":\"plain\",\"source\":\"plain.cu\",\"about\":\"a thread an "
		   "element\",\"min_cc\":80,\"max_cc\":100,"
		   "\"flags\":[\"--use_fast_math\"],\"baseline\":false,\"axes\":["
		   "{\"name\":\"BLOCK\",\"values\":[64,128,256],\"default\":128,\"strategy\":\"launch\",\"about\":"
		   "\"threads of a CTA\"},"
		   "{\"name\":\"PATH\",\"values\":[\"direct\",\"by-8\"],\"default\":\"direct\",\"strategy\":\"memory\","
		   "\"about\":\"how x is read\"},"
		   "{\"name\":\"UNROLL\",\"values\":[1,2],\"default\":1,\"strategy\":\"other\",\"about\":\"\"}]}");
	ck_assert(json_is_true(json_object_get(json_array_get(json_object_get(f, "variants"), 2), "baseline")));
	script_close(s);
}
END_TEST

START_TEST(problems_have_names)
{
	struct script *s = family_open("toy");
	json_t *named = family_problem(s, "seed"), *written = family_problem(s, "m=96 n=64"),
	       *other = family_problem(s, "n=3");
	struct err e = {0};
	json_t *p;

	ck_assert_str_eq(json_string_value(json_object_get(named, "name")), "seed");
	ck_assert(json_equal(named, written));
	ck_assert_ptr_null(json_object_get(other, "name"));
	ck_assert_int_lt(script_problem(s, "sead", &p, &e), 0);
	ck_assert_str_eq(e.text, "problem: 'sead' is neither NAME=VALUE nor a named problem (known: seed tall)");
	err_clear(&e);
	ck_assert_int_lt(script_problem(s, "n=1048576 m=1048576", &p, &e), 0);
	ck_assert_str_eq(e.text,
			 "problem: more than 2^30 elements (n=1048576 m=1048576 g=1 w=2 dtype=f32 wide=0 order=rows)");
	err_clear(&e);
	ck_assert_int_lt(script_problem(s, "n=64 g=3", &p, &e), 0);
	ck_assert_str_eq(e.text, "problem: g=3 does not divide n=64");
	json_decref(named);
	json_decref(written);
	json_decref(other);
	script_close(s);
}
END_TEST

START_TEST(odd_problems_differ_in_what_is_free)
{
	struct script *s = family_open("toy");
	json_t *p = family_problem(s, "n=64 g=2 w=4 dtype=f16"), *odd;
	struct err e = {0};

	ck_assert_msg(script_odd_problems(s, p, &odd, &e) == 0, "%s", e.text);
	ck_assert_uint_eq(json_array_size(odd), 2);
	expect_json(json_object_get(json_array_get(odd, 0), "text"),
		    "\"n=1 m=7 g=1 w=4 dtype=f16 wide=0 order=columns\"");
	expect_json(json_object_get(json_array_get(odd, 1), "text"),
		    "\"n=67 m=64 g=1 w=4 dtype=f16 wide=0 order=rows\"");
	json_decref(p);
	json_decref(odd);
	script_close(s);
}
END_TEST

START_TEST(specification_is_resolved)
{
	struct script *s = family_open("toy");
	json_t *p = family_problem(s, "n=64 m=96 order=columns"), *seed = family_problem(s, "seed"), *spec;
	struct err e = {0};

	ck_assert_msg(script_spec(s, p, &spec, &e) == 0, "%s", e.text);
	expect_json(
		spec,
		"{\"text\":\"n=64 m=96 g=1 w=2 dtype=f32 wide=0 order=columns\",\"tensors\":["
		"{\"name\":\"x\",\"role\":\"in\",\"dtype\":\"f32\",\"shape\":[64,96],\"stride\":[1,64],\"align\":16},"
		"{\"name\":\"y\",\"role\":\"out\",\"dtype\":\"f32\",\"shape\":[64,96],\"stride\":[1,64],\"align\":16}],"
		"\"flops\":6144,\"bytes\":49152,\"tolerance\":{\"ratio\":2,\"floor\":0.001,\"rel_rms\":0.001},"
		"\"reference\":{\"workspace\":512,\"steps\":[{\"entry\":\"toy_reference\",\"grid\":[64,1,1],\"block\":["
		"32,1,1],"
		"\"smem\":0,\"args\":[{\"tensor\":\"x\"},{\"tensor\":\"y\"},{\"workspace\":0},{\"i32\":64},{\"i32\":96}"
		",{\"i64\":64},"
		"{\"f32\":0.5}]}]},"
		"\"plain\":{\"workspace\":512,\"steps\":[{\"entry\":\"toy_plain\",\"grid\":[64,1,1],\"block\":[32,1,1],"
		"\"smem\":0,\"args\":[{\"tensor\":\"x\"},{\"tensor\":\"y\"},{\"workspace\":0},{\"i32\":64},{\"i32\":96}"
		",{\"i64\":64},"
		"{\"f32\":0.5}]}]}}");
	json_decref(spec);
	ck_assert_int_eq(script_spec(s, seed, &spec, &e), 0);
	expect_json(json_object_get(json_object_get(spec, "tolerance"), "max_abs"), "0.002");
	json_decref(spec);
	json_decref(p);
	json_decref(seed);
	script_close(s);
}
END_TEST

START_TEST(candidates_read_and_write)
{
	static const char *const bad[][2] = {
		{ "plan BLOCK=64", "candidate: unknown variant 'plan' (known: plain steps library)" },
		{ "plain TILE=8", "candidate: plain has no axis 'TILE' (known: BLOCK PATH UNROLL)" },
		{ "plain BLOCK=65", "candidate: BLOCK=65 is not one of 64 128 256" },
		{ "plain BLOCK=64 BLOCK=64", "candidate: BLOCK is given twice" },
		{ "plain BLOCK", "candidate: 'BLOCK' is not AXIS=VALUE" },
		{ " ", "candidate: empty; a variant and AXIS=VALUE words expected" },
	};
	struct script *s = family_open("toy");
	json_t *c = family_candidate(s, "plain UNROLL=2  BLOCK=64");
	struct buf text;
	struct err e;

	buf_init(&text);
	expect_json(c, "{\"variant\":\"plain\",\"BLOCK\":64,\"PATH\":\"direct\",\"UNROLL\":2}");
	ck_assert_int_eq(script_candidate_text(c, &text), 0);
	ck_assert_str_eq(buf_text(&text), "plain BLOCK=64 PATH=direct UNROLL=2");
	json_decref(c);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		err_clear(&e);
		ck_assert_int_lt(script_candidate(s, bad[i][0], &c, &e), 0);
		ck_assert_str_eq(e.text, bad[i][1]);
		ck_assert_ptr_null(c);
	}
	buf_free(&text);
	script_close(s);
}
END_TEST

START_TEST(legality_says_why)
{
	static const char *const cases[][3] = {
		{ "plain BLOCK=256", "n=8 w=2", "" },
		{ "plain BLOCK=256", "n=8 w=4", "more than 512 elements a CTA" },
		{ "steps", "n=8", "needs compute capability 9, the device has 8.9" },
	};
	struct script *s = family_open("toy");
	json_t *old = json_pack("{s[ii]si}", "cc", 8, 9, "threads_sm", 2048), *none = json_object();
	struct err e = {0};
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(script_set_device(s, old, &e), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *c = family_candidate(s, cases[i][0]), *p = family_problem(s, cases[i][1]);

		ck_assert_int_eq(script_legal(s, p, c, &why, &e), cases[i][2][0] == '\0');
		ck_assert_str_eq(buf_text(&why), cases[i][2]);
		buf_clear(&why);
		json_decref(c);
		json_decref(p);
	}
	ck_assert_int_lt(script_set_device(s, none, &e), 0);
	buf_free(&why);
	json_decref(none);
	json_decref(old);
	script_close(s);
}
END_TEST

START_TEST(defines_hold_what_is_fixed)
{
	struct script *s = family_open("toy");
	json_t *c = family_candidate(s, "plain PATH=by-8"), *p = family_problem(s, "n=8 dtype=f16 order=columns");
	struct buf text;

	buf_init(&text);
	ck_assert_int_eq(script_defines(s, p, c, &text, NULL), 0);
	ck_assert_str_eq(buf_text(&text),
			 "#define BLOCK 128\n#define PATH_BY_8 1\n#define UNROLL 1\n#define PROBLEM_W 2\n"
			 "#define PROBLEM_DTYPE_F16 1\n#define PROBLEM_WIDE 0\n");
	buf_clear(&text);
	ck_assert_int_eq(script_reference_defines(s, p, &text, NULL), 0);
	ck_assert_str_eq(buf_text(&text), "#define PROBLEM_W 2\n#define PROBLEM_DTYPE_F16 1\n#define PROBLEM_WIDE 0\n");
	buf_free(&text);
	json_decref(c);
	json_decref(p);
	script_close(s);
}
END_TEST

START_TEST(launch_in_numbers)
{
	struct script *s = family_open("toy");
	json_t *c = family_candidate(s, "plain UNROLL=2"), *t = family_candidate(s, "steps TILE=8"),
	       *p = family_problem(s, "seed");
	json_t *launch;
	struct err e = {0};

	ck_assert_msg(script_launch(s, p, c, &launch, &e) == 0, "%s", e.text);
	expect_json(launch, "{\"workspace\":0,\"steps\":[{\"entry\":\"toy_plain\",\"grid\":[24,2,1],\"block\":[128,1,1]"
			    ",\"smem\":32,"
			    "\"pdl\":true,\"args\":[{\"tensor\":\"x\"},{\"tensor\":\"y\"},{\"i32\":64},{\"i32\":2},{"
			    "\"i64\":96},{\"f32\":0.5},"
			    "{\"i32\":-32},{\"i64\":24576},{\"i32\":96},{\"i32\":4},{\"f32\":0.75},{\"f32\":0."
			    "010416666666666666},{\"i32\":64},"
			    "{\"i64\":-96}]}]}");
	json_decref(launch);
	ck_assert_msg(script_launch(s, p, t, &launch, &e) == 0, "%s", e.text);
	expect_json(
		launch,
		"{\"workspace\":512,\"steps\":[{\"memset\":{\"to\":{\"workspace\":0},\"value\":0,\"bytes\":32}},"
		"{\"entry\":\"toy_tiles\",\"grid\":[8,1,1],\"block\":[32,4,1],\"cluster\":[2,1,1],\"smem\":0,\"args\":["
		"{\"tensormap\":"
		"{\"tensor\":\"x\",\"dtype\":\"f32\",\"dims\":[96,64],\"strides_bytes\":[384],\"box\":[32,8],"
		"\"swizzle\":\"128B\","
		"\"l2\":\"256B\"}},{\"tensor\":\"y\"},{\"workspace\":256}]},{\"entry\":\"toy_sum\",\"grid\":[1,1,1],"
		"\"block\":[128,1,1],\"smem\":0,\"args\":[{\"workspace\":0},{\"i32\":32}]}]}");
	json_decref(launch);
	json_decref(c);
	json_decref(t);
	json_decref(p);
	script_close(s);
}
END_TEST

START_TEST(launch_in_symbols)
{
	struct script *s = family_open("toy");
	json_t *c = family_candidate(s, "plain"), *t = family_candidate(s, "steps"), *p = family_problem(s, "seed"),
	       *launch;
	struct err e = {0};

	ck_assert_msg(script_launch_symbolic(s, p, c, &launch, &e) == 0, "%s", e.text);
	expect_json(
		step_of(launch, 0),
		"{\"entry\":\"toy_plain\",\"grid\":[\"((long long)a->n * a->m + 255) / 256\","
		"\"a->g > 2 ? a->g : "
		"2\",1],\"block\":[128,1,1],\"smem\":16,\"args\":[{\"tensor\":\"x\"},{\"tensor\":\"y\"},"
		"{\"i32\":\"a->n\"},{\"i32\":2},{\"i64\":\"a->x_s\"},{\"f32\":\"a->scale\"},{\"i32\":\"a->n - a->m\"},"
		"{\"i64\":\"(long long)a->n * a->m * 4\"},{\"i32\":\"(a->m + 7) / 8 * 8\"},"
		"{\"i32\":\"(a->n < a->m ? a->n : a->m) % 5\"},{\"f32\":\"a->scale * 1.5\"},{\"f32\":\"a->inverse\"},"
		"{\"i32\":\"(a->n + a->g - 1) / a->g\"},{\"i64\":\"0 - a->m\"}]}");
	json_decref(launch);
	ck_assert_msg(script_launch_symbolic(s, p, t, &launch, &e) == 0, "%s", e.text);
	expect_json(json_object_get(launch, "workspace"), "\"(4 * ((a->n + 15) / 16) + 255) / 256 * 256 + 256\"");
	expect_json(json_object_get(step_of(launch, 1), "grid"), "[\"((a->n + 15) / 16 + 1) / 2 * 2\",1,1]");
	json_decref(launch);
	json_decref(c);
	json_decref(t);
	json_decref(p);
	script_close(s);
}
END_TEST

START_TEST(derived_values_in_symbols)
{
	struct script *s = family_open("toy");
	json_t *p = family_problem(s, "seed"), *derived;
	struct err e = {0};

	ck_assert_msg(script_derived_symbolic(s, p, &derived, &e) == 0, "%s", e.text);
	expect_json(
		derived,
		"{\"order\":{\"rows\":{\"half\":\"a->n / 2\",\"inverse\":\"1.0 / "
		"a->m\",\"scale\":\"0.5f\",\"x_s\":\"a->m\"},"
		"\"columns\":{\"half\":\"a->n / 2\",\"inverse\":\"1.0 / a->m\",\"scale\":\"0.5f\",\"x_s\":\"a->n\"}},"
		"\"types\":{\"half\":\"i32\",\"inverse\":\"f32\",\"scale\":\"f32\",\"x_s\":\"i64\"}}");
	json_decref(derived);
	json_decref(p);
	script_close(s);
}
END_TEST

/* The real family: every named problem, and every variant's default there, down to the header's expressions. */
START_TEST(attn_holds_together)
{
	struct script_options o = { .root = family_root(), .kernel = "attn" };
	json_t *name, *v, *launch, *derived, *spec;
	struct err e = {0};
	struct script *s;
	size_t i, k;

	ck_assert_msg(script_open(&s, &o, &e) == 0, "%s", e.text);
	family_set_device(s);
	json_array_foreach(json_object_get(script_family(s), "problems"), i, name) {
		json_t *p = family_problem(s, json_string_value(name));

		ck_assert_msg(script_spec(s, p, &spec, &e) == 0, "%s", e.text);
		ck_assert_msg(script_derived_symbolic(s, p, &derived, &e) == 0, "%s", e.text);
		json_decref(spec);
		json_decref(derived);
		json_array_foreach(json_object_get(script_family(s), "variants"), k, v) {
			json_t *c = family_candidate(s, json_string_value(json_object_get(v, "name")));

			ck_assert_msg(script_launch(s, p, c, &launch, &e) == 0, "%s", e.text);
			json_decref(launch);
			ck_assert_msg(script_launch_symbolic(s, p, c, &launch, &e) == 0, "%s", e.text);
			json_decref(launch);
			json_decref(c);
		}
		json_decref(p);
	}
	script_close(s);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("script");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, family_is_described);
	tcase_add_test(t, problems_have_names);
	tcase_add_test(t, odd_problems_differ_in_what_is_free);
	tcase_add_test(t, specification_is_resolved);
	tcase_add_test(t, candidates_read_and_write);
	tcase_add_test(t, legality_says_why);
	tcase_add_test(t, defines_hold_what_is_fixed);
	tcase_add_test(t, launch_in_numbers);
	tcase_add_test(t, launch_in_symbols);
	tcase_add_test(t, derived_values_in_symbols);
	tcase_add_test(t, attn_holds_together);
	return scratch_run("script", t);
}
