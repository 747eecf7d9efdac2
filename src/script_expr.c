/* script_expr: numbers of a launch that may depend on run-time dimensions. A symbol of lua/family.lua arrives as JSON:
 * {"sym":"name","name":"sq","real"?} or {"sym":operator,"a":..,"b":..,"real"?}. It is either evaluated on a problem, in
 * the arithmetic of C (integer division towards zero, 64 bits), or written as C text. Text is built bottom up; each
 * part knows its precedence, whether it is 64 bits wide and its range, so that parentheses and casts stand only where
 * needed. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "attune/problem.h"
#include "script_internal.h"

/* --- evaluation -------------------------------------------------------------------------------------------------- */

struct value {
	bool real;
	long long i;
	double r;
};

static double as_real(struct value v)
{
	return v.real ? v.r : (double)v.i;
}

static int divide(long long a, long long b, bool remainder, long long *out, struct err *e)
{
	if (b == 0 || (b == -1 && a == LLONG_MIN))
		return err_set(e, "division by zero");
	*out = remainder ? a % b : a / b;
	return 0;
}

static int apply_integer(const char *op, long long a, long long b, long long *out, struct err *e)
{
	bool over = false;

	if (!strcmp(op, "+"))
		over = __builtin_add_overflow(a, b, out);
	else if (!strcmp(op, "-"))
		over = __builtin_sub_overflow(a, b, out);
	else if (!strcmp(op, "*"))
		over = __builtin_mul_overflow(a, b, out);
	else if (!strcmp(op, "max"))
		*out = a > b ? a : b;
	else if (!strcmp(op, "min"))
		*out = a < b ? a : b;
	else if (!strcmp(op, "//") || !strcmp(op, "%"))
		return divide(a, b, op[0] == '%', out, e);
	else if (!strcmp(op, "ceildiv"))
		return __builtin_add_overflow(a, b - 1, &a) ? err_set(e, "more than 64 bits")
							    : divide(a, b, false, out, e);
	else
		return err_set(e, "unknown operator");
	return over ? err_set(e, "more than 64 bits") : 0;
}

static int apply_real(const char *op, double a, double b, double *out, struct err *e)
{
	if (!strcmp(op, "+"))
		*out = a + b;
	else if (!strcmp(op, "-"))
		*out = a - b;
	else if (!strcmp(op, "*"))
		*out = a * b;
	else if (!strcmp(op, "/"))
		*out = a / b;
	else if (!strcmp(op, "max"))
		*out = a > b ? a : b;
	else if (!strcmp(op, "min"))
		*out = a < b ? a : b;
	else
		return err_set(e, "unknown operator");
	return 0;
}

static int evaluate(const json_t *x, const json_t *values, struct value *out, struct err *e)
{
	const char *op = json_string_value(json_object_get(x, "sym"));
	struct value a, b;

	if (op && !strcmp(op, "name")) {
		x = json_object_get(values, json_string_value(json_object_get(x, "name")));
		op = NULL;
	}
	*out = (struct value){ .real = json_is_real(x), .i = json_integer_value(x), .r = json_real_value(x) };
	if (!op)
		return json_is_number(x) ? 0 : err_set(e, "no number");
	if (evaluate(json_object_get(x, "a"), values, &a, e) < 0 ||
	    evaluate(json_object_get(x, "b"), values, &b, e) < 0)
		return ERR_FAIL;
	out->real = a.real || b.real || !strcmp(op, "/");
	if (!out->real)
		return apply_integer(op, a.i, b.i, &out->i, e);
	return apply_real(op, as_real(a), as_real(b), &out->r, e);
}

/* --- text -------------------------------------------------------------------------------------------------------- */

enum { PREC_CHOICE, PREC_SUM, PREC_PRODUCT, PREC_UNARY };

struct text {
	struct buf s;
	int prec;
	bool wide, real, literal;
	double lo, hi;
};

static int write_expr(const struct script_numbers *n, const json_t *x, struct text *t, struct err *e);

static void write_literal(const json_t *x, struct text *t)
{
	char digits[40];

	t->literal = true;
	t->real = json_is_real(x);
	t->lo = t->hi = json_number_value(x);
	t->prec = t->lo < 0.0 ? PREC_UNARY - 1 : PREC_UNARY;
	t->wide = !t->real && (t->lo < -2147483647.0 || t->hi > 2147483647.0);
	if (!t->real) {
		buf_addf(&t->s, "%lld%s", (long long)json_integer_value(x), t->wide ? "LL" : "");
		return;
	}
	snprintf(digits, sizeof(digits), "%.17g", json_real_value(x));
	buf_addf(&t->s, "%s%s", digits, strpbrk(digits, ".e") ? "" : ".0");
}

