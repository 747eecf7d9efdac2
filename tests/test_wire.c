/* wire: frames survive any cutting of the stream, and nothing that a hostile peer sends is believed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attune/proc.h"
#include "attune/stats.h"
#include "attune/wire.h"
#include "scratch.h"

static void put32(char *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (char)(v >> (8 * i));
}

/* A frame by hand: not through the code under test. */
static void frame(struct buf *b, const void *json, size_t json_len, const void *blob, size_t blob_len)
{
	char head[12] = "ATN1";

	put32(head + 4, (uint32_t)json_len);
	put32(head + 8, (uint32_t)blob_len);
	buf_add(b, head, 12);
	buf_add(b, json, json_len);
	buf_add(b, blob, blob_len);
}

static int decode_json(const void *json, size_t len, struct err *e)
{
	struct buf in = {0}, blob = {0};
	json_t *head = NULL;
	int rc;

	frame(&in, json, len, NULL, 0);
	rc = wire_decode(&in, &head, &blob, e);
	ck_assert((rc > 0) == (head != NULL));
	json_decref(head);
	buf_free(&in);
	buf_free(&blob);
	return rc;
}

START_TEST(the_format)
{
	json_t *head = json_pack("{s:s, s:i}", "type", "load", "id", 7), *back;
	struct buf got = {0}, want = {0}, blob = {0};

	ck_assert_int_eq(wire_encode(&got, head, "\0\1\2", 3, NULL), 0);
	frame(&want, "{\"type\":\"load\",\"id\":7}", 22, "\0\1\2", 3);
	ck_assert_uint_eq(got.len, want.len);
	ck_assert_int_eq(memcmp(got.data, want.data, got.len), 0);
	ck_assert_int_eq(wire_decode(&got, &back, &blob, NULL), 1);
	ck_assert(json_equal(head, back));
	ck_assert_str_eq(wire_type(back), "load");
	ck_assert_uint_eq(blob.len, 3);
	ck_assert_int_eq(memcmp(blob.data, "\0\1\2", 3), 0);
	ck_assert_uint_eq(got.len, 0);
	json_decref(head);
	json_decref(back);
	buf_free(&got);
	buf_free(&want);
	buf_free(&blob);
}
END_TEST

/* Three frames; at every byte where the stream may be cut, what is before the cut decodes and the rest after it. */
START_TEST(cut_at_every_byte)
{
	json_t *heads[3] = {json_pack("{s:s}", "type", "a"), json_pack("{s:s, s:f}", "type", "b", "x", 0.1),
			    json_pack("{s:s, s:[i,i]}", "type", "c", "list", 1, 2)};
	static const char *const blobs[3] = {"", "blob \n of b", "c"};
	struct buf all = {0};

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(wire_encode(&all, heads[i], blobs[i], strlen(blobs[i]), NULL), 0);
	for (size_t cut = 0; cut <= all.len; cut++) {
		struct buf in = {0}, blob = {0};
		int seen = 0, rc;

		for (int half = 0; half < 2; half++) {
			json_t *head;

			buf_add(&in, all.data + (half ? cut : 0), half ? all.len - cut : cut);
			while ((rc = wire_decode(&in, &head, &blob, NULL)) == 1) {
				ck_assert(json_equal(head, heads[seen]));
				ck_assert_str_eq(buf_text(&blob), blobs[seen]);
				ck_assert_uint_eq(blob.len, strlen(blobs[seen]));
				json_decref(head);
				seen++;
			}
			ck_assert_int_eq(rc, 0);
			ck_assert_ptr_null(head);
			ck_assert_int_eq(buf_text(&in)[in.len], 0);
		}
		ck_assert_int_eq(seen, 3);
		ck_assert_uint_eq(in.len, 0);
		buf_free(&in);
		buf_free(&blob);
	}
	for (int i = 0; i < 3; i++)
		json_decref(heads[i]);
	buf_free(&all);
}
END_TEST

