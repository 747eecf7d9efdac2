/* Tests of what attune-run survives, before the stand-in driver: children that are killed from outside, a host that
 * goes away, streams that are no frames, and requests that make no sense. Nothing is left behind by any of them. */
#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blend.h"
#include "scratch.h"

#define RIGHT "FAKE:right us=10\n"
enum { PIDS = 32 };

/* Processes below one, from /proc. */
static int descendants(pid_t of, pid_t *found, int n)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;

	ck_assert_ptr_nonnull(d);
	while ((entry = readdir(d)) && n < PIDS) {
		pid_t pid = (pid_t)atoi(entry->d_name), parent = 0;
		char path[300], state = 0;
		FILE *f;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		f = fopen(path, "r");
		if (f && fscanf(f, "%*d (%*[^)]) %c %d", &state, &parent) == 2 && parent == of && state != 'Z') {
			found[n++] = pid;
			n = descendants(pid, found, n);
		}
		if (f)
			fclose(f);
	}
	closedir(d);
	return n;
}

/* Whether all have ended within a second. */
static bool gone(const pid_t *pids, int n)
{
	for (int tries = 0; tries < 100; tries++) {
		int left = 0;

		for (int i = 0; i < n; i++) {
			char path[64], state = 0;
			FILE *f;

			snprintf(path, sizeof(path), "/proc/%d/stat", (int)pids[i]);
			f = fopen(path, "r");
			left += f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state != 'Z';
			if (f)
				fclose(f);
		}
		if (!left)
			return true;
		usleep(10000);
	}
	return false;
}

static void honest(struct peer *p, const char *when)
{
	json_t *r = blend_trial(p, RIGHT, BLEND_PLAIN);

	ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok"), "%s: %s: %s", when, peer_text(r, "verdict"),
		      peer_text(r, "why"));
	json_decref(r);
}

static void refused(struct peer *p, json_t *head, const char *blob, const char *why)
{
	json_t *answer = peer_ask(p, head, blob, blob ? strlen(blob) : 0);

	ck_assert_msg(!strcmp(peer_text(answer, "type"), "error"), "%s (%s) answered, where '%s' was awaited",
		      peer_text(answer, "type"), peer_text(answer, "why"), why);
	ck_assert_msg(strstr(peer_text(answer, "text"), why) != NULL, "'%s' does not hold '%s'",
		      peer_text(answer, "text"), why);
	json_decref(answer);
}

static json_t *trial(const char *id, json_t *launches)
{
	return json_pack("{s:s, s:s, s:s, s:o}", "type", "trial", "id", id, "candidate", id, "launches", launches);
}

