/* own: the runner's own kernel that sums memory, which it hands to the driver as PTX; written from that text. It takes no time
 * on the made-up clock. */
#include "fakecuda.h"

#include <string.h>

static uint64_t param(const struct fake_call *c, int i)
{
	uint64_t v;

	memcpy(&v, c->l->params + c->l->at[i], sizeof(v));
	return v;
}

/* (at, stride, words, key, sums); a row of the grid for each range */
void fake_run_sum(struct fake_call *c)
{
	const uint64_t words = param(c, 2), key = param(c, 3);
	const uint64_t mixer = 0xd6e8feb86659fd93u;

	for (unsigned row = 0; row < c->l->grid[1]; row++) {
		const uint64_t *from = fake_at(param(c, 0) + row * param(c, 1), words * 8);
		uint64_t *sum = fake_at(param(c, 4) + row * 8, 8);

		if (!from || !sum) {
			c->fault = CUDA_ERROR_ILLEGAL_ADDRESS;
			return;
		}
		(void)fake_l2_touch(param(c, 0) + row * param(c, 1), words * 8);
		for (uint64_t i = 0; i < words; i++) {
			uint64_t x = from[i] + key + i * 0x9e3779b97f4a7c15u;

			x ^= x >> 32;
			x *= mixer;
			x ^= x >> 32;
			x *= mixer;
			x ^= x >> 32;
			*sum += x;
		}
	}
}