START_TEST(bad_magic)
{
	static const char *const bad[] = {"X", "AT1N", "ATN2", "Welcome to box\nATN1", "\n"};
	struct buf in = {0};
	json_t *head;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err e = {0};

		buf_clear(&in);
		buf_adds(&in, bad[i]);
		ck_assert_int_lt(wire_decode(&in, &head, NULL, &e), 0);
		ck_assert_ptr_nonnull(strstr(e.text, "does not speak attune's protocol"));
		if (i == 3)
			ck_assert_ptr_nonnull(strstr(e.text, "\"Welcome to box\""));
	}
	/* So far right. */
	buf_clear(&in);
	buf_adds(&in, "AT");
	ck_assert_int_eq(wire_decode(&in, &head, NULL, NULL), 0);
	buf_free(&in);
}
END_TEST

/* Twelve bytes may announce anything; memory is not taken for it. */
START_TEST(sizes_are_bounded)
{
	static const uint32_t sizes[][2] = {{WIRE_JSON_MAX + 1, 0}, {2, WIRE_BLOB_MAX + 1}, {UINT32_MAX, UINT32_MAX}};
	char head[13] = "ATN1";
	struct buf in = {0};
	json_t *json;

	for (size_t i = 0; i < 3; i++) {
		struct err e = {0};

		put32(head + 4, sizes[i][0]);
		put32(head + 8, sizes[i][1]);
		buf_clear(&in);
		buf_add(&in, head, 12);
		ck_assert_int_eq(wire_decode(&in, &json, NULL, &e), ERR_LIMIT);
		ck_assert_ptr_nonnull(strstr(e.text, "more than"));
	}
	put32(head + 4, WIRE_JSON_MAX);
	put32(head + 8, WIRE_BLOB_MAX);
	buf_clear(&in);
	buf_add(&in, head, 12);
	ck_assert_int_eq(wire_decode(&in, &json, NULL, NULL), 0);
	ck_assert_uint_lt(in.cap, 4096);
	buf_free(&in);
}
END_TEST

static const struct {
	const char *json;
	size_t len;
} hostile[] = {
#define J(s) {s, sizeof(s) - 1}
	J(""), J(" "), J("{"), J("[]"), J("\"type\""), J("7"), J("null"), J("{}"), J("{\"type\":7}"), J("{\"type\":null}"),
	J("{\"type\":\"a\",\"type\":\"b\"}"), J("{\"type\":\"a\",\"x\":{\"y\":1,\"y\":2}}"), J("{\"type\":\"a\"}x"),
	J("{\"type\":\"a\"}{}"), J("{\"type\":\"a\"}\0"), J("{\"type\":\"a\0\"}"), J("{\"type\":\"a\\u0000\"}"),
	J("{\"type\":\"a\",\"\\u0000\":1}"), J("\0\0\0\0"), J("{\"type\":\"\xff\xfe\"}"), J("{\"type\":\"\\ud800\"}"),
	J("{\"type\":\"a\",\"x\":1e999}"), J("{\"type\":\"a\",\"x\":NaN}"), J("{\"type\":\"a\",\"x\":Infinity}"),
	J("{\"type\":\"a\",\"x\":99999999999999999999999}"), J("{'type':'a'}"), J("{\"type\":\"a\",}"),
	J("{\"type\":\"a\"/**/}"), J("\xef\xbb\xbf{\"type\":\"a\"}"),
#undef J
};

START_TEST(hostile_json)
{
	struct err e = {0};

	ck_assert_int_lt(decode_json(hostile[_i].json, hostile[_i].len, &e), 0);
	ck_assert_str_ne(e.text, "");
	ck_assert_ptr_null(strchr(e.text, '\n'));
}
END_TEST

START_TEST(deep_nesting)
{
	static const char *const opens[] = {"[", "{\"a\":"};

	for (size_t k = 0; k < 2; k++) {
		struct buf b = {0};

		buf_adds(&b, "{\"type\":\"a\",\"x\":");
		while (b.len < WIRE_JSON_MAX - 100)
			buf_adds(&b, opens[k]);
		ck_assert_int_lt(decode_json(b.data, b.len, NULL), 0);
		buf_free(&b);
	}
}
END_TEST

