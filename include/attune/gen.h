/* gen: text that a compiler reads: the flat source of a candidate, and the header of the winner.
 * Knows no CUDA, no Lua and no process; the sources are under gen/. */
#ifndef ATTUNE_GEN_H
#define ATTUNE_GEN_H
#include <jansson.h>
#include <stddef.h>
#include "attune/buf.h"
#include "attune/err.h"

struct gen_source {
	const char *root;     /* folder that holds include/ and kernels/ */
	const char *path;     /* the template, relative to root: kernels/attn/mma.cu */
	const char *command;  /* the exact nvcc command, first line of the first comment; NULL: no comment at all */
	const char *note;     /* further lines of that comment (problem, candidate); NULL: none */
	const char *defines;  /* #define lines */
};
/* One flat self-contained source: comment, defines, the template with its project includes (#include "attune/...") inlined
 * once each. A missing include is an error that names file and line. */
int gen_source(struct buf *out, const struct gen_source *g, struct err *e);

struct gen_image {
	const void *data; /* cubin */
	size_t len;
};

/* One tuned kernel of a header. */
struct gen_entry {
	const char *name;     /* a word of C, unique in the header: seed_sm_90a */
	const json_t *header; /* its description, see below */
	struct gen_image image;
};

/* The header of one or more entries of one family; the first is what names without an entry's name mean. A description holds
 * everything but the machine code:
 * {"family","family_info":(name, about, dims and flags of script_family),"problem":{...},"candidate":{...},
 *  "candidate_text","arch","launch":(symbolic),
 *  "derived":(script_derived_symbolic),"spec":{...},"measured":true|false,"provisional_why"?,"recorded":bool,
 *  "regenerate":"make tune ...","provenance":{"source_sha256","cubin_sha256","device","driver","nvcc","nvcc_flags","policy",
 *  "policy_sha256","seed","trials","rejected":{verdict:count},"time_us","time_lo_us","time_hi_us","warm_us","baseline_name",
 *  "baseline_us","baselines":[{name,time_us}],"errors":[checks],"noise":{...},"run":"..."}}
 * No timestamps, host names or absolute paths: equal input gives equal bytes. */
int gen_header(struct buf *out, const struct gen_entry *entries, size_t n, struct err *e);
/* The lines of a header that hold an entry's machine code, exactly as gen_header writes them. */
void gen_header_code(struct buf *out, const struct gen_entry *entry);

#endif