START_TEST(killed_children)
{
	struct peer p;
	pid_t pids[PIDS];
	int n;

	blend_ready(&p);
	honest(&p, "at first");
	n = descendants(p.proc.pid, pids, 0);
	ck_assert_int_ge(n, 2); /* the oracle and the GPU child are processes of their own */
	for (int i = 0; i < n; i++) {
		pid_t now[PIDS];
		int alive = descendants(p.proc.pid, now, 0);

		kill(now[i % alive], SIGKILL);
		honest(&p, "after a kill");
	}
	n = descendants(p.proc.pid, pids, 0);
	for (int i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	honest(&p, "after all were killed");
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

START_TEST(many_losses)
{
	static const char *const images[] = { "FAKE:fault\n", "FAKE:segv\n", "FAKE:exit\n", "FAKE:trap\n" };
	struct peer p;
	double before;

	blend_ready(&p);
	honest(&p, "at first");
	before = proc_now_s();
	for (int i = 0; i < 12; i++) {
		json_t *r = blend_trial(&p, images[i % 4], BLEND_PLAIN);

		ck_assert_str_eq(peer_text(r, "verdict"), "fault");
		json_decref(r);
	}
	ck_assert_msg(proc_now_s() - before < 24, "%.1f s for 12 faults", proc_now_s() - before);
	honest(&p, "after all");
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* A fault that an earlier candidate's leftovers bring about: tried again alone, the candidate is right. One that faults by
 * itself is blamed, after two losses. */
START_TEST(alone_before_blame)
{
	struct peer p;
	json_t *r;

	blend_ready(&p);
	honest(&p, "at first");
	r = blend_trial(&p, "FAKE:crowded\n", BLEND_PLAIN);
	ck_assert_msg(!strcmp(peer_text(r, "verdict"), "ok"), "%s: %s", peer_text(r, "verdict"), peer_text(r, "why"));
	ck_assert_msg(strstr(peer_text(r, "lost"), "ILLEGAL_ADDRESS") != NULL, "lost: '%s'", peer_text(r, "lost"));
	ck_assert_double_gt(json_number_value(json_object_get(r, "restart_ms")), 0);
	ck_assert_double_lt(json_number_value(json_object_get(r, "restart_ms")), 1000);
	json_decref(r);
	r = blend_trial(&p, "FAKE:fault\n", BLEND_PLAIN);
	ck_assert_str_eq(peer_text(r, "verdict"), "fault");
	ck_assert_msg(strstr(peer_text(r, "lost"), "ILLEGAL_ADDRESS") != NULL, "blamed without a second try");
	json_decref(r);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* A device that breaks while the runner lives: an error, and no verdict on any candidate, until it is right again. */
START_TEST(broken_device)
{
	char file[256], setting[300];
	const char *env[] = { setting, NULL };
	struct peer p;
	const int fd = scratch_new_file(file, sizeof(file));

	snprintf(setting, sizeof(setting), "FAKECUDA_BROKEN=%s", file);
	unlink(file);
	blend_start(&p, env);
	json_decref(peer_receive(&p, 30));
	json_decref(peer_ask(&p, json_pack("{s:s, s:o}", "type", "problem", "problems", blend_problems()), "FAKE:reference\n", 15));
	honest(&p, "at first");
	for (int i = 0; i < 2; i++) {
		static const char *const images[] = { RIGHT, "FAKE:fault\n" };

		close(open(file, O_CREAT | O_WRONLY, 0600));
		blend_load(&p, "a", images[i]);
		refused(&p, trial("a", blend_launches(BLEND_PLAIN)), NULL, "known-good probe, twice");
		unlink(file);
		honest(&p, "after it was mended");
	}
	close(fd);
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* The host ends while nothing, and while a hanging candidate, runs. */
START_TEST(host_gone)
{
	for (int hanging = 0; hanging < 2; hanging++) {
		struct peer p;
		pid_t pids[PIDS];
		int n, status;

		blend_ready(&p);
		honest(&p, "at first");
		if (hanging) {
			json_t *head = json_pack("{s:s, s:s, s:s, s:o}", "type", "trial", "id", "h", "candidate", "h",
						 "launches", blend_launches(BLEND_PLAIN));

			blend_load(&p, "h", "FAKE:hang\n");
			peer_send(&p, head, NULL, 0);
			usleep(300000);
		}
		n = descendants(p.proc.pid, pids, 0);
		ck_assert_int_ge(n, 2);
		close(p.from);
		p.from = -1;
		status = peer_close(&p);
		ck_assert_msg(WIFEXITED(status), "status %d", status);
		ck_assert_msg(gone(pids, n), "hanging %d: a child outlived the runner", hanging);
	}
}
END_TEST

START_TEST(runner_killed)
{
	struct peer p;
	pid_t pids[PIDS];
	int n;

	blend_ready(&p);
	honest(&p, "at first");
	n = descendants(p.proc.pid, pids, 0);
	ck_assert_int_ge(n, 2);
	kill(p.proc.pid, SIGKILL);
	ck_assert_msg(gone(pids, n), "a child outlived the runner");
	peer_close(&p);
}
END_TEST

START_TEST(broken_frames)
{
	static const struct {
		const char *bytes;
		size_t len;
	} streams[] = {
		{ "GET / HTTP/1.1\r\n\r\n", 18 },
		{ "ATN1\xff\xff\xff\xff\0\0\0\0", 12 },
		{ "ATN1\x02\0\0\0\xff\xff\xff\xff{}", 14 },
		{ "ATN1\x04\0\0\0\0\0\0\0[{]}", 16 },
		{ "ATN1\x02\0\0\0\0\0\0\0{}", 14 },
		{ "ATN1\x40\0\0\0\0\0\0\0{\"type\"", 19 }, /* and then the end */
	};

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		struct peer p;
		pid_t pids[PIDS];
		char *text;
		int n, status;

		blend_ready(&p);
		n = descendants(p.proc.pid, pids, 0);
		peer_send_raw(&p, streams[i].bytes, streams[i].len);
		close(p.to);
		p.to = -1;
		ck_assert_ptr_null(peer_receive(&p, 20));
		text = peer_errors(&p);
		status = peer_close(&p);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 1, "stream %zu: status %d, said: %s", i,
			      status, text);
		ck_assert_msg(*text && strchr(text, '\n') == text + strlen(text) - 1, "stream %zu: not one line: %s", i,
			      text);
		ck_assert_msg(gone(pids, n), "stream %zu: a child outlived the runner", i);
		free(text);
	}
}
END_TEST

START_TEST(requests_that_make_no_sense)
{
	struct peer p;
	json_t *problems, *launches;

	blend_start(&p, NULL);
	json_decref(peer_receive(&p, 30));
	refused(&p, json_pack("{s:s}", "type", "dance"), NULL, "dance");
	refused(&p, trial("a", blend_launches(BLEND_PLAIN)), NULL, "problem"); /* none was given yet */
	refused(&p, json_pack("{s:s}", "type", "problem"), "FAKE:reference\n", "");
	problems = blend_problems();
	json_object_del(json_array_get(problems, 0), "tensors");
	refused(&p, json_pack("{s:s, s:o}", "type", "problem", "problems", problems), "FAKE:reference\n", "tensors");
	refused(&p, json_pack("{s:s, s:o}", "type", "problem", "problems", blend_problems()), "FAKE:load\n",
		"INVALID_IMAGE");
	ck_assert_int_eq(peer_close(&p), 0);

	blend_ready(&p);
	refused(&p, trial("never loaded", blend_launches(BLEND_PLAIN)), NULL, "never loaded");
	blend_load(&p, "a", RIGHT);
	launches = blend_launches(BLEND_PLAIN);
	json_array_remove(launches, 2);
	refused(&p, trial("a", launches), NULL, "launch");
	refused(&p, trial("a", json_array()), NULL, "launch");
	honest(&p, "after all");
	ck_assert_int_eq(peer_close(&p), 0);
}
END_TEST

/* A reference that is itself wrong, or faults, is never a candidate's fault. */
START_TEST(broken_reference)
{
	static const char *const images[] = { "FAKE:right\n", "FAKE:load\n" };
	struct peer p;

	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		json_t *answer;

		blend_start(&p, NULL);
		json_decref(peer_receive(&p, 30));
		answer = peer_ask(&p, json_pack("{s:s, s:o}", "type", "problem", "problems", blend_problems()),
				  images[i], strlen(images[i]));
		ck_assert_msg(!strcmp(peer_text(answer, "type"), "error"), "%s was accepted as a reference", images[i]);
		json_decref(answer);
		ck_assert_int_eq(peer_close(&p), 0);
	}
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("runner_survival");

	signal(SIGPIPE, SIG_IGN);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, killed_children);
	tcase_add_test(c, many_losses);
	tcase_add_test(c, alone_before_blame);
	tcase_add_test(c, broken_device);
	tcase_add_test(c, host_gone);
	tcase_add_test(c, runner_killed);
	tcase_add_test(c, broken_frames);
	tcase_add_test(c, requests_that_make_no_sense);
	tcase_add_test(c, broken_reference);
	return scratch_run("runner_survival", c);
}
