// ops_mma: mma.sync m16n8k16, ldmatrix, stmatrix and movmatrix. Operands are decoded as the PTX ISA draws them: lane = 4*g + q; A
// holds rows g, g+8, columns 2q, 2q+1, +8; B rows 2q, 2q+1, +8 of column g; C rows g, g+8, columns 2q, 2q+1.
#include "ptx.h"

namespace emu {

static float element(bool bf16, uint32_t bits) {
	return bf16 ? bf16_to_f32((uint16_t)bits) : f16_to_f32((uint16_t)bits);
}

// args: D, A, B, C.
static void multiply(warp &w, const instruction &i, bool bf16) {
	float a[16][16], b[16][8], c[16][8];

	for (int n = 0; n < WARP; n++) {
		const lane &l = *w.lanes[n];
		int g = n / 4, q = n % 4;

		for (int r = 0; r < 4; r++) {
			uint32_t bits = (uint32_t)read(l, i.args[1].parts[(size_t)r]);
			int row = g + 8 * (r % 2), column = 2 * q + 8 * (r / 2);

			a[row][column] = element(bf16, bits);
			a[row][column + 1] = element(bf16, bits >> 16);
			c[g + 8 * (r / 2)][2 * q + r % 2] = read_f32(l, i.args[3].parts[(size_t)r]);
		}
		for (int r = 0; r < 2; r++) {
			uint32_t bits = (uint32_t)read(l, i.args[2].parts[(size_t)r]);

			b[2 * q + 8 * r][g] = element(bf16, bits);
			b[2 * q + 8 * r + 1][g] = element(bf16, bits >> 16);
		}
	}
	for (int y = 0; y < 16; y++)
		for (int k = 0; k < 16; k++)
			for (int x = 0; x < 8; x++)
				c[y][x] += a[y][k] * b[k][x];
	for (int n = 0; n < WARP; n++)
		for (int r = 0; r < 4; r++)
			write_f32(*w.lanes[n], i.args[0].parts[(size_t)r], c[n / 4 + 8 * (r / 2)][2 * (n % 4) + r % 2]);
}

static void need_whole(const instruction &i, unsigned lanes) {
	if (lanes != ~0u)
		fail("%s by lanes %08x only", i.name.c_str(), lanes);
}

static void mma_f16(warp &w, unsigned lanes, const instruction &i) {
	need_whole(i, lanes);
	multiply(w, i, false);
}

static void mma_bf16(warp &w, unsigned lanes, const instruction &i) {
	need_whole(i, lanes);
	multiply(w, i, true);
}

static int matrices(const instruction &i) {
	return i.has("x4") ? 4 : i.has("x2") ? 2 : 1;
}

// Lane l gives the address of row l % 8 of matrix l / 8; lane 4*g + q gets elements 2q, 2q+1 of row g, or of column g.
static void ldmatrix(warp &w, unsigned lanes, const instruction &i) {
	const int count = matrices(i);
	const bool trans = i.has("trans");

	need_whole(i, lanes);
	for (int k = 0; k < count; k++) {
		uint16_t rows[8][8];

		for (int r = 0; r < 8; r++) {
			const lane &l = *w.lanes[8 * k + r];

			memcpy(rows[r], shared_at((uint32_t)read_address(l, i.args[1]), 16, 16, "ldmatrix"), 16);
		}
		for (int n = 0; n < WARP; n++) {
			int g = n / 4, q = n % 4;
			uint32_t low = trans ? rows[2 * q][g] : rows[g][2 * q];
			uint32_t high = trans ? rows[2 * q + 1][g] : rows[g][2 * q + 1];

			write(*w.lanes[n], i.args[0].parts[(size_t)k], high << 16 | low);
		}
	}
}

static void stmatrix(warp &w, unsigned lanes, const instruction &i) {
	const int count = matrices(i);
	const bool trans = i.has("trans");

	need_whole(i, lanes);
	for (int k = 0; k < count; k++)
		for (int n = 0; n < WARP; n++) {
			const lane &l = *w.lanes[n];
			uint32_t bits = (uint32_t)read(l, i.args[1].parts[(size_t)k]);
			int g = n / 4, q = n % 4;

			for (int e = 0; e < 2; e++) {
				int row = trans ? 2 * q + e : g, column = trans ? g : 2 * q + e;
				uint32_t at = (uint32_t)read_address(*w.lanes[8 * k + row], i.args[0]);
				uint16_t x = (uint16_t)(bits >> 16 * e);

				memcpy(shared_at(at, 16, 16, "stmatrix") + 2 * column, &x, 2);
			}
		}
}

// Lane 4*g + q brings columns 2q, 2q+1 of row g and gets those of the transposed matrix.
static void movmatrix(warp &w, unsigned lanes, const instruction &i) {
	uint16_t rows[8][8];

	need_whole(i, lanes);
	for (int n = 0; n < WARP; n++) {
		uint32_t bits = (uint32_t)read(*w.lanes[n], i.args[1]);

		rows[n / 4][2 * (n % 4)] = (uint16_t)bits;
		rows[n / 4][2 * (n % 4) + 1] = (uint16_t)(bits >> 16);
	}
	for (int n = 0; n < WARP; n++)
		write(*w.lanes[n], i.args[0], (uint32_t)rows[2 * (n % 4) + 1][n / 4] << 16 | rows[2 * (n % 4)][n / 4]);
}

const std::vector<opcode> opcodes_mma = {
	{ "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", nullptr, mma_f16 },
	{ "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", nullptr, mma_bf16 },
	{ "ldmatrix.sync.aligned.m8n8", nullptr, ldmatrix },
	{ "movmatrix.sync.aligned.m8n8.trans.b16", nullptr, movmatrix },
	{ "stmatrix.sync.aligned.m8n8", nullptr, stmatrix },
};

} // namespace emu
