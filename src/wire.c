/* wire: encodes and decodes frames, and sends and receives them over a file descriptor.
 * Knows no message but for its "type".
 * Whatever a peer sends is checked before it is believed: magic at its first byte, sizes before memory is taken for
 * them, JSON without repeated keys or NULs in strings; memory grows with what has arrived, not with what is said. */
#include "attune/wire.h"
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "attune/proc.h"

static const char wire_magic[4] = {'A', 'T', 'N', '1'};
enum { WIRE_HEAD = 12 };

static void wire_put32(unsigned char *to, size_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (unsigned char)(v >> (8 * i));
}

static size_t wire_get32(const char *from)
{
	const unsigned char *p = (const unsigned char *)from;

	return p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
}

/* Whether JSON text holds an escaped NUL, which no reader of C strings can carry and the decoder refuses. */
static bool wire_has_nul(const char *text)
{
	for (const char *p = text; (p = strchr(p, '\\')); p += 2)
		if (!strncmp(p, "\\u0000", 6))
			return true;
	return false;
}

/* The JSON of a head, malloc'ed, when it may be sent. */
static int wire_dump(char **text, const json_t *head, struct err *e)
{
	const char *type = wire_type(head);
	size_t len;
	int rc;

	if (!json_is_string(json_object_get(head, "type")))
		return err_set(e, "a message without a \"type\" cannot be sent");
	*text = json_dumps(head, JSON_COMPACT);
	if (!*text)
		return err_set(e, "a %s message cannot be written as JSON", type);
	len = strlen(*text);
	if (len > WIRE_JSON_MAX)
		rc = err_set_code(e, ERR_LIMIT, "the head of a %s message has %zu bytes, more than the %u allowed", type,
				  len, WIRE_JSON_MAX);
	else if (wire_has_nul(*text))
		rc = err_set(e, "a %s message holds a text with a NUL in it", type);
	else
		return 0;
	free(*text);
	return rc;
}

int wire_encode(struct buf *out, const json_t *head, const void *blob, size_t blob_len, struct err *e)
{
	unsigned char fixed[WIRE_HEAD];
	size_t len;
	char *text = NULL;
	int rc;

	if (blob_len > WIRE_BLOB_MAX)
		return err_set_code(e, ERR_LIMIT, "a %s message with %zu bytes of data, more than the %u allowed",
				    wire_type(head), blob_len, WIRE_BLOB_MAX);
	rc = wire_dump(&text, head, e);
	if (rc)
		return rc;
	len = strlen(text);
	memcpy(fixed, wire_magic, sizeof(wire_magic));
	wire_put32(fixed + 4, len);
	wire_put32(fixed + 8, blob_len);
	buf_reserve(out, sizeof(fixed) + len + blob_len);
	buf_add(out, fixed, sizeof(fixed));
	buf_add(out, text, len);
	buf_add(out, blob, blob_len);
	free(text);
	return 0;
}

/* What arrived instead of a frame is most often a line that a remote shell printed: show its beginning. */
static int wire_bad_magic(const struct buf *in, struct err *e)
{
	char shown[49];
	size_t n = 0;

	while (n < in->len && n < sizeof(shown) - 1 && in->data[n] != '\n') {
		shown[n] = isprint((unsigned char)in->data[n]) ? in->data[n] : '?';
		n++;
	}
	shown[n] = '\0';
	return err_set(e, "the other side does not speak attune's protocol; it sent \"%s\"", shown);
}

int wire_decode(struct buf *in, json_t **head, struct buf *blob, struct err *e)
{
	size_t json_len, blob_len, total;
	size_t seen = in->len < sizeof(wire_magic) ? in->len : sizeof(wire_magic);
	json_error_t why;

	*head = NULL;
	if (seen && memcmp(in->data, wire_magic, seen))
		return wire_bad_magic(in, e);
	if (in->len < WIRE_HEAD)
		return 0;
	json_len = wire_get32(in->data + 4);
	blob_len = wire_get32(in->data + 8);
	if (json_len > WIRE_JSON_MAX || blob_len > WIRE_BLOB_MAX)
		return err_set_code(e, ERR_LIMIT, "a frame announces %zu + %zu bytes, more than the %u + %u allowed",
				    json_len, blob_len, WIRE_JSON_MAX, WIRE_BLOB_MAX);
	total = WIRE_HEAD + json_len + blob_len;
	if (in->len < total)
		return 0;
	*head = json_loadb(in->data + WIRE_HEAD, json_len, JSON_REJECT_DUPLICATES, &why);
	if (!*head)
		return err_set(e, "a frame's head is not JSON: %s at byte %d", why.text, why.position);
	if (!json_is_string(json_object_get(*head, "type"))) {
		json_decref(*head);
		*head = NULL;
		return err_set(e, "a frame's head is not an object with a \"type\"");
	}
	if (blob) {
		buf_clear(blob);
		buf_add(blob, in->data + WIRE_HEAD + json_len, blob_len);
	}
	in->len -= total;
	memmove(in->data, in->data + total, in->len + 1);
	return 1;
}

/* Waits for events on fd until the deadline (a proc_now_s time; negative: for ever). */
static int wire_poll(int fd, short events, double deadline, struct err *e)
{
	struct pollfd p = {.fd = fd, .events = events};
	double left = deadline - proc_now_s();
	int n;

	if (deadline < 0)
		n = poll(&p, 1, -1);
	else
		n = poll(&p, 1, left > 0 ? (int)(left * 1e3) + 1 : 0);
	if (n < 0 && errno == EINTR)
		return err_set_code(e, ERR_INTR, "interrupted");
	if (n < 0)
		return err_sys(e, "poll");
	if (!n)
		return err_set_code(e, ERR_LIMIT, "no answer in time");
	return 0;
}

static int wire_write(int fd, const char *data, size_t len, struct err *e)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			/* A frame half sent cannot be taken back, so a signal does not end it. */
			struct pollfd p = {.fd = fd, .events = POLLOUT};

			poll(&p, 1, -1);
		} else if (errno == EPIPE) {
			return err_set_code(e, ERR_EOF, "the other side has closed the connection");
		} else if (errno != EINTR) {
			return err_sys(e, "sending a frame");
		}
	}
	return 0;
}

int wire_send(int fd, const json_t *head, const void *blob, size_t blob_len, struct err *e)
{
	struct buf out = {0};
	int rc;

	rc = wire_encode(&out, head, blob, blob_len, e);
	if (!rc)
		rc = wire_write(fd, out.data, out.len, e);
	buf_free(&out);
	return rc;
}

int wire_recv(int fd, struct buf *in, json_t **head, struct buf *blob, int timeout_ms, struct err *e)
{
	double deadline = timeout_ms < 0 ? -1 : proc_now_s() + timeout_ms / 1e3;
	int rc;

	while (!(rc = wire_decode(in, head, blob, e))) {
		ssize_t n;

		rc = wire_poll(fd, POLLIN, deadline, e);
		if (rc)
			return rc;
		buf_reserve(in, 65536);
		n = read(fd, in->data + in->len, 65536);
		if (n > 0) {
			in->len += (size_t)n;
			in->data[in->len] = '\0';
		} else if (n == 0 && !in->len) {
			return err_set_code(e, ERR_EOF, "the other side has closed the connection");
		} else if (n == 0) {
			return err_set(e, "the other side ended inside a frame, after %zu bytes of it", in->len);
		} else if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) {
			return err_sys(e, "receiving a frame");
		}
	}
	return rc < 0 ? rc : 0;
}

const char *wire_type(const json_t *head)
{
	const char *type = json_string_value(json_object_get(head, "type"));

	return type ? type : "";
}