/* Flips, cuts and repeats of a good stream: an answer of some kind, never a crash, never bytes out of nowhere. */
START_TEST(any_damage)
{
	json_t *head = json_pack("{s:s, s:{s:[i,f,s]}}", "type", "trial", "a", "b", 1, 2.5, "text");
	struct buf good = {0};
	struct stats_rng r;

	stats_rng_seed(&r, (uint64_t)_i + 100);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(wire_encode(&good, head, "blob", 4, NULL), 0);
	for (int round = 0; round < 3000; round++) {
		struct buf in = {0}, blob = {0};
		size_t given;
		json_t *got;
		int rc, n = 0;

		buf_add(&in, good.data, 1 + stats_rng_below(&r, good.len));
		for (uint64_t flips = stats_rng_below(&r, 4); flips; flips--)
			in.data[stats_rng_below(&r, in.len)] = (char)stats_rng_below(&r, 256);
		given = in.len;
		while ((rc = wire_decode(&in, &got, &blob, NULL)) == 1) {
			ck_assert(json_is_object(got));
			ck_assert_uint_lt(in.len, given);
			given = in.len;
			json_decref(got);
			n++;
		}
		ck_assert_int_le(n, 3);
		ck_assert(rc <= 0);
		buf_free(&in);
		buf_free(&blob);
	}
	json_decref(head);
	buf_free(&good);
}
END_TEST

START_TEST(what_cannot_be_sent)
{
	json_t *head = json_pack("{s:s}", "type", "a"), *list = json_array(), *none = json_object();
	struct buf out = {0}, big = {0};
	struct err e = {0};

	buf_adds(&out, "before");
	ck_assert_int_lt(wire_encode(&out, list, NULL, 0, NULL), 0);
	ck_assert_int_lt(wire_encode(&out, none, NULL, 0, NULL), 0);
	ck_assert_int_lt(wire_encode(&out, NULL, NULL, 0, NULL), 0);
	ck_assert_int_eq(wire_encode(&out, head, "", (size_t)WIRE_BLOB_MAX + 1, &e), ERR_LIMIT);
	json_object_set_new(head, "x", json_stringn("a\0b", 3));
	err_clear(&e);
	ck_assert_int_lt(wire_encode(&out, head, NULL, 0, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "NUL"));
	json_object_set_new(head, "x", json_string("\\u0000 is no NUL, \\\\u0000 neither"));
	ck_assert_str_eq(out.data, "before");
	ck_assert_int_eq(wire_encode(&out, head, NULL, 0, NULL), 0);
	buf_reserve(&big, WIRE_JSON_MAX);
	memset(big.data, 'x', WIRE_JSON_MAX);
	big.data[WIRE_JSON_MAX] = '\0';
	json_object_set_new(head, "x", json_string(big.data));
	err_clear(&e);
	ck_assert_int_eq(wire_encode(&out, head, NULL, 0, &e), ERR_LIMIT);
	json_decref(head);
	json_decref(list);
	json_decref(none);
	buf_free(&out);
	buf_free(&big);
}
END_TEST

START_TEST(type_of_anything)
{
	json_t *number = json_integer(1), *odd = json_pack("{s:i}", "type", 1);

	ck_assert_str_eq(wire_type(NULL), "");
	ck_assert_str_eq(wire_type(number), "");
	ck_assert_str_eq(wire_type(odd), "");
	json_decref(number);
	json_decref(odd);
}
END_TEST

