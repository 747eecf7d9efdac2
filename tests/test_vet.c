/* test_vet: what is refused by reading an image: machine code (tests/golden/mix.cu, which keeps variables of each kind) and
 * PTX text. The corpus (tests/hostile) tries the same by way of the compiler. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/fs.h"
#include "attune/vet.h"
#include "scratch.h"

static void verdict_is(const char *want, const char *says, const void *data, size_t len, const char *arch,
		       const char *entry, const char *declared)
{
	json_t *launch = entry ? json_pack("{s:[{s:s}]}", "steps", "entry", entry) : NULL;
	json_t *globals = declared ? json_loads(declared, 0, NULL) : NULL;
	struct buf why;
	const char *got;

	buf_init(&why);
	got = vet_image(data, len, arch, launch, globals, &why);
	ck_assert_msg(want ? got && !strcmp(got, want) : !got, "%s instead of %s: %s", got ? got : "nothing",
		      want ? want : "nothing", buf_text(&why));
	ck_assert_msg(strstr(buf_text(&why), says) != NULL, "'%s' does not hold '%s'", buf_text(&why), says);
	buf_free(&why);
	json_decref(launch);
	json_decref(globals);
}

static void golden(const char *name, struct buf *out)
{
	char path[512];
	const char *root = getenv("ATTUNE_ROOT");
	struct err e = { 0 };

	buf_init(out);
	snprintf(path, sizeof(path), "%s/tests/golden/%s", root ? root : ".", name);
	ck_assert_msg(fs_read(path, out, 1u << 20, &e) == 0, "%s", e.text);
}

START_TEST(machine_code)
{
	struct buf cubin;

	golden("mix_sm_90a.cubin", &cubin);
	verdict_is("cheat", "'counter' (4 bytes)", cubin.data, cubin.len, "sm_90a", NULL, NULL);
	verdict_is("cheat", "'table'", cubin.data, cubin.len, "sm_90a", NULL, "[\"counter\"]");
	verdict_is(NULL, "", cubin.data, cubin.len, "sm_90a", NULL, "[\"counter\", \"table\"]");
	verdict_is("load", "no kernel 'softmax'", cubin.data, cubin.len, "sm_90a", "softmax", "[\"counter\", \"table\"]");
	verdict_is("load", "not for sm_80", cubin.data, cubin.len, "sm_80", NULL, NULL);
	verdict_is("load", "not for sm_100", cubin.data, cubin.len, "sm_100", NULL, NULL);
	buf_free(&cubin);
	golden("mix_sm_80.cubin", &cubin);
	verdict_is(NULL, "", cubin.data, cubin.len, "sm_86", NULL, "[\"counter\", \"table\"]");
	verdict_is("load", "not for sm_90a", cubin.data, cubin.len, "sm_90a", NULL, NULL);
	for (size_t n = 0; n < cubin.len; n += 97)
		verdict_is("load", "", cubin.data, n, "sm_80", NULL, "[\"counter\", \"table\"]");
	buf_free(&cubin);
}
END_TEST

START_TEST(ptx)
{
	static const struct {
		const char *text, *verdict, *says;
	} cases[] = {
		{ ".version 8.0\n.visible .entry k()\n{\nret;\n}\n", NULL, "" },
		{ ".global .align 4 .u32 counter;\n", "cheat", "'counter'" },
		{ ".visible .global .align 4 .b8 kept[4096];\n", "cheat", "'kept'" },
		{ ".global .align 4 .f32 s = 0f3F800000;\n", "cheat", "'s'" },
		{ ".const .align 4 .b8 fixed[16] = {1};\n.shared .align 4 .b8 x[4];\n", NULL, "" },
		{ ".extern .func  (.param .b32 func_retval0) vprintf\n(\n", "illegal", "'vprintf'" },
		{ ".extern .func __assertfail\n(\n", "illegal", "'__assertfail'" },
		{ "", NULL, "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		verdict_is(cases[i].verdict, cases[i].says, cases[i].text, strlen(cases[i].text), "compute_80", NULL, NULL);
	verdict_is(NULL, "", cases[1].text, strlen(cases[1].text), "compute_80", NULL, "[\"counter\"]");
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("vet");

	tcase_add_test(c, machine_code);
	tcase_add_test(c, ptx);
	return scratch_run("vet", c);
}
