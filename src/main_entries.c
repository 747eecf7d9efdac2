/* main_entries: `attune list`, `attune drop` and `attune emit`: what a header holds, taking one entry out of it, and writing
 * it anew. Nothing is compiled. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/fs.h"
#include "attune/store.h"
#include "main.h"

char *main_out_folder(const char *root, const char *out)
{
	if (out)
		return strdup(out);
	return strcmp(root, ".") == 0 ? strdup("tuned") : fs_join(root, "tuned");
}

static const char *text(const json_t *object, const char *key)
{
	const char *t = json_string_value(json_object_get(object, key));

	return t ? t : "";
}

/* --- list --------------------------------------------------------------------------------------------------------- */

static void print_entry(const struct store_entry *entry)
{
	const json_t *h = store_info(entry), *p = json_object_get(h, "provenance");
	double time = json_number_value(json_object_get(p, "time_us"));
	double base = json_number_value(json_object_get(p, "baseline_us"));

	printf("%-28s %-8s %s\n", entry->name, store_arch(entry), store_problem(entry));
	if (json_is_true(json_object_get(h, "measured"))) {
		printf("    %.3f us", time);
		if (base > 0)
			printf(", %.2f times as fast as %s (%.3f us)", base / time, text(p, "baseline_name"), base);
		printf(", %s %s, driver %s, nvcc %s\n", json_is_true(json_object_get(h, "recorded")) ? "recorded on" : "measured on",
		       text(p, "device"), text(p, "driver"), text(p, "nvcc"));
	} else {
		printf("    provisional: %s\n", text(h, "provisional_why"));
	}
	printf("    %s\n    %zu bytes of machine code\n", text(h, "candidate_text"), entry->cubin.len);
}

static void print_json(const struct store *s)
{
	json_t *list = json_array();
	char *dump;

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(list, json_pack("{s:s, s:O}", "entry", s->entries[i].name, "header",
						      store_info(&s->entries[i])));
	dump = json_dumps(list, JSON_INDENT(1));
	puts(dump);
	free(dump);
	json_decref(list);
}

static void list_help(void)
{
	puts("usage: attune list [OPTION...]\n\n"
	     "Lists the entries of a header; the first is the one that its plain names mean.\n"
	     "  --kernel NAME     kernel family (attn)\n"
	     "  --out FOLDER      the header's folder (tuned)\n"
	     "  --problem TEXT    only this problem\n"
	     "  --arch ARCH       only this architecture\n"
	     "  --source          print the entries' sources instead, each with the command that builds it\n"
	     "  --problems        print the problems that the family names, as JSON, instead\n"
	     "  --json            print what the header says of them as JSON");
}

/* --- which one ---------------------------------------------------------------------------------------------------- */

/* Whether the entry is of the problem: by its name, the problem's name, or the canonical text of the same sizes. */
static bool is_problem(const struct store_entry *entry, const char *problem, const char *canonical)
{
	const char *name = text(json_object_get(store_info(entry), "problem"), "name");

	return strcmp(entry->name, problem) == 0 || strcmp(name, problem) == 0 || strcmp(store_problem(entry), problem) == 0 ||
	       (canonical && strcmp(store_problem(entry), canonical) == 0);
}

/* "h=8 sq=512 d=64" in full. A family that cannot be read, or does not know the problem any more, gives NULL. */
static char *canonical_text(const struct session_options *o, const char *problem)
{
	struct script_options so = { .root = o->root, .kernel = o->kernel };
	struct script *script = NULL;
	struct err ignored = { 0 };
	json_t *resolved = NULL;
	char *out = NULL;

	if (script_open(&script, &so, &ignored) == 0 && script_problem(script, problem, &resolved, &ignored) == 0)
		out = strdup(text(resolved, "text"));
	json_decref(resolved);
	if (script)
		script_close(script);
	return out;
}

static bool wanted(const struct store_entry *entry, const struct session_options *o, const char *canonical)
{
	return (!o->problem || is_problem(entry, o->problem, canonical)) &&
	       (!o->arch || strcmp(store_arch(entry), o->arch) == 0);
}

struct choice {
	struct session_options o;
	const char *out;
	bool json, source, problems;
};

/* -1: go on; else an exit code. */
static int options(struct choice *c, int argc, char **argv, void (*help)(void), struct err *e)
{
	static const struct option longs[] = { MAIN_SESSION_OPTIONS,
					       { "out", required_argument, NULL, 'o' },
					       { "json", no_argument, NULL, 'J' },
					       { "source", no_argument, NULL, 'S' },
					       { "problems", no_argument, NULL, 'N' },
					       { NULL, 0, NULL, 0 } };
	int option, rc;

	main_session_defaults(&c->o);
	c->o.problem = NULL;
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		rc = main_session_option(&c->o, option, optarg, e);
		if (rc < 0)
			return main_fail(e, EXIT_USAGE);
		if (rc == 1)
			continue;
		switch (option) {
		case 'o': c->out = optarg; break;
		case 'J': c->json = true; break;
		case 'S': c->source = true; break;
		case 'N': c->problems = true; break;
		case 'h': help(); return EXIT_OK;
		default: return main_usage(argv[0]);
		}
	}
	return optind < argc ? main_usage(argv[0]) : -1;
}

