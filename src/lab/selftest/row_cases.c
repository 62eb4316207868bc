/* row_cases.c - the slots that work on rows, many short ones and few long ones, and the sum over
 * everything. */
#include "lab/selftest/trial.h"

#include <math.h>

/* rows, n; around what one warp, one block and the largest grid cover */
static hidi_sizes matrices[] = { { 0, 5 },    { 5, 0 },    { 1, 1 },     { 2, 3 },     { 3, 16 },
                                 { 16, 8 },   { 7, 17 },   { 31, 31 },   { 32, 32 },   { 33, 33 },
                                 { 64, 64 },  { 31, 49 },  { 5, 255 },   { 5, 256 },   { 5, 257 },
                                 { 5, 511 },  { 3, 513 },  { 257, 33 },  { 1031, 37 }, { 517, 128 },
                                 { 2, 4099 }, { 20011, 3 }, { 1, 70001 } };
/* period, rows, n */
static hidi_sizes periods[] = { { 1, 0, 5 },    { 1, 5, 0 },    { 1, 1, 1 },    { 2, 2, 3 },
                                { 7, 3, 16 },   { 4, 16, 8 },   { 2, 7, 17 },   { 1, 31, 49 },
                                { 7, 64, 64 },  { 2, 5, 511 },  { 1, 3, 513 },  { 7, 257, 33 },
                                { 1, 1031, 37 }, { 2, 517, 128 }, { 1, 20011, 3 }, { 3, 20011, 1 },
                                { 64, 4096, 8 } };

static void run_add_rows(hidi_trial *t)
{
    const size_t period = t->size[0], rows = t->size[1], n = t->size[2];
    hidi_array *b = hidi_trial_input(t, period * n), *y = hidi_trial_output(t, rows * n);

    HIDI_EACH_SIDE (t)
        t->k->add_rows(AT(y), t->beta, AT(b), period, rows, n);
    hidi_compare(t, y, 2);
}

static void run_sum_rows(hidi_trial *t)
{
    const size_t period = t->size[0], rows = t->size[1], n = t->size[2];
    hidi_array *x = hidi_trial_input(t, rows * n), *y = hidi_trial_output(t, period * n);

    HIDI_EACH_SIDE (t)
        t->k->sum_rows(AT(y), t->beta, AT(x), period, rows, n);
    hidi_compare(t, y, 2 + sqrt((double)(rows / period + 1)));
}

/* Variants: y apart from x, and in its place. */
static void run_scale_rows(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *s = hidi_trial_input(t, rows);
    hidi_array *y = t->variant ? hidi_trial_in_out(t, rows * n) : hidi_trial_output(t, rows * n);
    hidi_array *x = t->variant ? y : hidi_trial_input(t, rows * n);

    HIDI_EACH_SIDE (t)
        t->k->scale_rows(AT(y), t->beta, hidi_scalar(t, 1.5), AT(s), AT(x), rows, n);
    hidi_compare(t, y, 3);
}

/* Variants: w, or ones. */
static void run_dot_rows(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *x = hidi_trial_input(t, rows * n), *y = hidi_trial_output(t, rows);
    hidi_array *w = t->variant ? NULL : hidi_trial_input(t, rows * n);

    HIDI_EACH_SIDE (t)
        t->k->dot_rows(AT(y), t->beta, hidi_scalar(t, 1.5), AT(x), w ? AT(w) : NULL, rows, n);
    hidi_compare(t, y, 3 + sqrt((double)n));
}

static void run_spread_rows(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *s = hidi_trial_input(t, rows), *y = hidi_trial_output(t, rows * n);

    HIDI_EACH_SIDE (t)
        t->k->spread_rows(AT(y), t->beta, hidi_scalar(t, -1.5), AT(s), rows, n);
    hidi_compare(t, y, 2);
}

/* Sums in double: in single precision only the result is rounded, and what is added to it. */
static void run_dot(hidi_trial *t)
{
    const size_t n = t->size[0] * t->size[1];
    hidi_array *x = hidi_trial_input(t, n), *y = hidi_trial_output(t, 1);
    hidi_array *w = t->variant ? NULL : hidi_trial_input(t, n);

    HIDI_EACH_SIDE (t)
        t->k->dot(AT(y), t->beta, hidi_scalar(t, -1.5), AT(x), w ? AT(w) : NULL, n);
    hidi_compare(t, y, sizeof(hidi_real) == sizeof(double) ? 3 + sqrt((double)n) : 2);
}

static const hidi_slot_case cases[] = {
    HIDI_CASE(add_rows, periods, 1, true, 256, 4096, 1024),
    HIDI_CASE(sum_rows, periods, 1, true, 1, 4096, 1024),
    HIDI_CASE(scale_rows, matrices, 2, true, 4096, 1024),
    HIDI_CASE(dot_rows, matrices, 2, true, 4096, 1024),
    HIDI_CASE(spread_rows, matrices, 1, true, 4096, 1024),
    HIDI_CASE(dot, matrices, 2, true, 4096, 1024)
};

const hidi_case_list hidi_row_cases = { cases, sizeof cases / sizeof *cases };
