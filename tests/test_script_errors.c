/* script, when a family or a variant is wrong: each mistake gives one line that names file, line or word and what is
 * right; nothing hangs, floods or crashes, and the script still works afterwards. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "attune/buf.h"
#include "attune/fs.h"
#include "family.h"
#include "scratch.h"

struct load_case {
	const char *head, *odd, *variant, *error;
};

#define GOOD_VARIANT "return variant { source = 'v.cu', min_cc = 80, launch = function(c, p) return {} end }"
#define AXES(text) "return variant { source = 'v.cu', min_cc = 80,\n axes = { " text " },\n launch = function() end }"
#define DIMS(text) "dims = { " text " },"

static const struct load_case loads[] = {
	{ NULL, NULL, AXES("axis { 'A', values = { 1, 2 }, default = 48 }"),
	  "kernels/t/v.lua:2: axis A: default 48 is not among its values" },
	{ NULL, NULL, AXES("axis { 'A', values = {} }"), "kernels/t/v.lua:2: axis A: no values" },
	{ NULL, NULL, AXES("axis { 'A', values = { 1, 1 } }"), "kernels/t/v.lua:2: axis A: value 1 stands twice" },
	{ NULL, NULL, AXES("axis { 'A', values = { 1, 'x' } }"),
	  "kernels/t/v.lua:2: axis A: values must be all integers or all words, got 'x'" },
	{ NULL, NULL, AXES("axis { 'A', values = { 0.5 } }"),
	  "kernels/t/v.lua:2: axis A: values must be all integers or all words, got 0.5" },
	{ NULL, NULL, AXES("axis { 'THREADS', values = { 1 } }"),
	  "kernels/t/v.lua:2: axis THREADS: headers have a constant THREADS of their own: choose another name" },
	{ NULL, NULL, AXES("axis { 'problem_n', values = { 1 } }"),
	  "kernels/t/v.lua:2: axis problem_n: headers have a constant PROBLEM_N of their own: choose another name" },
	{ NULL, NULL, AXES("axis { 'A', values = { 1 } }, axis { 'a', values = { 1 } }"),
	  "kernels/t/v.lua: variant: axes A and a would both define A: choose another name" },
	{ NULL, NULL, AXES("axis { 'A', values = { 'x', 'y' } }, axis { 'A_Y', values = { 1 } }"),
	  "kernels/t/v.lua: variant: axes A and A_Y would both define A_Y: choose another name" },
	{ NULL, NULL, AXES("axis { 'A B', values = { 1 } }"),
	  "kernels/t/v.lua:2: axis A B: the name must be letters, digits and _" },
	{ NULL, NULL, AXES("axis { values = { 1 } }"), "kernels/t/v.lua:2: axis: no name" },
	{ NULL, NULL, AXES("axis { 'A', values = { 1 }, defualt = 1 }"),
	  "kernels/t/v.lua:2: axis A: unknown field 'defualt' (known: 1 about default strategy values)" },
	{ NULL, NULL, AXES("axis { 'A', values = 3 }"), "kernels/t/v.lua:2: axis A: values must be a table, got 3" },
	{ NULL, NULL, AXES("{ 'A', values = { 1 } }"),
	  "kernels/t/v.lua: variant: axes[1] is not made by axis { ... }" },
	{ NULL, NULL, "x = \n=\n", "kernels/t/v.lua:2: unexpected symbol near '='" },
	{ NULL, NULL, "return 3", "kernels/t/v.lua: does not end with `return variant { ... }`" },
	{ NULL, NULL, "return axis { 'A', values = { 1 } }",
	  "kernels/t/v.lua: does not end with `return variant { ... }`" },
	{ NULL, NULL, "return variant { min_cc = 80, launch = function() end }",
	  "kernels/t/v.lua: variant: no source" },
	{ NULL, NULL, "return variant { source = '../v.cu', min_cc = 80, launch = function() end }",
	  "kernels/t/v.lua: source: the name of a file beside it expected" },
	{ NULL, NULL, "return variant { source = 'v.cu', min_cc = 80, baseline = true, launch = function() end }",
	  "kernels/t/v.lua: `baseline = true`, so it belongs in the family's `baselines`" },
	{ NULL, NULL, "return variant { source = 'v.cu', min_cc = 80, flags = { 'O3' }, launch = function() end }",
	  "kernels/t/v.lua: flags[1]: an option of nvcc, as \"--use_fast_math\", expected" },
	{ NULL, NULL, "local n = 1\nreturn varient { }", "kernels/t/v.lua:2: undefined global 'varient'" },
	{ NULL, NULL, "\n\nerror('by hand')", "kernels/t/v.lua:3: by hand" },
	{ NULL, NULL, "\nerror({ 1 })", "kernels/t/v.lua:2: raised a table value instead of a text" },
	{ NULL, NULL, "error()", "kernels/t/v.lua:1: raised a nil value instead of a text" },
	{ NULL, NULL, "while true do end",
	  "kernels/t/v.lua:1: more than 200 million steps in one call (an endless loop?)" },
	{ NULL, NULL, "\033Lua", "kernels/t/v.lua: compiled Lua is refused: the source is needed" },
	{ DIMS("dim { 'n' }"), NULL, GOOD_VARIANT,
	  "kernels/t/t.lua:2: dim n: min and max with 0 <= min <= max <= 2^31, or values, must be given" },
	{ DIMS("dim { 'n', min = 1, max = 9, default = 'k' }"), NULL, GOOD_VARIANT,
	  "kernels/t/t.lua: dim n: default 'k' is no dimension" },
	{ DIMS("dim { 'n', min = 1, max = 9 }, dim { 'n', min = 1, max = 9 }"), NULL, GOOD_VARIANT,
	  "kernels/t/t.lua: family: dim n stands twice" },
	{ DIMS("dim { 'n', min = 1, max = 9 }"), NULL, GOOD_VARIANT,
	  "kernels/t/t.lua: problems: seed: problem: n=512 is outside 1 .. 9" },
	{ DIMS("dim { 'n', min = 1, max = 999 }") " flags = { flag { 'f', values = { 0, 1 }, default = 0 } },", NULL,
	  GOOD_VARIANT, "kernels/t/t.lua: flag f: the values of a run-time flag must be words" },
	{ DIMS("dim { 'n', min = 1, max = 999 }") " valid = function(p) return p.m end,", NULL, GOOD_VARIANT,
	  "kernels/t/t.lua: problems: seed: kernels/t/t.lua:2: p has no field 'm' (known: n)" },
};

START_TEST(loading_names_file_and_line)
{
	const struct load_case *c = &loads[_i];
	struct script *s = NULL;
	struct err e = {0};

	ck_assert_int_lt(family_make(&s, c->head, c->odd, c->variant, &e), 0);
	ck_assert_ptr_null(s);
	ck_assert_str_eq(e.text, c->error);
}
END_TEST

/* Every constant of a header that is not made from an axis is refused as the name of one. */
START_TEST(axes_cannot_take_a_constants_name)
{
	struct buf text;
	struct err e = { 0 };
	int refused = 0;

	buf_init(&text);
	ck_assert_int_eq(fs_read("tests/golden/attn_best.h", &text, 1u << 22, &e), 0);
	for (char *at = text.data; (at = strstr(at, "#define ATTN_BEST_")) != NULL;) {
		const size_t n = strcspn(at += strlen("#define ATTN_BEST_"), " (\n");
		struct script *s = NULL;
		char name[64], variant[256], spaced[80];

		snprintf(name, sizeof name, "%.*s", (int)n, at);
		snprintf(spaced, sizeof spaced, " %s ", name);
		/* The names of flags' values, which only the family knows, and those of the golden candidate's axes. */
		if (strncmp(name, "DTYPE_", 6) == 0 || strstr(" BLOCK_M BLOCK_N STAGES SMEM_LAYOUT ", spaced))
			continue;
		snprintf(variant, sizeof variant, AXES("axis { '%s', values = { 1 } }"), name);
		err_clear(&e);
		ck_assert_msg(family_make(&s, NULL, NULL, variant, &e) < 0, "%s can be an axis", name);
		ck_assert_msg(strstr(e.text, "headers have a constant") != NULL, "%s", e.text);
		refused++;
	}
	ck_assert_int_gt(refused, 20);
	buf_free(&text);
}
END_TEST