/* Through a pipe smaller than a frame, to a reader that is slow, from an end that does not block. */
START_TEST(pipes)
{
	static char data[3000000];
	int ends[2], status;
	pid_t child;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 31 >> 3);
	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	if (!child) {
		json_t *head = json_pack("{s:s}", "type", "big");

		close(ends[0]);
		fcntl(ends[1], F_SETFL, O_NONBLOCK);
		_exit(wire_send(ends[1], head, data, sizeof(data), NULL) || wire_send(ends[1], head, "x", 1, NULL));
	}
	close(ends[1]);
	{
		struct buf in = {0}, blob = {0};
		struct err e = {0};
		json_t *head;

		ck_assert_int_eq(wire_recv(ends[0], &in, &head, &blob, 20000, NULL), 0);
		json_decref(head);
		ck_assert_uint_eq(blob.len, sizeof(data));
		ck_assert_int_eq(memcmp(blob.data, data, sizeof(data)), 0);
		ck_assert_int_eq(wire_recv(ends[0], &in, &head, &blob, 20000, NULL), 0);
		ck_assert_str_eq(wire_type(head), "big");
		json_decref(head);
		ck_assert_str_eq(blob.data, "x");
		ck_assert_int_eq(wire_recv(ends[0], &in, &head, &blob, 20000, &e), ERR_EOF);
		buf_free(&in);
		buf_free(&blob);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

static void ignore_it(int signo)
{
	(void)signo;
}

START_TEST(ends_and_timeouts)
{
	struct sigaction act = {.sa_handler = ignore_it};
	json_t *head = json_pack("{s:s}", "type", "a"), *got;
	struct buf in = {0}, all = {0};
	struct err e = {0};
	double start = proc_now_s();
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGALRM, &act, NULL);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(wire_recv(ends[0], &in, &got, NULL, 300, &e), ERR_LIMIT);
	ck_assert_double_ge(proc_now_s() - start, 0.29);
	ck_assert_double_lt(proc_now_s() - start, 60);
	ck_assert_int_eq(wire_encode(&all, head, "blob", 4, NULL), 0);
	/* Half a frame, a timeout, an interruption, the other half: nothing is lost. */
	ck_assert_int_eq(write(ends[1], all.data, 9), 9);
	ck_assert_int_eq(wire_recv(ends[0], &in, &got, NULL, 50, NULL), ERR_LIMIT);
	alarm(1);
	ck_assert_int_eq(wire_recv(ends[0], &in, &got, NULL, -1, NULL), ERR_INTR);
	ck_assert_int_eq(write(ends[1], all.data + 9, all.len - 9), (ssize_t)all.len - 9);
	ck_assert_int_eq(wire_recv(ends[0], &in, &got, NULL, 0, NULL), 0);
	json_decref(got);
	/* An end inside a frame is not a clean one. */
	ck_assert_int_eq(write(ends[1], all.data, all.len - 1), (ssize_t)all.len - 1);
	close(ends[1]);
	err_clear(&e);
	ck_assert_int_eq(wire_recv(ends[0], &in, &got, NULL, 1000, &e), ERR_FAIL);
	ck_assert_ptr_nonnull(strstr(e.text, "inside a frame"));
	close(ends[0]);
	/* Nobody reads. */
	ck_assert_int_eq(pipe(ends), 0);
	close(ends[0]);
	ck_assert_int_eq(wire_send(ends[1], head, NULL, 0, NULL), ERR_EOF);
	close(ends[1]);
	ck_assert_int_eq(wire_send(ends[1], head, NULL, 0, NULL), ERR_FAIL);
	json_decref(head);
	buf_free(&in);
	buf_free(&all);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("wire");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, the_format);
	tcase_add_test(c, cut_at_every_byte);
	tcase_add_test(c, bad_magic);
	tcase_add_test(c, sizes_are_bounded);
	tcase_add_loop_test(c, hostile_json, 0, sizeof(hostile) / sizeof(hostile[0]));
	tcase_add_test(c, deep_nesting);
	tcase_add_loop_test(c, any_damage, 0, 4);
	tcase_add_test(c, what_cannot_be_sent);
	tcase_add_test(c, type_of_anything);
	tcase_add_test(c, pipes);
	tcase_add_test(c, ends_and_timeouts);
	return scratch_run("wire", c);
}
