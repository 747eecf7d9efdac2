/* tune_report: what a person sees: a live line on a terminal, plain lines elsewhere, and the closing tables. Everything goes
 * to standard output; numbers come from the trials and from nowhere else. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "attune/claim.h"
#include "attune/proc.h"
#include "attune/tune.h"

#define TABLE_ROWS 8

static bool terminal(void)
{
	return isatty(STDOUT_FILENO);
}

static const char *unit(const struct tune *t)
{
	return t->s.mode == SESSION_STATIC ? "score" : "us";
}

void tune_report_line(struct tune *t, const char *fmt, ...)
{
	va_list ap;

	(void)t;
	if (terminal())
		fputs("\r\033[K", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* Where and when replayed times come from. Runs from before runs had a date do not say when. */
static void report_replay(struct tune *t, const char *name, const char *driver)
{
	const json_t *run = json_object_get(json_object_get(runner_hello(t->s.runner), "replay"), "run");
	const char *date = json_string_value(json_object_get(run, "date")), *slash = strrchr(t->s.record, '/');
	const char *toolkit = json_string_value(json_object_get(run, "nvcc"));

	tune_report_line(t, "REPLAY    no kernel runs here: times were recorded on %s (driver %s, toolkit %s), %s%s, %s", name,
			 driver ? driver : "unknown", toolkit ? toolkit : "unknown", date ? "on " : "", date ? date : "date not recorded",
			 slash ? slash + 1 : t->s.record);
}

void tune_report_start(struct tune *t)
{
	const json_t *device = t->s.device;
	const char *name = json_string_value(json_object_get(device, "name"));
	const char *driver = json_string_value(json_object_get(device, "driver"));

	tune_report_line(t, "problem   %s", session_problem_text(&t->s));
	if (t->s.mode == SESSION_LIVE)
		tune_report_line(t, "device    %s, %s%s%s", name, t->s.arch, driver && *driver ? ", driver " : "",
				 driver ? driver : "");
	else if (t->s.mode == SESSION_REPLAY)
		report_replay(t, name, driver);
	else
		tune_report_line(t, "STATIC    nothing is timed: candidates are compiled for %s and ranked by the static model",
				 t->s.arch);
	tune_report_line(t, "compiler  nvcc %s", nvcc_version(t->s.nvcc));
	tune_report_line(t, "policy    %s, seed %llu, %ld trials", t->o.policy_name, (unsigned long long)t->o.seed,
			 t->o.trials);
	tune_report_line(t, "journal   %s/trials.jsonl", t->run_dir);
	if (t->tried_before)
		tune_report_line(t, "resuming  %ld trials are in the journal and are not run again", t->tried_before);
}

const char *tune_short_text(const struct tune *t, const struct slot *slot, struct buf *out)
{
	const json_t *variant =
		session_variant(&t->s, json_string_value(json_object_get(slot->candidate, "variant")));
	json_t *axis;
	size_t i;

	buf_clear(out);
	buf_adds(out, json_string_value(json_object_get(variant, "name")));
	json_array_foreach(json_object_get(variant, "axes"), i, axis) {
		const char *name = json_string_value(json_object_get(axis, "name"));
		const json_t *value = json_object_get(slot->candidate, name);

		if (!value || json_equal(value, json_object_get(axis, "default")))
			continue;
		if (json_is_string(value))
			buf_addf(out, " %s=%s", name, json_string_value(value));
		else
			buf_addf(out, " %s=%lld", name, (long long)json_integer_value(value));
	}
	return buf_text(out);
}

bool tune_took_trial(const struct slot *slot)
{
	return slot->state == SLOT_DONE && !json_object_get(slot->trial, "same_as");
}

static long finished_count(const struct tune *t)
{
	long n = 0;

	for (long i = 0; i < t->n_slots; i++)
		n += tune_took_trial(&t->slots[i]);
	return n;
}