START_TEST(missing_families_are_named)
{
	struct script_options o = { .root = family_root(), .kernel = "nothing" };
	struct script *s;
	struct err e = {0};

	ck_assert_int_lt(script_open(&s, &o, &e), 0);
	ck_assert_str_eq(e.text, "kernel: no family 'nothing' (kernels/nothing/nothing.lua does not exist)");
	o.kernel = "../lua/strict";
	err_clear(&e);
	ck_assert_int_lt(script_open(&s, &o, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "kernel: no family '../lua/strict'"));
}
END_TEST

/* --- launches ---------------------------------------------------------------------------------------------------- */

static const struct {
	const char *launch, *error;
} launches[] = {
	{ "return { grid = { 1 }, block = { 1 }, args = {} }", "entry: the kernel's name expected" },
	{ "return { entry = 'v', grid = { 1.5 }, block = { 1 }, args = {} }",
	  "grid[1]: 1.5 is not an integer (// divides integers)" },
	{ "return { entry = 'v', grid = { p.n / 2 }, block = { 1 }, args = {} }",
	  "grid[1]: 256 is not an integer (// divides integers)" },
	{ "return { entry = 'v', grid = { 1, 70000 }, block = { 1 }, args = {} }",
	  "grid[2]: 70000 is outside 1 .. 65535" },
	{ "return { entry = 'v', grid = { 0 }, block = { 1 }, args = {} }", "grid[1]: 0 is outside 1 .. 2147483647" },
	{ "return { entry = 'v', grid = 4, block = { 1 }, args = {} }", "grid: a list of 1 to 3 integers expected" },
	{ "return { entry = 'v', grid = { 1 }, block = { 2048 }, args = {} }", "block[1]: 2048 is outside 1 .. 1024" },
	{ "return { entry = 'v', grid = { 1 }, block = { 64, 32 }, args = {} }", "block: 2048 threads, 1024 at most" },
	{ "return { entry = 'v', grid = { 3 }, block = { 1 }, cluster = { 2 }, args = {} }",
	  "grid[1]: 3 is no multiple of cluster[1] = 2" },
	{ "return { entry = 'v', grid = { 1 }, block = { 1 }, smem = -1, args = {} }",
	  "smem: -1 is outside 0 .. 1048576" },
	{ "return { entry = 'v', grid = { 1 }, block = { 1 }, args = { 'yy' } }",
	  "args[1]: no tensor, derived value or dimension 'yy' (known: y n)" },
	{ "return { entry = 'v', grid = { 1 }, block = { 1 }, args = { 'y', nil, i32(1) } }",
	  "args: a list without gaps expected (is one of them nil?)" },
	{ "return { entry = 'v', grid = { 1 }, block = { 1 }, args = { 5 } }",
	  "args[1]: a name, i32(), i64(), f32(), workspace() or tensormap { } expected" },
	{ "return { entry = 'v', grid = { 1 }, block = { 1 }, args = { i32(1 << 40) } }",
	  "args[1]: i32: 1099511627776 is outside -2147483648 .. 2147483647" },
	{ "return { entry = 'v', grid = { 1 }, block = { 1 }, arg = {} }",
	  "unknown field 'arg' (known: entry grid block cluster smem pdl args workspace)" },
	{ "return { gemm = { m = 1 } }",
	  "gemm: only a variant with `baseline = true` may use a library's product" },
	{ "return { { entry = 'v', grid = { 1 }, block = { 1 }, args = {} }, { memset = { to = 'y', value = 0 } } }",
	  "step 2: memset: bytes: missing" },
	{ "return { { entry = 'v', grid = { 1 }, block = { 1 }, args = {}, workspace = 4 }, { memset = {} } }",
	  "step 1: workspace stands beside the steps, not in one of them" },
	{ "return {}", "1 to 64 steps expected" },
};

