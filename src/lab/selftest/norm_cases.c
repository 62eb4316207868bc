/* norm_cases.c - softmax, layer norm and modulation, on rows that a warp, a block or neither
 * holds. */
#include "lab/selftest/trial.h"

#include <math.h>

/* rows, n */
static hidi_sizes matrices[] = { { 0, 5 },   { 5, 0 },   { 1, 1 },    { 2, 3 },    { 16, 8 },
                                 { 7, 17 },  { 31, 31 }, { 32, 32 },  { 33, 33 },  { 64, 64 },
                                 { 5, 255 }, { 5, 256 }, { 5, 257 },  { 3, 513 },  { 257, 33 },
                                 { 1031, 37 }, { 517, 128 }, { 2, 4099 }, { 20011, 3 } };
/* B, T, D */
static hidi_sizes tokens[] = { { 0, 2, 3 },   { 2, 0, 5 },    { 1, 1, 1 },    { 3, 5, 7 },
                               { 1, 16, 49 }, { 9, 4, 64 },   { 40, 25, 37 }, { 2, 300, 128 },
                               { 3, 257, 31 }, { 1, 31, 1153 }, { 1000, 3, 2 } };

/* Magnitudes of what is NaN before: none. */
static double before(const hidi_trial *t, hidi_array *y, size_t i)
{
    return t->beta_given == 0 || t->no_memory ? 0 : fabs((double)t->beta_given * HIDI_REALS(y)[i]);
}

/* Keeps |beta y| in a scratch array, as the call overwrites y. */
static hidi_array *keep_before(hidi_trial *t, hidi_array *y)
{
    hidi_array *kept = hidi_trial_scratch(t, y->n);

    for (size_t i = 0; i < y->n && !t->no_memory; i++)
        HIDI_REALS(kept)[i] = (hidi_real)before(t, y, i);
    return kept;
}

/* Variants: apart, and in place.  |x - max| < 40, which is the rounding of its exponential. */
static void run_softmax(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *x = t->variant ? hidi_trial_in_out(t, rows * n) : hidi_trial_input(t, rows * n);
    hidi_array *y = t->variant ? x : hidi_trial_output(t, rows * n);

    for (size_t i = 0; i < rows * n && !t->no_memory; i++)
        HIDI_REALS(x)[i] *= 4;
    HIDI_BOTH_SIDES (t)
        t->k->softmax(AT(y), AT(x), rows, n);
    for (size_t i = 0; i < rows * n && !t->no_memory; i++)
        HIDI_MAGNITUDES(y)[i] = HIDI_REALS(y)[i] + (hidi_real)1e-35;
    hidi_compare(t, y, 40 + sqrt((double)n));
}

/* |y (d - <y, d>)| < 12 y, as |d| < 6 */
static void run_softmax_jacobian(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *y = hidi_trial_input(t, rows * n);
    hidi_array *out = t->variant ? hidi_trial_in_out(t, rows * n) : hidi_trial_output(t, rows * n);
    hidi_array *d = t->variant ? out : hidi_trial_input(t, rows * n), *kept = keep_before(t, out);

    if (!t->no_memory)
        t->reference->softmax(HIDI_REALS(y), HIDI_REALS(y), rows, n);
    HIDI_BOTH_SIDES (t)
        t->k->softmax_jacobian(AT(out), t->beta, AT(y), AT(d), rows, n);
    for (size_t i = 0; i < rows * n && !t->no_memory; i++)
        HIDI_MAGNITUDES(out)[i] = HIDI_REALS(kept)[i] + 12 * HIDI_REALS(y)[i];
    hidi_compare(t, out, 4 + sqrt((double)n));
}

/* x - mean is known to a rounding of |x| and of the mean, times rstd; of one element it is 0. */
static void set_norm_magnitudes(hidi_trial *t, hidi_array *y, hidi_array *rstd, size_t n)
{
    for (size_t i = 0; i < rstd->n && !t->no_memory; i++) {
        const double r = (double)HIDI_REALS(rstd)[i];
        HIDI_MAGNITUDES(rstd)[i] = (hidi_real)(r * (1 + (n == 1 ? 0 : r * r)));
        for (size_t j = 0; j < n; j++)
            HIDI_MAGNITUDES(y)[i * n + j] = (hidi_real)(8 * r * (1 + r));
    }
}

static void run_layer_norm(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *x = hidi_trial_input(t, rows * n), *y = hidi_trial_output(t, rows * n);
    hidi_array *rstd = hidi_trial_output(t, n > 0 ? rows : 0);

    HIDI_BOTH_SIDES (t)
        t->k->layer_norm(AT(y), AT(rstd), AT(x), rows, n, (hidi_real)1e-6);
    set_norm_magnitudes(t, y, rstd, n);
    hidi_compare(t, y, 4 + sqrt((double)n));
    hidi_compare(t, rstd, 4 + sqrt((double)n));
}

