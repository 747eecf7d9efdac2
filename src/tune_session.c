/* tune_session: opens a session. Decides where times come from: a GPU on which the arch runs, else a recorded run of
 * the problem, else nothing (static). Sources, messages and baselines are in tune_work.c. */
#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "attune/fs.h"
#include "attune/chip.h"
#include "attune/tune.h"
#include "attune/wire.h"

#define RUNNER_START_S 60.0

bool session_arch_runs(const char *arch, int major, int minor, bool *translated)
{
	const char *digits = strchr(arch, '_');
	int cc, own = 10 * major + minor;
	char suffix;

	*translated = strncmp(arch, "compute_", 8) == 0;
	if (!digits)
		return false;
	cc = atoi(digits + 1);
	suffix = arch[strlen(arch) - 1];
	if (suffix == 'a')
		return cc == own;
	if (suffix == 'f')
		return cc / 10 == own / 10 && cc <= own;
	if (*translated)
		return cc <= own;
	return cc / 10 == major && cc <= own;
}

const char *session_mode_text(const struct session *s)
{
	return s->mode == SESSION_LIVE ? "live" : s->mode == SESSION_REPLAY ? "replay" : "static";
}

const json_t *session_problem(const struct session *s)
{
	return json_array_get(s->problems, 0);
}

const char *session_problem_text(const struct session *s)
{
	return json_string_value(json_object_get(session_problem(s), "text"));
}

/* The first record under tuned/records of this family, problem and arch (NULL: any); *arch_of is the record's. */
static int find_record(struct session *s, char **path, char **arch_of, struct err *e)
{
	char *pattern = fs_join(s->o.root, "tuned/records/*.jsonl.gz");
	glob_t g = { 0 };
	int rc = 0;

	*path = NULL;
	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc && !*path && rc == 0; i++) {
			json_t *records = NULL, *run;
			const char *kernel, *problem, *arch;

			rc = journal_read(g.gl_pathv[i], &records, e);
			run = json_array_get(records, 0);
			kernel = json_string_value(json_object_get(run, "kernel"));
			problem = json_string_value(json_object_get(run, "problem"));
			arch = json_string_value(json_object_get(run, "arch"));
			if (rc == 0 && kernel && problem && arch && strcmp(kernel, s->o.kernel) == 0 &&
			    strcmp(problem, session_problem_text(s)) == 0 && (!s->o.arch || strcmp(arch, s->o.arch) == 0)) {
				*path = strdup(g.gl_pathv[i]);
				*arch_of = strdup(arch);
			}
			json_decref(records);
		}
	}
	globfree(&g);
	free(pattern);
	return rc;
}

static int start_replay(struct session *s, struct err *e)
{
	struct buf command;
	int rc;

	buf_init(&command);
	buf_addf(&command, "'%s' --replay '%s'", s->attune_run, s->record);
	free(s->runner_command);
	s->runner_command = buf_take(&command);
	runner_stop(s->runner);
	s->runner = NULL;
	rc = runner_start(&s->runner, s->runner_command, RUNNER_START_S, e);
	if (rc == 0 && !json_is_object(json_object_get(runner_hello(s->runner), "replay")))
		rc = err_set(e, "%s: the runner does not replay it", s->record);
	return rc;
}

/* Why the GPU cannot be used, in words; NULL when it can. */
static const char *no_gpu(const struct session *s, const char **arch, char *why, size_t size)
{
	const json_t *hello = runner_hello(s->runner), *device = json_object_get(hello, "device");
	const char *own = json_string_value(json_object_get(device, "arch"));
	const json_t *cc = json_object_get(device, "cc");
	bool translated;

	if (!own) {
		const char *text = json_string_value(json_object_get(hello, "why"));

		snprintf(why, size, "%s", text ? text : "no GPU");
		return why;
	}
	*arch = s->o.arch ? s->o.arch : own;
	if (!session_arch_runs(*arch, (int)json_integer_value(json_array_get(cc, 0)),
			       (int)json_integer_value(json_array_get(cc, 1)), &translated)) {
		snprintf(why, size, "code for %s does not run on this machine's %s (%s)", *arch,
			 json_string_value(json_object_get(device, "name")), own);
		return why;
	}
	return NULL;
}

static int choose_mode(struct session *s, struct err *e)
{
	char why[600] = "", *found = NULL, *found_arch = NULL;
	const char *arch = NULL;
	struct buf line;
	int rc;

	if (s->o.record) {
		s->record = strdup(s->o.record);
		rc = start_replay(s, e);
		if (rc == 0) {
			s->mode = SESSION_REPLAY;
			s->arch = strdup(s->o.arch ? s->o.arch
						   : json_string_value(json_object_get(
							     json_object_get(runner_hello(s->runner), "device"), "arch")));
		}
		return rc;
	}
	rc = runner_start(&s->runner, s->runner_command, RUNNER_START_S, e);
	if (rc < 0)
		return rc;
	if (!no_gpu(s, &arch, why, sizeof(why))) {
		s->mode = SESSION_LIVE;
		s->arch = strdup(arch);
		return 0;
	}
	if (s->o.runner && !json_object_get(runner_hello(s->runner), "replay") && !s->o.any_image)
		return err_set(e, "RUNNER=%s has no GPU to tune on: %s", s->o.runner, why);
	rc = find_record(s, &found, &found_arch, e);
	if (rc < 0)
		return rc;
	buf_init(&line);
	if (found) {
		s->mode = SESSION_REPLAY;
		s->record = found;
		s->arch = found_arch;
		buf_addf(&line, "%s: replaying the recorded run %s", why, strrchr(found, '/') + 1);
		rc = start_replay(s, e);
	} else if (s->o.arch) {
		s->mode = SESSION_STATIC;
		s->arch = strdup(s->o.arch);
		runner_stop(s->runner);
		s->runner = NULL;
		buf_addf(&line, "%s, and no recorded run of this problem for %s: nothing will be timed", why, s->arch);
	} else {
		rc = err_set(e, "%s, and no recorded run of this problem: give ARCH=sm_XX to compile and rank without timing, "
				"or RUNNER= to tune on another machine", why);
	}
	if (rc == 0 && s->o.say)
		s->o.say(s->o.say_to, buf_text(&line));
	buf_free(&line);
	return rc;
}