static const char V_LAUNCH[] = "kernels/t/v.lua: launch: ";

START_TEST(launches_are_checked)
{
	struct script *s;
	struct err e = {0};
	json_t *p, *c, *launch;

	ck_assert_msg(family_make(&s, NULL, NULL, family_variant(NULL, launches[_i].launch), &e) == 0, "%s", e.text);
	family_set_device(s);
	p = family_problem(s, "seed");
	c = family_candidate(s, "v");
	ck_assert_int_lt(script_launch(s, p, c, &launch, &e), 0);
	ck_assert_ptr_null(launch);
	ck_assert_int_eq(strncmp(e.text, V_LAUNCH, strlen(V_LAUNCH)), 0);
	ck_assert_str_eq(e.text + strlen(V_LAUNCH), launches[_i].error);
	json_decref(p);
	json_decref(c);
	script_close(s);
}
END_TEST

#define COMPARED_3                                                                                        \
	"kernels/t/v.lua:3: n is only known at run time and cannot be compared: use max(), min() or "     \
	"ceildiv(), or give the dimension `fixed = true` in the family"
#define NEVER_EQUAL                                                                                       \
	" (a run-time dimension compared by == is never equal: use max(), min(), ceildiv(), or `fixed = " \
	"true`)"

static const struct {
	const char *head, *launch, *error;
} symbols[] = {
	{ NULL, "if p.n < 64 then return {} end", COMPARED_3 },
	{ NULL, "return { entry = 'v', grid = { p.n + 1 == p.n and 1 or 2 }, block = { 1 }, args = {} }", COMPARED_3 },
	/* What no symbol can refuse is found by evaluating: n=1 is the first odd problem. */
	{ NULL, "return { entry = 'v', grid = { p.n == 1 and 7 or p.n }, block = { 32 }, args = { 'y' } }",
	  "kernels/t/v.lua: launch: steps[1].grid[1]: the header would use 1, the function gives 7 for "
	  "n=1" NEVER_EQUAL },
	{ NULL, "return { entry = 'v', grid = { 1 }, block = { 32 }, args = { 'y', p.n == 1 and i32(1) or nil } }",
	  "kernels/t/v.lua: launch: steps[1].args[2]: the header would use nothing, the function gives {\"i32\":1} for "
	  "n=1" NEVER_EQUAL },
	{ NULL, "return { entry = 'v', grid = { 1 }, block = { p.n }, args = { 'y' } }",
	  "kernels/t/v.lua: launch for the header: block[1]: may not depend on a run-time dimension" },
	{ NULL, "return { entry = 'v', grid = { math.max(p.n, 2) }, block = { 1 }, args = { 'y' } }", COMPARED_3 },
	{ NULL, "return { entry = 'v', grid = { math.floor(p.n) }, block = { 1 }, args = { 'y' } }",
	  "kernels/t/v.lua:3: bad argument #1 to 'floor' (number expected, got run-time value)" },
	{ NULL, "return { entry = 'k' .. p.n, grid = { 1 }, block = { 1 }, args = { 'y' } }",
	  "kernels/t/v.lua:3: n is only known at run time and has no text" },
	{ NULL, "return { entry = 'v', grid = { p.n // 1.5 }, block = { 1 }, args = { 'y' } }",
	  "kernels/t/v.lua:3: // of a value that is no integer" },
	{ "dims = { dim { 'n', min = 1, max = 4096 } }, flags = { flag { 'order', values = { 'a', 'b' }, default = 'a' "
	  "} },",
	  "return { entry = 'v', grid = { p.order == 'a' and 1 or 2 }, block = { 1 }, args = { 'y' } }",
	  "kernels/t/v.lua:3: flag order is only known at run time: use it in derived(), or give it `fixed = true` in "
	  "the family" },
};

