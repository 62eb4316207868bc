/* element_cases.c - the element-wise slots: sizes around warps, blocks and the largest grid. */
#include "lab/selftest/trial.h"

#include <math.h>

static hidi_sizes lengths[] = { { 0 },    { 1 },    { 3 },    { 7 },    { 8 },     { 9 },
                                { 31 },   { 32 },   { 33 },   { 64 },   { 65 },    { 127 },
                                { 255 },  { 256 },  { 257 },  { 1009 }, { 4097 },  { 40009 },
                                { 600011 } };
static hidi_sizes shorter[] = { { 0 }, { 1 }, { 7 }, { 8 }, { 33 }, { 257 }, { 4097 }, { 40009 } };

/* Variants: y apart from x, and in its place. */
static void run_axpby(hidi_trial *t)
{
    const size_t n = t->size[0];
    hidi_array *y = t->variant ? hidi_trial_in_out(t, n) : hidi_trial_output(t, n);
    hidi_array *x = t->variant ? y : hidi_trial_input(t, n);

    HIDI_EACH_SIDE (t)
        t->k->axpby(AT(y), t->beta, hidi_scalar(t, -1.5), AT(x), n);
    hidi_compare(t, y, 2);
}

/* Variants: nearer to where y is, and to x. */
static void run_lerp(hidi_trial *t)
{
    const size_t n = t->size[0];
    hidi_array *y = hidi_trial_in_out(t, n), *x = hidi_trial_input(t, n);

    HIDI_EACH_SIDE (t)
        t->k->lerp(AT(y), hidi_scalar(t, t->variant ? 0.875 : 0.125), AT(x), n);
    hidi_compare(t, y, 3);
}

/* Variants: apart, in place of u, of w, of both. */
static void run_multiply(hidi_trial *t)
{
    const size_t n = t->size[0];
    hidi_array *y = t->variant ? hidi_trial_in_out(t, n) : hidi_trial_output(t, n);
    hidi_array *u = t->variant & 1 ? y : hidi_trial_input(t, n),
               *w = t->variant & 2 ? y : hidi_trial_input(t, n);

    HIDI_EACH_SIDE (t)
        t->k->multiply(AT(y), t->beta, hidi_scalar(t, -1.5), AT(u), AT(w), n);
    hidi_compare(t, y, 3);
}

/* --- functions -------------------------------------------------------------------------------- */

static const hidi_unary maps[] = { HIDI_GELU, HIDI_SILU,   HIDI_SOFTPLUS, HIDI_RELU,
                                   HIDI_ABS,  HIDI_SQUARE, HIDI_EXP,      HIDI_POWER };
enum { MAPS = sizeof maps / sizeof *maps };

/* Arguments from tiny to enormous; most f and f' also where they are nearly 0 or 1. */
static void spread(hidi_trial *t, hidi_array *x, hidi_unary f)
{
    static const double special[] = { 0,  1e-30, 0.5, 5,  9,   13,  20,
                                      60, 87,    88,  89, 103, 1e3, 1e12 };
    const size_t n_special = sizeof special / sizeof *special;

    for (size_t i = 0; i < x->n && !t->no_memory; i++) {
        hidi_real *at = &HIDI_REALS(x)[i];
        *at *= (hidi_real)(i % 3 == 0 ? 1 : i % 3 == 1 ? 5 : 30);
        if (i < 2 * n_special)
            *at = (hidi_real)(i % 2 ? special[i / 2] : -special[i / 2]);
        if (f == HIDI_POWER) /* x + p[0] > 0, of all sizes */
            *at = (hidi_real)(fabs((double)*at) + 1e-6);
        if (f == HIDI_EXP) /* neither 0 nor infinity */
            *at = (hidi_real)fmax(-60, fmin((double)*at, 60));
    }
}

static const hidi_real power[2] = { (hidi_real)0.5, (hidi_real)-0.75 };

