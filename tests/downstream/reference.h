/* reference: softmax attention in double precision on the host, and 16-bit floats, for the programs in this folder. It knows
 * nothing of attn_best.h. Causal masks are aligned to the bottom right: query i sees the keys j <= i + sk - sq. */
#ifndef REFERENCE_H
#define REFERENCE_H
#include <math.h>
#include <string.h>

struct reference_tensor {
	const unsigned short *bits;
	long long sb, sh, ss; /* strides in elements */
};

struct reference_call {
	int h, hkv, sq, sk, d, bf16, causal;
};

static inline double reference_from_bits(unsigned short bits, int bf16)
{
	unsigned int word = bf16 ? (unsigned int)bits << 16 : (unsigned int)(bits & 0x7fff) << 13;
	float v;

	memcpy(&v, &word, sizeof v);
	if (bf16)
		return v;
	/* Shifted into place, a half's exponent is 112 too small; the product mends that, for subnormal halves too. */
	v *= 5192296858534827628530496329220096.0f;
	if ((bits & 0x7c00) == 0x7c00)
		v = bits & 0x3ff ? (float)NAN : (float)INFINITY;
	return bits & 0x8000 ? -v : v;
}

/* Rounds to nearest, ties to even; v is far below the largest number. */
static inline unsigned short reference_to_bits(double v, int bf16)
{
	int mantissa_bits = bf16 ? 7 : 10, bias = bf16 ? 127 : 15, exponent;
	double a = fabs(v);
	long units;

	if (a == 0)
		return 0;
	(void)frexp(a, &exponent);
	exponent = exponent - 1 < 1 - bias ? 1 - bias : exponent - 1;
	units = lrint(ldexp(a, mantissa_bits - exponent));
	/* A subnormal has no hidden bit, and rounding up to the next power of two carries by itself. */
	units += (long)(exponent + bias - 1) << mantissa_bits;
	return (unsigned short)(units | (v < 0 ? 0x8000 : 0));
}

static inline unsigned int reference_random(unsigned long long *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(*state >> 33);
}

static inline double reference_normal(unsigned long long *state)
{
	double u[2];
	int i;

	for (i = 0; i < 2; i++)
		u[i] = ((double)reference_random(state) + 0.5) / 2147483648.0;
	return sqrt(-2.0 * log(u[0])) * cos(6.283185307179586 * u[1]);
}

static inline double reference_at(const struct reference_tensor *t, int bf16, int b, int h, int s, int d)
{
	return reference_from_bits(t->bits[b * t->sb + h * t->sh + s * t->ss + d], bf16);
}

/* One query row: out has d numbers, p room for sk. A row that sees no key is 0. */
static inline void reference_row(const struct reference_call *c, const struct reference_tensor *q,
	const struct reference_tensor *k, const struct reference_tensor *v, int b, int h, int i, double *p, double *out)
{
	int kv = h / (c->h / c->hkv), keys = c->causal ? i + c->sk - c->sq + 1 : c->sk, j, d;
	double most = -HUGE_VAL, sum = 0;

	if (keys > c->sk)
		keys = c->sk;
	for (j = 0; j < keys; j++) {
		p[j] = 0;
		for (d = 0; d < c->d; d++)
			p[j] += reference_at(q, c->bf16, b, h, i, d) * reference_at(k, c->bf16, b, kv, j, d);
		p[j] /= sqrt((double)c->d);
		most = p[j] > most ? p[j] : most;
	}
	for (d = 0; d < c->d; d++)
		out[d] = 0;
	for (j = 0; j < keys; j++) {
		double w = exp(p[j] - most);

		sum += w;
		for (d = 0; d < c->d; d++)
			out[d] += w * reference_at(v, c->bf16, b, kv, j, d);
	}
	for (d = 0; d < c->d && keys > 0; d++)
		out[d] /= sum;
}

#endif