static long ok_count(const struct tune *t)
{
	long n = 0;

	for (long i = 0; i < t->n_slots; i++)
		n += isfinite(tune_time_us(t->slots[i].trial)) && !json_object_get(t->slots[i].trial, "same_as");
	return n;
}

void tune_report_progress(struct tune *t, const struct slot *slot)
{
	const json_t *trial = slot->trial;
	const char *verdict = json_string_value(json_object_get(trial, "verdict"));
	const char *why = json_string_value(json_object_get(trial, "why"));
	double time = tune_time_us(trial), best = t->best >= 0 ? tune_time_us(t->slots[t->best].trial) : INFINITY;
	long done = finished_count(t), fresh = done - t->tried_before;
	double elapsed = proc_now_s() - t->started_s;
	char line[700], gain[96] = "";
	struct buf text;

	if (t->baseline_us > 0 && isfinite(best))
		snprintf(gain, sizeof(gain), "  %.2fx %s %.2f us", t->baseline_us / best, t->baseline_name, t->baseline_us);
	if (terminal()) {
		struct winsize ws = { .ws_col = 100 };
		double left = fresh > 0 ? elapsed / (double)fresh * (double)(t->o.trials - done) : 0;
		char best_text[32] = "-";

		ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws);
		if (isfinite(best))
			snprintf(best_text, sizeof(best_text), "%.2f %s", best, unit(t));
		snprintf(line, sizeof(line), "[%*ld/%ld] gen %lld  best %s%s  right %ld  rejected %ld  %.0f s left",
			 t->o.trials > 99 ? 4 : 2, done, t->o.trials,
			 (long long)json_integer_value(json_object_get(trial, "generation")), best_text, gain, ok_count(t),
			 done - ok_count(t), left);
		printf("\r\033[K%.*s", ws.ws_col > 1 ? ws.ws_col - 1 : 99, line);
		fflush(stdout);
		return;
	}
	if (isfinite(time))
		snprintf(line, sizeof(line), "%9.3f %s", time, unit(t));
	else
		snprintf(line, sizeof(line), "%.160s", why ? why : "");
	buf_init(&text);
	printf("[%*ld/%ld] gen %-2lld %-8s %s  %s\n", t->o.trials > 99 ? 4 : 2, done, t->o.trials,
	       (long long)json_integer_value(json_object_get(trial, "generation")),
	       json_object_get(trial, "same_as") ? "same" : verdict ? verdict : "?", line,
	       tune_short_text(t, slot, &text));
	fflush(stdout);
	buf_free(&text);
}

static int by_time(const void *a, const void *b)
{
	double x = tune_time_us((*(const struct slot *const *)a)->trial);
	double y = tune_time_us((*(const struct slot *const *)b)->trial);

	return (x > y) - (x < y);
}

static const json_t *champion_entry(const struct tune *t, const char *candidate)
{
	const json_t *entries = json_object_get(t->champion, "entries");
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry) {
		const char *have = json_string_value(json_object_get(entry, "candidate"));

		if (have && strcmp(have, candidate) == 0)
			return entry;
	}
	return NULL;
}

static void print_candidates(struct tune *t)
{
	const struct slot **sorted = malloc(sizeof(*sorted) * (size_t)(t->n_slots + 1));
	struct buf text;

	buf_init(&text);
	for (long i = 0; i < t->n_slots; i++)
		sorted[i] = &t->slots[i];
	qsort(sorted, (size_t)t->n_slots, sizeof(*sorted), by_time);
	printf("\n  %10s  %-21s %6s  candidate\n", t->s.mode == SESSION_STATIC ? "score" : "search us",
	       t->s.mode == SESSION_STATIC ? "" : "championship us", t->baseline_us > 0 ? "ratio" : "");
	for (long i = 0, rows = 0; i < t->n_slots && rows < TABLE_ROWS; i++) {
		double time = tune_time_us(sorted[i]->trial);
		const json_t *entry = champion_entry(t, sorted[i]->text);
		char final[64] = "", ratio[16] = "";

		if (!isfinite(time))
			break;
		if (json_object_get(sorted[i]->trial, "same_as"))
			continue;
		rows++;
		if (entry) {
			snprintf(final, sizeof(final), "%.3f [%.3f, %.3f]", json_number_value(json_object_get(entry, "time_us")),
				 json_number_value(json_object_get(entry, "lo_us")),
				 json_number_value(json_object_get(entry, "hi_us")));
			time = json_number_value(json_object_get(entry, "time_us"));
		}
		if (t->baseline_us > 0 && time > 0)
			snprintf(ratio, sizeof(ratio), "%.2fx", t->baseline_us / time);
		printf("  %10.3f  %-21s %6s  %s\n", tune_time_us(sorted[i]->trial), final, ratio,
		       tune_short_text(t, sorted[i], &text));
	}
	buf_free(&text);
	free(sorted);
}