START_TEST(symbols_refuse_to_be_compared)
{
	struct script *s;
	struct err e = {0};
	json_t *p, *c, *launch;

	ck_assert_msg(family_make(&s, symbols[_i].head, NULL, family_variant(NULL, symbols[_i].launch), &e) == 0, "%s",
		      e.text);
	family_set_device(s);
	p = family_problem(s, "seed");
	c = family_candidate(s, "v");
	ck_assert_int_lt(script_launch_symbolic(s, p, c, &launch, &e), 0);
	ck_assert_ptr_null(launch);
	ck_assert_str_eq(e.text, symbols[_i].error);
	json_decref(p);
	json_decref(c);
	script_close(s);
}
END_TEST

START_TEST(odd_problems_are_checked)
{
	static const char head[] = "dims = { dim { 'n', min = 1, max = 4096 }, dim { 'd', values = { 1, 2 }, default = "
				   "1, fixed = true } },";
	struct script *s;
	struct err e = {0};
	json_t *p, *odd;

	ck_assert_msg(family_make(&s, head, "return { { n = 1 }, { d = 2 } }", GOOD_VARIANT, &e) == 0, "%s", e.text);
	p = family_problem(s, "seed");
	ck_assert_int_lt(script_odd_problems(s, p, &odd, &e), 0);
	ck_assert_str_eq(e.text, "kernels/t/t.lua: odd[2]: d is fixed in the machine code and cannot change");
	json_decref(p);
	script_close(s);
}
END_TEST

