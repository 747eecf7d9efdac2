/* family: see family.h. */
#include "family.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "scratch.h"

const char *family_root(void)
{
	const char *root = getenv("ATTUNE_ROOT");

	return root && root[0] ? root : ".";
}

void family_set_device(struct script *s)
{
	json_t *device =
		json_pack("{sss[ii]sisisisisisi}", "arch", "sm_90a", "cc", 9, 0, "sms", 132, "threads_sm", 2048,
			  "blocks_sm", 32, "smem_block_bytes", 232448, "smem_sm_bytes", 233472, "regs_sm", 65536);
	struct err e = {0};

	ck_assert_msg(script_set_device(s, device, &e) == 0, "%s", e.text);
	json_decref(device);
}

struct script *family_open(const char *name)
{
	struct script_options o = { .root = family_root(), .kernel = name, .families = "tests/families" };
	struct script *s;
	struct err e = {0};

	ck_assert_msg(script_open(&s, &o, &e) == 0, "%s", e.text);
	family_set_device(s);
	return s;
}

static void put(const char *name, const char *text)
{
	scratch_write(scratch_path(name), text, strlen(text));
}

static void make_folders(void)
{
	char *lua = realpath(family_root(), NULL), target[4200];

	ck_assert_ptr_nonnull(lua);
	snprintf(target, sizeof(target), "%s/lua", lua);
	free(lua);
	if (access(scratch_path("lua"), F_OK) == 0)
		return;
	ck_assert_int_eq(symlink(target, scratch_path("lua")), 0);
	ck_assert_int_eq(mkdir(scratch_path("kernels"), 0777), 0);
	ck_assert_int_eq(mkdir(scratch_path("kernels/t"), 0777), 0);
}

int family_make(struct script **out, const char *head, const char *odd, const char *variant, struct err *e)
{
	struct script_options o = { .kernel = "t" };
	char text[8192];

	make_folders();
	snprintf(text, sizeof(text),
		 "return family {\n"
		 "  name = 't', %s\n"
		 "  tensors = function(p)\n"
		 "    return { tensor { 'y', role = 'out', dtype = 'f32', shape = { p.n }, stride = { 1 } } }\n"
		 "  end,\n"
		 "  flops = function(p) return p.n end,\n"
		 "  bytes = function(p) return p.n end,\n"
		 "  reference = { source = 'r.cu', launch = function(p)\n"
		 "    return { entry = 'r', grid = { 1 }, block = { 1 }, args = { 'y' } }\n"
		 "  end },\n"
		 "  tolerance = function(p) return { ratio = 2, floor = 1, rel_rms = 1 } end,\n"
		 "  problems = { seed = { 'n=512' } },\n"
		 "  odd = function(p) %s end,\n"
		 "  variants = { 'v' },\n"
		 "}\n",
		 head ? head : "dims = { dim { 'n', min = 1, max = 4096 } },",
		 odd ? odd : "return { { n = 1 }, { n = 77 } }");
	put("kernels/t/t.lua", text);
	put("kernels/t/v.lua", variant);
	o.root = scratch_path("");
	return script_open(out, &o, e);
}

const char *family_variant(const char *legal, const char *launch)
{
	static char text[8192];

	snprintf(text, sizeof(text),
		 "return variant { source = 'v.cu', min_cc = 80, axes = { axis { 'A', values = { 1, 2 } } },\n"
		 "  legal = function(c, p, device) %s end,\n"
		 "  launch = function(c, p) %s end,\n"
		 "}\n", legal ? legal : "return true",
		 launch ? launch : "return { entry = 'v', grid = { p.n }, block = { 32 }, args = { 'y' } }");
	return text;
}

json_t *family_problem(struct script *s, const char *text)
{
	json_t *problem;
	struct err e = {0};

	ck_assert_msg(script_problem(s, text, &problem, &e) == 0, "%s", e.text);
	return problem;
}

json_t *family_candidate(struct script *s, const char *text)
{
	json_t *candidate;
	struct err e = {0};

	ck_assert_msg(script_candidate(s, text, &candidate, &e) == 0, "%s", e.text);
	return candidate;
}