/* SiLU needs an exponential of x itself, and has a few roundings; GELU's is of a u that is rounded
 * already, which makes |u| roundings of e^u, and |u| < 90 where that is not negligible.  Powers:
 * the logarithm is at most 30 here, and so are the roundings of its exponential.  A backend may
 * give 0 below the smallest normal number, and its multiples by x: 200 times that is allowed on
 * top. */
static void run_unary(hidi_trial *t)
{
    const size_t n = t->size[0];
    const hidi_unary f = maps[t->variant % MAPS];
    const bool in_place = t->variant >= MAPS;
    hidi_array *x = in_place ? hidi_trial_in_out(t, n) : hidi_trial_input(t, n);
    hidi_array *y = in_place ? x : hidi_trial_output(t, n);
    hidi_array *u = hidi_trial_scratch(t, n);

    spread(t, x, f);
    for (size_t i = 0; i < n && !t->no_memory; i++)
        HIDI_REALS(u)[i] = HIDI_REALS(x)[i];
    HIDI_BOTH_SIDES (t)
        t->k->unary(f, AT(y), AT(x), n, power);
    for (size_t i = 0; i < n && !t->no_memory; i++) {
        const double v = f == HIDI_GELU ? fmin(fabs((double)HIDI_REALS(u)[i]), 20) : 0;
        const double factor = f == HIDI_POWER ? 30 : 3 + 3 * v * v;
        HIDI_MAGNITUDES(y)[i] =
            (hidi_real)(fabs((double)HIDI_REALS(y)[i]) * factor + 2e-29);
    }
    hidi_compare(t, y, 1);
}

/* Variants: apart, and in place of d.  Derivatives are of order 1, but for the square's, 2 |x|, and
 * the power's; gelu' cancels near its zero. */
static void run_unary_jacobian(hidi_trial *t)
{
    const size_t n = t->size[0];
    const hidi_unary f = maps[t->variant % MAPS];
    const bool in_place = t->variant >= MAPS;
    hidi_array *x = hidi_trial_input(t, n),
               *y = in_place ? hidi_trial_in_out(t, n) : hidi_trial_output(t, n);
    hidi_array *d = in_place ? y : hidi_trial_input(t, n), *scale = hidi_trial_scratch(t, n);

    spread(t, x, f);
    for (size_t i = 0; i < n && !t->no_memory; i++) {
        const double v = fmin(fabs((double)HIDI_REALS(x)[i]), 5);
        const double before =
            t->beta_given == 0 ? 0 : fabs((double)t->beta_given * HIDI_REALS(y)[i]);
        HIDI_REALS(scale)[i] =
            (hidi_real)(4 * before + (1 + v * v) * 8 * fabs((double)HIDI_REALS(d)[i]) + 1e-30);
    }
    HIDI_BOTH_SIDES (t)
        t->k->unary_jacobian(f, AT(y), t->beta, AT(x), AT(d), n, power);
    for (size_t i = 0; i < n && !t->no_memory; i++) {
        const double e = fabs((double)HIDI_REALS(y)[i]), s = (double)HIDI_REALS(scale)[i];
        HIDI_MAGNITUDES(y)[i] = (hidi_real)(f == HIDI_POWER ? 30 * e + 4 * s : 4 * e + s);
    }
    hidi_compare(t, y, 1);
}

static const hidi_slot_case cases[] = {
    HIDI_CASE(axpby, lengths, 2, true, 1 << 22),
    HIDI_CASE(lerp, lengths, 2, false, 1 << 22),
    HIDI_CASE(multiply, lengths, 4, true, 1 << 22),
    HIDI_CASE(unary, shorter, 2 * MAPS, false, 1 << 22),
    HIDI_CASE(unary_jacobian, shorter, 2 * MAPS, true, 1 << 22)
};

const hidi_case_list hidi_element_cases = { cases, sizeof cases / sizeof *cases };