/* --- limits and sandbox ------------------------------------------------------------------------------------------ */

#define LOOP "more than 200 million steps in one call (an endless loop?)"
#define SLOW "more than 20 s in one call" /* what comes first on a slow machine: some steps are expensive */
#define FLOOD "more than 64 MiB of memory"
#define AT "kernels/t/v.lua:2: "

static const struct {
	const char *legal, *error; /* NULL: legal gives true */
} hostile[] = {
	{ "while true do end", AT LOOP },
	{ "while true do pcall(function() while true do end end) end", AT LOOP },
	{ "local function f() return pcall(f) end while true do f() end", AT LOOP },
	{ "local t = {} while true do t[#t + 1] = {} end", AT FLOOD },
	{ "while true do pcall(function() local s = 'x' while true do s = s .. s end end) end", AT FLOOD },
	{ "while true do pcall(string.rep, 'x', 1 << 30) end", AT FLOOD },
	{ "while true do local s = ('x'):rep(10000000) end", AT LOOP },
	{ "local function f() return 1 + f() end return f()", NULL },
	{ "return #string.rep('', 1 << 60) == 0", "" },
	{ "table.move({}, 1, 1 << 60, 2)", AT "table.move of too many values" },
	{ "return ('a'):rep(3000):find(('a*'):rep(20) .. 'b') == nil",
	  AT "pattern with too many repetitions for a text of 3000 bytes" },
	{ "return (' k=12 j=7'):match('j=(%d+)') == '7'", "" },
	{ "return ('a.b'):find('.', 1, true) == 2", "" },
	{ "local t = setmetatable({}, { __gc = function() while true do end end }) t = nil "
	  "for i = 1, 100000 do local x = { i } end return true",
	  "" },
	{ "local f local mt = {} f = function() local x <close> = setmetatable({}, mt) while true do end end "
	  "mt.__close = f f()",
	  AT "variable 'x' got a non-closable value" },
	{ "return setmetatable({}, { __index = function() return true end }).x", "" },
	{ "error(setmetatable({}, { __tostring = function() while true do end end }))",
	  AT "raised a table value instead of a text" },
	{ "return pcall(error, { 1 }) == false", "" },
	{ "c.A = 99 p.n = 1 device.sms = 0 return true", "" },
	{ "return c.B", AT "c has no field 'B' (known: A variant)" },
	{ "return p.m", AT "p has no field 'm' (known: n)" },
	{ "return io.open('/etc/passwd')", AT "undefined global 'io'" },
	{ "return os.time()", AT "undefined global 'os'" },
	{ "return debug.sethook()", AT "undefined global 'debug'" },
	{ "return load('return true')()", AT "undefined global 'load'" },
	{ "return dofile('x')", AT "undefined global 'dofile'" },
	{ "return coroutine.wrap(f)", AT "undefined global 'coroutine'" },
	{ "return collectgarbage('stop')", AT "undefined global 'collectgarbage'" },
	{ "return getmetatable('').__index", AT "undefined global 'getmetatable'" },
	{ "return math.random()", AT "attempt to call a nil value (field 'random')" },
	{ "return string.dump(ceildiv)", AT "attempt to call a nil value (field 'dump')" },
	{ "return require('../../etc/passwd')", AT "require: a module is the name of a file in lua/, without .lua" },
	{ "return require('io')", NULL },
	{ "string.format = nil math = nil return true", "" },
	{ "return 'yes'", "kernels/t/v.lua: legal: true, or false and why, expected" },
	{ "return false", "kernels/t/v.lua: legal: true, or false and why, expected" },
	{ "return true, function() end", "kernels/t/v.lua: legal: second result: a function where data was expected" },
	{ "local t = {} t.t = t return t", "kernels/t/v.lua: legal: t.t.t.t.t.t.t.t.t.t.t.t.t.t.t.t.t.t.t.t.t: a table "
					   "in a table more than 20 levels deep" },
	{ "return '\\xff'", "kernels/t/v.lua: legal: a text that is not UTF-8" },
	{ "return 0 / 0", "kernels/t/v.lua: legal: a number that is not finite" },
};