static void print_baselines(const struct tune *t)
{
	json_t *entry;
	size_t i;

	json_array_foreach(t->baselines, i, entry) {
		const char *name = json_string_value(json_object_get(entry, "name"));
		const char *group = json_string_value(json_object_get(entry, "group"));
		const char *why = json_string_value(json_object_get(entry, "why"));
		const json_t *time = json_object_get(entry, "time_us");
		bool same = group && name && strcmp(group, name) == 0;

		if (i == 0)
			printf("\n  %10s  baseline\n", "us");
		if (time)
			printf("  %10.3f  %s%s%s\n", json_number_value(time), same ? "" : group, same ? "" : " ", name);
		else
			printf("  %10s  %s%s%s: %s\n", "-", same ? "" : group, same ? "" : " ", name, why ? why : "not measured");
	}
}

static void print_rejected(const struct tune *t)
{
	json_t *seen = json_object();
	const char *verdict;
	json_t *entry;

	for (long i = 0; i < t->n_slots; i++) {
		const char *v = json_string_value(json_object_get(t->slots[i].trial, "verdict"));
		json_t *r = v ? json_object_get(seen, v) : NULL;

		if (!v || strcmp(v, "ok") == 0 || json_object_get(t->slots[i].trial, "same_as"))
			continue;
		if (!r)
			json_object_set_new(seen, v, json_pack("{s:I, s:O}", "n", (json_int_t)1, "why",
							       json_object_get(t->slots[i].trial, "why")));
		else
			json_object_set_new(r, "n", json_integer(1 + json_integer_value(json_object_get(r, "n"))));
	}
	json_object_foreach(seen, verdict, entry)
		printf("  %10lld  %s: %s\n", (long long)json_integer_value(json_object_get(entry, "n")), verdict,
		       json_string_value(json_object_get(entry, "why")));
	json_decref(seen);
}

/* What the host itself cost, beside compilers and the runner: processor time of this process, and its peak memory. */
static void print_host_cost(const struct tune *t)
{
	struct rusage u;
	double cpu_ms;
	long fresh = t->n_slots - t->tried_before;

	if (getrusage(RUSAGE_SELF, &u) != 0)
		return;
	cpu_ms = 1e3 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		 1e-3 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
	printf("host      this process: %.2f ms of CPU a trial, peak %ld MiB\n", cpu_ms / (double)(fresh > 0 ? fresh : 1),
	       (long)(u.ru_maxrss / 1024));
}

/* NVML's reasons for lowered clocks, by bit. Bit 0 is an idle device, bit 1 clocks that somebody has set, bit 8 a clock of the
 * display: none of them is the device's own doing. */
static void throttle_names(unsigned long long reasons, struct buf *out)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { 2, "power limit" }, { 3, "hardware slowdown" }, { 4, "sync boost" }, { 5, "temperature (software)" },
		      { 6, "temperature (hardware)" }, { 7, "power brake" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (reasons & 1ull << names[i].bit)
			buf_addf(out, "%s%s", out->len ? ", " : "", names[i].name);
}

