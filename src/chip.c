/* chip: limits of GPUs by compute capability, and occupancy. It looks at no device. The ranking is in chip_score.c.
 * Sources of the numbers stand in chip.h. A chip that is not in the table is an error, never a guess. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attune/buf.h"
#include "attune/chip.h"

#define KIB 1024
#define SCHEDULERS 4 /* and parts of the register file */

struct chip {
	int cc;
	const char *part;
	int sms;
	int smem_sm_kib, smem_block_kib;
	int threads_sm, ctas_sm;
};

/* Registers: 65536 an SM in all of them. The part is a common one, not the only one. */
static const struct chip chips[] = {
	{ 75, "Tesla T4", 40, 64, 64, 1024, 16 },
	{ 80, "A100", 108, 164, 163, 2048, 32 },
	{ 86, "A10", 72, 100, 99, 1536, 16 },
	{ 87, "Jetson AGX Orin", 16, 164, 163, 1536, 16 },
	{ 89, "L4", 58, 100, 99, 1536, 24 },
	{ 90, "H100 SXM, H200", 132, 228, 227, 2048, 32 },
	{ 100, "B200", 148, 228, 227, 2048, 32 },
	{ 103, "B300", 148, 228, 227, 2048, 32 },
	{ 110, "Jetson AGX Thor", 20, 228, 227, 1536, 24 },
	{ 120, "GeForce RTX 5090", 170, 100, 99, 1536, 24 },
	{ 121, "GB10", 48, 100, 99, 1536, 24 },
};

static int unknown(const char *arch, struct err *e)
{
	struct buf known;
	int rc;

	buf_init(&known);
	for (size_t i = 0; i < sizeof chips / sizeof *chips; i++)
		buf_addf(&known, " sm_%d", chips[i].cc);
	rc = err_set(e, "no limits are known of %s, only of%s", arch, buf_text(&known));
	buf_free(&known);
	return rc;
}

/* The compute capability that an arch names, or 0. */
static int capability(const char *arch)
{
	const char *digits = strncmp(arch, "sm_", 3) == 0 ? arch + 3 : strncmp(arch, "compute_", 8) == 0 ? arch + 8 : "";
	char *end;
	long cc = strtol(digits, &end, 10);

	if (end == digits || cc < 0 || cc > 999 || (*end && strcmp(end, "a") != 0 && strcmp(end, "f") != 0))
		return 0;
	return (int)cc;
}

int chip_device(const char *arch, json_t **device, struct err *e)
{
	int cc = capability(arch);

	*device = NULL;
	for (size_t i = 0; i < sizeof chips / sizeof *chips; i++) {
		const struct chip *c = &chips[i];
		char name[64];

		if (c->cc != cc)
			continue;
		snprintf(name, sizeof name, "%s (limits only)", arch);
		*device = json_pack("{s:s, s:s, s:[i,i], s:i, s:i, s:s, s:i, s:i, s:i, s:i, s:i}", "name", name, "arch", arch, "cc",
				    cc / 10, cc % 10, "cc_number", cc, "sms", c->sms, "sms_of", c->part, "smem_block_bytes",
				    c->smem_block_kib * KIB, "smem_sm_bytes", c->smem_sm_kib * KIB, "regs_sm", 65536, "threads_sm",
				    c->threads_sm, "blocks_sm", c->ctas_sm);
		return *device ? 0 : err_set(e, "%s is no text", arch);
	}
	return unknown(arch, e);
}

static long member(const json_t *device, const char *key)
{
	return (long)json_integer_value(json_object_get(device, key));
}

static long round_up(long n, long unit)
{
	return (n + unit - 1) / unit * unit;
}

double chip_occupancy(const json_t *device, long threads, long regs, long smem_bytes, const char **limit)
{
	const json_t *cc = json_object_get(device, "cc");
	bool modern = json_integer_value(json_array_get(cc, 0)) >= 8;
	long warps = round_up(threads, 32) / 32, by_regs, by_smem, by_threads, ctas = member(device, "blocks_sm");
	long regs_warp = round_up(regs * 32, 256), smem = round_up(smem_bytes + (modern ? KIB : 0), modern ? 128 : 256);
	const char *why = "CTAs";

	if (warps < 1)
		warps = 1;
	by_threads = member(device, "threads_sm") / 32 / warps;
	by_smem = smem_bytes > member(device, "smem_block_bytes") ? 0 : smem ? member(device, "smem_sm_bytes") / smem : ctas;
	/* A CTA's warps are dealt to the four parts in turn, so that one must hold a whole CTA rounded up to four warps. */
	by_regs = regs_warp ? member(device, "regs_sm") / SCHEDULERS / regs_warp * SCHEDULERS / warps : ctas;
	if (round_up(warps, SCHEDULERS) * regs_warp > member(device, "regs_sm"))
		by_regs = 0;
	if (threads > 1024)
		by_threads = 0;
	if (by_threads < ctas) {
		ctas = by_threads;
		why = "threads";
	}
	if (by_smem < ctas) {
		ctas = by_smem;
		why = "shared memory";
	}
	if (by_regs < ctas) {
		ctas = by_regs;
		why = "registers";
	}
	if (limit)
		*limit = why;
	return (double)ctas;
}