START_TEST(nothing_escapes)
{
	struct script *s;
	struct err e = {0};
	struct buf why;
	struct timespec before, after;
	json_t *p, *c, *launch;
	int rc;

	buf_init(&why);
	ck_assert_msg(family_make(&s, NULL, NULL, family_variant(hostile[_i].legal, NULL), &e) == 0, "%s", e.text);
	family_set_device(s);
	p = family_problem(s, "seed");
	c = family_candidate(s, "v");
	clock_gettime(CLOCK_MONOTONIC, &before);
	rc = script_legal(s, p, c, &why, &e);
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_msg(after.tv_sec - before.tv_sec < 60, "took long");
	if (!hostile[_i].error)
		ck_assert_int_lt(rc, 0);
	else if (!hostile[_i].error[0])
		ck_assert_msg(rc == 1, "%s", e.text);
	else if (strcmp(hostile[_i].error, AT LOOP) || strcmp(e.text, AT SLOW))
		ck_assert_str_eq(e.text, hostile[_i].error);
	/* The script is as good as before. */
	err_clear(&e);
	ck_assert_msg(script_launch(s, p, c, &launch, &e) == 0, "%s", e.text);
	ck_assert_int_eq(json_integer_value(json_array_get(
				 json_object_get(json_array_get(json_object_get(launch, "steps"), 0), "grid"), 0)),
			 512);
	json_decref(launch);
	json_decref(p);
	json_decref(c);
	buf_free(&why);
	script_close(s);
}
END_TEST

/* What Lua leaves to chance is not: pairs is ordered, sort is stable. */
START_TEST(runs_repeat)
{
	static const char legal[] =
		"local t, keys = { z = 1, a = 2, [3] = 3, [10] = 4, [1] = 5, [true] = 6 }, {}"
		" for k in pairs(t) do keys[#keys + 1] = tostring(k) end"
		" if table.concat(keys, ' ') ~= '1 3 10 a z true' then return false, table.concat(keys, ' ') end"
		" local list = {} for i = 1, 1000 do list[i] = { i % 7, i } end"
		" table.sort(list, function(a, b) return a[1] < b[1] end)"
		" for i = 2, 1000 do local a, b = list[i - 1], list[i]"
		"   if a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) then return false, 'sort at ' .. i end end"
		" for k in pairs(t) do t[k] = nil end"
		" if #keys ~= 6 or rawlen(t) ~= 0 then return false, 'removal' end"
		" return pcall(pairs, { [t] = 1 }) == false";
	struct script *s;
	struct err e = {0};
	struct buf why;
	json_t *p, *c;

	buf_init(&why);
	ck_assert_msg(family_make(&s, NULL, NULL, family_variant(legal, NULL), &e) == 0, "%s", e.text);
	family_set_device(s);
	p = family_problem(s, "seed");
	c = family_candidate(s, "v");
	ck_assert_msg(script_legal(s, p, c, &why, &e) == 1, "%s%s", buf_text(&why), e.text);
	json_decref(p);
	json_decref(c);
	buf_free(&why);
	script_close(s);
}
END_TEST

#define COUNT(list) (int)(sizeof(list) / sizeof(*(list)))

int main(void)
{
	TCase *t = tcase_create("script_errors");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, scratch_make, scratch_remove);
	tcase_add_loop_test(t, loading_names_file_and_line, 0, COUNT(loads));
	tcase_add_test(t, axes_cannot_take_a_constants_name);
	tcase_add_test(t, missing_families_are_named);
	tcase_add_loop_test(t, launches_are_checked, 0, COUNT(launches));
	tcase_add_loop_test(t, symbols_refuse_to_be_compared, 0, COUNT(symbols));
	tcase_add_test(t, odd_problems_are_checked);
	tcase_add_loop_test(t, nothing_escapes, 0, COUNT(hostile));
	tcase_add_test(t, runs_repeat);
	return scratch_run("script_errors", t);
}