/* What the championship saw of the device that a reader of its times should know. */
static void print_surroundings(const struct tune *t)
{
	const json_t *states = json_object_get(json_object_get(t->champion, "clocks"), "per_process"), *state;
	long long processes = 0, least = 0, most = 0;
	unsigned long long reasons = 0;
	struct buf names;
	size_t i;

	buf_init(&names);
	json_array_foreach((json_t *)states, i, state) {
		const char *throttle = json_string_value(json_object_get(state, "throttle"));
		const long long n = json_integer_value(json_object_get(state, "processes"));
		const long long mhz = json_integer_value(json_object_get(state, "sm_mhz"));

		processes = n > processes ? n : processes;
		least = mhz > 0 && (least == 0 || mhz < least) ? mhz : least;
		most = mhz > most ? mhz : most;
		reasons |= throttle ? strtoull(throttle, NULL, 16) : 0;
	}
	if (most > 0)
		printf("          clocks at the end of each process: %lld to %lld MHz\n", least, most);
	/* Our own are two. */
	if (processes > 2)
		printf("          WARNING: %lld other process%s on the GPU: times may be theirs as well\n", processes - 2,
		       processes == 3 ? " was" : "es were");
	throttle_names(reasons, &names);
	if (names.len)
		printf("          the GPU lowered its clocks meanwhile (%s): see \"clocks\" in the evidence\n", buf_text(&names));
	buf_free(&names);
}

/* Whether the winner is told apart from the finalist that came nearest. */
static void print_next(const struct tune *t)
{
	size_t entry = 0;
	double ahead;
	const long next = claim_next(t->champion, json_string_value(json_object_get(t->winner, "candidate")), &entry, &ahead);

	if (next < 0)
		return;
	printf("          %.2f%% ahead of the next finalist, which %s\n", 100 * ahead,
	       claim_faster(t->champion, entry, (size_t)next) ? "is more than chance" : "may be chance");
}

void tune_report_final(struct tune *t)
{
	const json_t *entry = json_object_get(t->winner, "championship");
	const json_t *noise = json_object_get(t->champion, "noise");
	double time = entry ? json_number_value(json_object_get(entry, "time_us")) : tune_time_us(t->winner);

	if (terminal())
		fputs("\r\033[K", stdout);
	print_candidates(t);
	print_baselines(t);
	printf("\n  %10ld  right, %ld rejected, %.1f s\n", ok_count(t), finished_count(t) - ok_count(t),
	       proc_now_s() - t->started_s);
	if (t->repeats)
		printf("  %10ld  had machine code that was tried before and took none of the trials\n", t->repeats);
	print_rejected(t);
	printf("\nwinner    %s\n", json_string_value(json_object_get(t->winner, "candidate")));
	if (t->s.mode == SESSION_STATIC)
		printf("          PROVISIONAL: ranked by the static model, nothing was timed. Tune on the device, or from here "
		       "with RUNNER=\"ssh DEVICE attune-run\"\n");
	else if (t->baseline_us > 0)
		printf("          %.3f us, %.2f times as fast as %s (%.3f us)%s\n", time, t->baseline_us / time,
		       t->baseline_name, t->baseline_us, t->s.mode == SESSION_REPLAY ? ", as recorded" : "");
	else
		printf("          %.3f us; no baseline was measured\n", time);
	if (json_is_number(json_object_get(noise, "aa_p95")))
		printf("          noise of the kernel against itself: median %.2f%%, 95%% below %.2f%%\n",
		       100 * json_number_value(json_object_get(noise, "aa_median")),
		       100 * json_number_value(json_object_get(noise, "aa_p95")));
	else if (t->s.mode != SESSION_STATIC)
		printf("          noise of the kernel against itself: not measured\n");
	print_next(t);
	print_surroundings(t);
	print_host_cost(t);
	tune_spent_print(t);
	printf("wrote     %s/%s_best.h  .cu  .json\n", t->o.out, t->s.o.kernel);
	fflush(stdout);
}