static int take_device(struct session *s, struct err *e)
{
	if (s->mode == SESSION_STATIC)
		return chip_device(s->arch, &s->device, e);
	s->device = json_incref(json_object_get(runner_hello(s->runner), "device"));
	return s->device ? 0 : err_set(e, "the runner's greeting names no device");
}

/* What legal() and launch() are asked about: the device, or, when the driver translates code for an older chip, that chip's
 * instructions on this device. */
static int set_script_device(struct session *s, struct err *e)
{
	json_t *seen = json_deep_copy(s->device);
	const char *digits = strchr(s->arch, '_');
	int cc = digits ? atoi(digits + 1) : 0, rc;

	if (s->mode == SESSION_LIVE && cc > 0) {
		json_object_set_new(seen, "arch", json_string(s->arch));
		json_object_set_new(seen, "cc", json_pack("[i, i]", cc / 10, cc % 10));
	}
	rc = script_set_device(s->script, seen, e);
	json_decref(seen);
	return rc;
}

static int take_problem(struct session *s, struct err *e)
{
	json_t *problem = NULL, *odd = NULL;
	int rc = script_problem(s->script, s->o.problem, &problem, e);

	if (rc == 0)
		rc = script_odd_problems(s->script, problem, &odd, e);
	if (rc == 0) {
		s->problems = json_array();
		json_array_append(s->problems, problem);
		json_array_extend(s->problems, odd);
	}
	json_decref(problem);
	json_decref(odd);
	return rc;
}

static int take_specs(struct session *s, struct err *e)
{
	size_t i;
	json_t *problem;

	s->specs = json_array();
	json_array_foreach(s->problems, i, problem) {
		json_t *spec = NULL;

		if (script_spec(s->script, problem, &spec, e) < 0)
			return -1;
		json_array_append_new(s->specs, spec);
	}
	return 0;
}

/* attune-run stands beside this program. */
static char *beside(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n <= 0)
		return strdup(name);
	self[n] = 0;
	slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	return fs_join(self, name);
}

int session_open(struct session *s, const struct session_options *o, struct err *e)
{
	struct script_options so = { .root = o->root, .kernel = o->kernel, .policy = o->policy, .log = o->say,
				     .log_to = o->say_to };
	struct nvcc_options no = { .program = o->nvcc, .jobs = o->jobs, .time_limit_s = o->compile_limit_s };
	char *cache = NULL;
	int rc;

	memset(s, 0, sizeof(*s));
	s->o = *o;
	s->attune_run = beside("attune-run");
	if (o->runner) {
		s->runner_command = strdup(o->runner);
	} else {
		struct buf quoted;

		buf_init(&quoted);
		buf_addf(&quoted, "'%s'", s->attune_run);
		s->runner_command = buf_take(&quoted);
	}
	if (no.jobs <= 0)
		no.jobs = sysconf(_SC_NPROCESSORS_ONLN);
	if (o->cache) {
		cache = strdup(o->cache);
	} else {
		char *build = fs_join(o->root, "build");

		cache = fs_join(build, o->kernel);
		free(build);
	}
	no.cache = cache;
	rc = nvcc_open(&s->nvcc, &no, e);
	if (rc == 0 && o->arch)
		rc = nvcc_check_arch(s->nvcc, o->arch, e);
	if (rc == 0)
		rc = script_open(&s->script, &so, e);
	if (rc == 0)
		rc = take_problem(s, e);
	if (rc == 0)
		rc = choose_mode(s, e);
	if (rc == 0)
		rc = take_device(s, e);
	if (rc == 0)
		rc = set_script_device(s, e);
	if (rc == 0)
		rc = take_specs(s, e);
	free(cache);
	if (rc < 0)
		session_close(s);
	return rc;
}

int session_restart(struct session *s, struct err *e)
{
	runner_stop(s->runner);
	s->runner = NULL;
	s->problem_sent = false;
	return runner_start(&s->runner, s->runner_command, RUNNER_START_S, e);
}

void session_close(struct session *s)
{
	runner_stop(s->runner);
	nvcc_close(s->nvcc);
	script_close(s->script);
	json_decref(s->device);
	json_decref(s->problems);
	json_decref(s->specs);
	free(s->arch);
	free(s->runner_command);
	free(s->attune_run);
	free(s->record);
	memset(s, 0, sizeof(*s));
}