/* |rstd (d - mean(d) - y mean(y d))| < 42 rstd, as |d|, |y| < 6 */
static void run_layer_norm_jacobian(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *y = hidi_trial_input(t, rows * n), *rstd = hidi_trial_input(t, rows);
    hidi_array *out = t->variant ? hidi_trial_in_out(t, rows * n) : hidi_trial_output(t, rows * n);
    hidi_array *d = t->variant ? out : hidi_trial_input(t, rows * n), *kept = keep_before(t, out);

    if (!t->no_memory)
        t->reference->layer_norm(HIDI_REALS(y), HIDI_REALS(rstd), HIDI_REALS(y), rows, n,
                                 (hidi_real)1e-6);
    HIDI_BOTH_SIDES (t)
        t->k->layer_norm_jacobian(AT(out), t->beta, AT(y), AT(rstd), AT(d), rows, n);
    for (size_t i = 0; i < rows * n && !t->no_memory; i++)
        HIDI_MAGNITUDES(out)[i] =
            (hidi_real)((double)HIDI_REALS(kept)[i] + 42 * fabs((double)HIDI_REALS(rstd)[i / n]));
    hidi_compare(t, out, 4 + sqrt((double)n));
}

/* Variants: with scale, with shift, with both, with neither. */
static void run_modulate(hidi_trial *t)
{
    const size_t B = t->size[0], T = t->size[1], D = t->size[2];
    hidi_array *x = hidi_trial_input(t, B * T * D), *y = hidi_trial_output(t, B * T * D);
    hidi_array *scale = t->variant & 1 ? hidi_trial_input(t, B * D) : NULL;
    hidi_array *shift = t->variant & 2 ? hidi_trial_input(t, B * D) : NULL;

    HIDI_EACH_SIDE (t)
        t->k->modulate(AT(y), t->beta, AT(x), 1, scale ? AT(scale) : NULL,
                       shift ? AT(shift) : NULL, B, T, D);
    hidi_compare(t, y, 4);
}

/* Variants: those of modulate.  An error of x^ comes out times 1 + scale. */
static void run_layer_norm_modulate(hidi_trial *t)
{
    const size_t B = t->size[0], T = t->size[1], D = t->size[2], n = B * T * D;
    hidi_array *x = hidi_trial_input(t, n), *y = hidi_trial_output(t, n);
    hidi_array *normed = hidi_trial_output(t, n), *rstd = hidi_trial_output(t, B * T);
    hidi_array *scale = t->variant & 1 ? hidi_trial_input(t, B * D) : NULL;
    hidi_array *shift = t->variant & 2 ? hidi_trial_input(t, B * D) : NULL;
    const double roundings = 6 + sqrt((double)D);

    HIDI_BOTH_SIDES (t)
        t->k->layer_norm_modulate(AT(y), AT(normed), AT(rstd), AT(x), (hidi_real)1e-6, 1,
                                  scale ? AT(scale) : NULL, shift ? AT(shift) : NULL, B, T, D);
    set_norm_magnitudes(t, normed, rstd, D);
    for (size_t i = 0; i < n && !t->no_memory; i++) {
        const size_t c = i / (T * D) * D + i % D;
        const double factor = 1 + (scale ? fabs((double)HIDI_REALS(scale)[c]) : 0);
        HIDI_MAGNITUDES(y)[i] = (hidi_real)(factor * (double)HIDI_MAGNITUDES(normed)[i] +
                                            (shift ? fabs((double)HIDI_REALS(shift)[c]) : 0));
    }
    hidi_compare(t, normed, roundings);
    hidi_compare(t, rstd, roundings);
    hidi_compare(t, y, roundings);
}

static void run_sum_tokens(hidi_trial *t)
{
    const size_t B = t->size[0], T = t->size[1], D = t->size[2];
    hidi_array *x = hidi_trial_input(t, B * T * D), *y = hidi_trial_output(t, B * D);
    hidi_array *w = t->variant ? NULL : hidi_trial_input(t, B * T * D);

    HIDI_EACH_SIDE (t)
        t->k->sum_tokens(AT(y), t->beta, AT(x), w ? AT(w) : NULL, B, T, D);
    hidi_compare(t, y, 3 + sqrt((double)T));
}

/* Variants: apart, and y in place of x. */
static void run_gated_residual(hidi_trial *t)
{
    const size_t B = t->size[0], T = t->size[1], D = t->size[2];
    hidi_array *x = t->variant ? hidi_trial_in_out(t, B * T * D) : hidi_trial_input(t, B * T * D);
    hidi_array *y = t->variant ? x : hidi_trial_output(t, B * T * D);
    hidi_array *gate = hidi_trial_input(t, B * D), *h = hidi_trial_input(t, B * T * D);

    HIDI_EACH_SIDE (t)
        t->k->gated_residual(AT(y), AT(x), AT(gate), AT(h), B, T, D);
    hidi_compare(t, y, 2);
}

static const hidi_slot_case cases[] = {
    HIDI_CASE(softmax, matrices, 2, false, 16384, 256),
    HIDI_CASE(softmax_jacobian, matrices, 2, true, 16384, 256),
    HIDI_CASE(layer_norm, matrices, 1, false, 4096, 1024),
    HIDI_CASE(layer_norm_jacobian, matrices, 2, true, 4096, 1024),
    HIDI_CASE(modulate, tokens, 4, true, 16, 256, 1024),
    HIDI_CASE(layer_norm_modulate, tokens, 4, false, 16, 256, 1024),
    HIDI_CASE(sum_tokens, tokens, 2, true, 16, 256, 1024),
    HIDI_CASE(gated_residual, tokens, 2, false, 16, 256, 1024)
};

const hidi_case_list hidi_norm_cases = { cases, sizeof cases / sizeof *cases };