static void write_name(const struct script_numbers *n, const char *name, struct text *t)
{
	const json_t *dim = problem_dim(n->schema, name);
	const char *type = json_string_value(json_object_get(json_object_get(n->known, "types"), name));
	json_t *values = json_object_get(dim, "values"), *v;
	size_t i;

	buf_addf(&t->s, "a->%s", name);
	t->prec = PREC_UNARY;
	t->real = type && !strcmp(type, "f32");
	t->wide = type && !strcmp(type, "i64");
	t->lo = t->wide ? -9e18 : -2147483648.0;
	t->hi = t->wide ? 9e18 : 2147483647.0;
	if (dim) {
		t->lo = json_number_value(json_object_get(dim, "min"));
		t->hi = json_number_value(json_object_get(dim, "max"));
	}
	json_array_foreach(values, i, v) {
		t->lo = i == 0 ? json_number_value(v) : fmin(t->lo, json_number_value(v));
		t->hi = i == 0 ? json_number_value(v) : fmax(t->hi, json_number_value(v));
	}
}

static bool fits_int(double lo, double hi)
{
	return lo >= -2147483648.0 && hi <= 2147483647.0;
}

/* Appends a part, in parentheses when it binds less than prec, with a cast in front when cast. */
static void add_part(struct buf *out, const struct text *part, int prec, const char *cast)
{
	bool enclose = part->prec < (*cast ? PREC_UNARY : prec);

	buf_addf(out, "%s%s%s%s", cast, enclose ? "(" : "", buf_text(&part->s), enclose ? ")" : "");
}

static void range_of(const char *op, const struct text *a, const struct text *b, struct text *t)
{
	double corner[4] = { a->lo * b->lo, a->lo * b->hi, a->hi * b->lo, a->hi * b->hi };

	t->lo = a->lo;
	t->hi = a->hi;
	switch (op[0]) {
	case '+':
		t->lo = a->lo + b->lo;
		t->hi = a->hi + b->hi;
		break;
	case '-':
		t->lo = a->lo - b->hi;
		t->hi = a->hi - b->lo;
		break;
	case '*':
		t->lo = fmin(fmin(corner[0], corner[1]), fmin(corner[2], corner[3]));
		t->hi = fmax(fmax(corner[0], corner[1]), fmax(corner[2], corner[3]));
		break;
	case 'm':
		t->lo = op[1] == 'a' ? fmax(a->lo, b->lo) : fmin(a->lo, b->lo);
		t->hi = op[1] == 'a' ? fmax(a->hi, b->hi) : fmin(a->hi, b->hi);
		break;
	case '/':
	case '%':
	case 'c': /* not larger than what is divided; the divisor may be 1 */
		t->lo = fmin(a->lo, 0.0);
		t->hi = fmax(a->hi, 0.0);
		break;
	default:
		break;
	}
}

/* a OP b with OP one of + - * / %; a cast makes C compute in 64 bits what could pass 32. */
static void write_binary(const char *op, const struct text *a, const struct text *b, struct text *t)
{
	bool sum = op[0] == '+' || op[0] == '-', widen, real_division = op[0] == '/' && !op[1];
	const char *cast;

	t->real = a->real || b->real || real_division;
	t->prec = sum ? PREC_SUM : PREC_PRODUCT;
	range_of(op, a, b, t);
	widen = !t->real && !a->wide && !b->wide && !fits_int(t->lo, t->hi);
	t->wide = !t->real && (a->wide || b->wide || widen);
	cast = widen ? "(long long)" : real_division && !a->real && !b->real ? "(double)" : "";
	add_part(&t->s, a, t->prec, a->literal && widen ? "" : cast);
	buf_addf(&t->s, " %c ", op[0]);
	add_part(&t->s, b, op[0] == '+' ? t->prec : t->prec + 1, a->literal && widen ? cast : "");
}