/* The named problems in full. */
static int print_problems(const struct session_options *o)
{
	struct script_options so = { .root = o->root, .kernel = o->kernel };
	struct script *script = NULL;
	struct err e = { 0 };
	json_t *list = json_array(), *name, *problem = NULL;
	char *dump;
	size_t i;
	int rc = script_open(&script, &so, &e);

	if (rc == 0)
		json_array_foreach(json_object_get(script_family(script), "problems"), i, name) {
			if (rc == 0)
				rc = script_problem(script, json_string_value(name), &problem, &e);
			if (rc == 0)
				json_array_append_new(list, problem);
		}
	if (rc == 0) {
		dump = json_dumps(list, JSON_INDENT(1));
		puts(dump);
		free(dump);
	}
	json_decref(list);
	if (script)
		script_close(script);
	return rc < 0 ? main_fail(&e, EXIT_BAD) : EXIT_OK;
}

int main_list(int argc, char **argv)
{
	struct choice c = { .json = false };
	struct err e = { 0 };
	struct store s;
	char *folder, *canonical = NULL;
	size_t shown = 0;
	int code = options(&c, argc, argv, list_help, &e);

	if (code >= 0)
		return code;
	if (c.problems)
		return print_problems(&c.o);
	folder = main_out_folder(c.o.root, c.out);
	code = EXIT_OK;
	if (store_open(&s, folder, c.o.kernel, false, &e) < 0) {
		free(folder);
		return main_fail(&e, EXIT_BAD);
	}
	if (c.o.problem)
		canonical = canonical_text(&c.o, c.o.problem);
	if (c.json) {
		print_json(&s);
	} else {
		for (size_t i = 0; i < s.n; i++) {
			if (!wanted(&s.entries[i], &c.o, canonical))
				continue;
			shown++;
			if (c.source)
				fwrite(s.entries[i].source.data, 1, s.entries[i].source.len, stdout);
			else
				print_entry(&s.entries[i]);
		}
		if (!c.source)
			printf("%zu of %zu entries of %s/%s_best.h\n", shown, s.n, folder, c.o.kernel);
	}
	store_close(&s);
	free(canonical);
	free(folder);
	return code;
}

/* --- drop --------------------------------------------------------------------------------------------------------- */

static void drop_help(void)
{
	puts("usage: attune drop --problem TEXT [--arch ARCH] [OPTION...]\n\n"
	     "Takes one entry out of a header and writes it anew; the last one takes the header with it.\n"
	     "  --problem TEXT    its problem: a name, \"b=1 h=8 sq=512 ...\" in any order, or the entry's own name\n"
	     "  --arch ARCH       its architecture; needed where the problem is tuned for several\n"
	     "  --kernel NAME     kernel family (attn)\n"
	     "  --out FOLDER      the header's folder (tuned)");
}

static int drop(struct store *s, const struct session_options *o, const char *folder, struct err *e)
{
	char *canonical = canonical_text(o, o->problem);
	size_t found = 0, at = 0;
	struct buf names;
	int rc;

	buf_init(&names);
	for (size_t i = 0; i < s->n; i++) {
		if (!wanted(&s->entries[i], o, canonical))
			continue;
		at = i;
		buf_addf(&names, "%s%s", found++ ? ", " : "", s->entries[i].name);
	}
	if (found == 0) {
		rc = err_set(e, "no entry of %s/%s_best.h is for %s%s%s (see 'attune list')", folder, o->kernel, o->problem,
			     o->arch ? " on " : "", o->arch ? o->arch : "");
	} else if (found > 1) {
		rc = err_set(e, "several entries are for %s: %s; say which by --arch", o->problem, buf_text(&names));
	} else {
		rc = store_remove(s, at, e);
		if (rc == 0)
			rc = store_emit(s, e);
		if (rc == 0)
			printf("dropped %s; %zu entries are left in %s/%s_best.h\n", buf_text(&names), s->n, folder, o->kernel);
	}
	buf_free(&names);
	free(canonical);
	return rc;
}

/* Opens the store of a folder that exists, does one thing to it, and closes it. */
static int change(const struct choice *c, int (*act)(struct store *, const struct session_options *, const char *, struct err *))
{
	char *folder = main_out_folder(c->o.root, c->out);
	struct err e = { 0 };
	struct store s;
	int rc = fs_exists(folder) ? 0 : err_set(&e, "%s: there is no such folder", folder);

	if (rc == 0)
		rc = store_open(&s, folder, c->o.kernel, true, &e);
	if (rc == 0) {
		rc = act(&s, &c->o, folder, &e);
		store_close(&s);
	}
	free(folder);
	return rc < 0 ? main_fail(&e, EXIT_BAD) : EXIT_OK;
}

int main_drop(int argc, char **argv)
{
	struct choice c = { .json = false };
	struct err e = { 0 };
	int code = options(&c, argc, argv, drop_help, &e);

	if (code >= 0)
		return code;
	if (!c.o.problem) {
		fprintf(stderr, "attune: drop: --problem is missing\n");
		return main_usage("drop");
	}
	return change(&c, drop);
}

/* --- emit --------------------------------------------------------------------------------------------------------- */

static void emit_help(void)
{
	puts("usage: attune emit [OPTION...]\n\n"
	     "Writes a header, and the source and the evidence beside it, anew from its entries: after an entry's file came or\n"
	     "went, or with a newer attune.\n"
	     "  --kernel NAME     kernel family (attn)\n"
	     "  --out FOLDER      the header's folder (tuned)");
}

static int emit(struct store *s, const struct session_options *o, const char *folder, struct err *e)
{
	int rc = s->n ? store_emit(s, e) : err_set(e, "%s/entries has no entry of %s", folder, o->kernel);

	if (rc == 0)
		printf("wrote %s/%s_best.h  .cu  .json from %zu entries\n", folder, o->kernel, s->n);
	return rc;
}

int main_emit(int argc, char **argv)
{
	struct choice c = { .json = false };
	struct err e = { 0 };
	int code = options(&c, argc, argv, emit_help, &e);

	return code >= 0 ? code : change(&c, emit);
}
