/* wire: the frames between host and runner, and between the runner and its children.
 *
 * One frame: 4 bytes "ATN1", uint32 json_bytes, uint32 blob_bytes (both little-endian), the JSON header, the blob.
 * json_bytes <= 4 MiB, blob_bytes <= 256 MiB, checked before anything is allocated. The header is one JSON object
 * with a string member "type". A peer's first frame is its greeting, type "hello", with "protocol": WIRE_PROTOCOL.
 *
 * host -> runner                                          runner -> host
 *   (on start)                                              hello {protocol, runner, device|null, replay|null, why?}
 *   problem {problems:[spec...]}      blob reference image    ready {}  | error {text}
 *   load {id}                         blob cubin or PTX       (no answer)
 *   unload {id}                                               (no answer)
 *   trial {id, candidate, launches:[...], incumbent?}         result {id, verdict, why, time_us, ...}
 *   judge {id, candidate, launches:[...]}                     result (as trial, without timing)
 *   baseline {name, program|id...}    blob program text       baseline {name, entries:[{name, time_us, ...}] | why}
 *   champion {ids:[...], ...}                                 champion {entries:[...], noise:{...}}
 *   quit {}                                                   (ends)
 * The members are described where they are filled: include/attune/messages.md. */
#ifndef ATTUNE_WIRE_H
#define ATTUNE_WIRE_H
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "attune/buf.h"
#include "attune/err.h"

#define WIRE_PROTOCOL 1
#define WIRE_JSON_MAX (4u << 20)
#define WIRE_BLOB_MAX (256u << 20)

/* Appends one encoded frame to out. blob may be NULL when blob_len is 0. */
int wire_encode(struct buf *out, const json_t *head, const void *blob, size_t blob_len, struct err *e);

/* Takes the first whole frame out of a buffer of received bytes. 1: *head (a new reference) and blob are filled and the
 * bytes consumed; 0: more bytes are needed; negative: the stream is broken (bad magic, size or JSON) and unusable. */
int wire_decode(struct buf *in, json_t **head, struct buf *blob, struct err *e);

/* Blocking forms over a file descriptor. timeout_ms -1: for ever. wire_recv keeps what it read beyond the frame in
 * `in`, which belongs to the connection. 0: a frame came; ERR_EOF on a clean end between frames, ERR_LIMIT on a timeout,
 * ERR_INTR when a signal came; what had arrived by then is kept, so the call can be repeated. A writer to a pipe ignores
 * SIGPIPE and gets ERR_EOF when nobody reads any more. */
int wire_send(int fd, const json_t *head, const void *blob, size_t blob_len, struct err *e);
int wire_recv(int fd, struct buf *in, json_t **head, struct buf *blob, int timeout_ms, struct err *e);

/* The "type" member, "" when absent. */
const char *wire_type(const json_t *head);

#endif