static void write_choice(const char *op, const struct text *a, const struct text *b, struct text *t)
{
	t->real = a->real || b->real;
	t->wide = !t->real && (a->wide || b->wide);
	t->prec = PREC_CHOICE;
	range_of(op, a, b, t);
	add_part(&t->s, a, PREC_SUM, "");
	buf_adds(&t->s, op[1] == 'a' ? " > " : " < ");
	add_part(&t->s, b, PREC_SUM, "");
	buf_adds(&t->s, " ? ");
	add_part(&t->s, a, PREC_SUM, "");
	buf_adds(&t->s, " : ");
	add_part(&t->s, b, PREC_SUM, "");
}

/* (a + (b - 1)) / b, the sum folded when b is a number. */
static void write_ceildiv(const json_t *divisor, const struct text *a, const struct text *b, struct text *t)
{
	struct text one = { .prec = PREC_UNARY, .literal = true, .lo = 1.0, .hi = 1.0 }, less = { .lo = 0.0 },
		    sum = { .lo = 0.0 };
	json_t *folded;

	if (b->literal) {
		folded = json_integer(json_integer_value(divisor) - 1);
		write_literal(folded, &less);
		json_decref(folded);
		write_binary("+", a, &less, &sum);
	} else {
		buf_addc(&one.s, '1');
		write_binary("+", a, b, &less);
		write_binary("-", &less, &one, &sum);
	}
	write_binary("//", &sum, b, t);
	buf_free(&one.s);
	buf_free(&less.s);
	buf_free(&sum.s);
}

static int write_operation(const struct script_numbers *n, const json_t *x, const char *op, struct text *t,
			   struct err *e)
{
	struct text a = { .prec = 0 }, b = { .prec = 0 };
	int rc = write_expr(n, json_object_get(x, "a"), &a, e);

	if (rc == 0)
		rc = write_expr(n, json_object_get(x, "b"), &b, e);
	if (rc == 0) {
		if (!strcmp(op, "max") || !strcmp(op, "min"))
			write_choice(op, &a, &b, t);
		else if (!strcmp(op, "ceildiv"))
			write_ceildiv(json_object_get(x, "b"), &a, &b, t);
		else
			write_binary(op, &a, &b, t);
		if (t->s.len > 2000)
			rc = err_set(e, "an expression of more than 2000 characters");
	}
	buf_free(&a.s);
	buf_free(&b.s);
	return rc;
}

static int write_expr(const struct script_numbers *n, const json_t *x, struct text *t, struct err *e)
{
	const char *op = json_string_value(json_object_get(x, "sym"));

	if (json_is_number(x)) {
		write_literal(x, t);
		return 0;
	}
	if (!op)
		return err_set(e, "no number");
	if (!strcmp(op, "name")) {
		write_name(n, json_string_value(json_object_get(x, "name")), t);
		return 0;
	}
	return write_operation(n, x, op, t, e);
}

/* --- numbers of a launch ----------------------------------------------------------------------------------------- */

static int write_number(const struct script_numbers *n, const json_t *raw, const char *what, json_t **out,
			struct err *e)
{
	struct text t = { .prec = 0 };
	int rc = write_expr(n, raw, &t, e);

	if (rc == 0)
		*out = json_string(buf_text(&t.s));
	else
		err_where(e, "%s", what);
	buf_free(&t.s);
	return rc;
}

int script_number(const struct script_numbers *n, const json_t *raw, long long lo, long long hi, const char *what,
		  json_t **out, struct err *e)
{
	struct value v;

	*out = NULL;
	if (!raw)
		return err_set(e, "%s: missing", what);
	if (json_object_get(raw, "sym") && n->text)
		return write_number(n, raw, what, out, e);
	if (evaluate(raw, json_object_get(n->known, "values"), &v, e) < 0)
		return err_where(e, "%s", what);
	if (v.real)
		return err_set(e, "%s: %.17g is not an integer (// divides integers)", what, v.r);
	if (v.i < lo || v.i > hi)
		return err_set(e, "%s: %lld is outside %lld .. %lld", what, v.i, lo, hi);
	*out = json_integer(v.i);
	return 0;
}

int script_real(const struct script_numbers *n, const json_t *raw, const char *what, json_t **out, struct err *e)
{
	struct value v;

	*out = NULL;
	if (!raw)
		return err_set(e, "%s: missing", what);
	if (json_object_get(raw, "sym") && n->text)
		return write_number(n, raw, what, out, e);
	if (evaluate(raw, json_object_get(n->known, "values"), &v, e) < 0)
		return err_where(e, "%s", what);
	if (!isfinite(as_real(v)))
		return err_set(e, "%s: not a finite number", what);
	*out = json_real(as_real(v));
	return 0;
}
