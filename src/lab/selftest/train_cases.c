/* train_cases.c - look-up with repeated indices, sin-cos features, cross entropy, AdamW. */
#include "lab/selftest/trial.h"

#include <math.h>

/* rows, n */
static hidi_sizes tables[] = { { 0, 4 },   { 4, 0 },    { 1, 1 },     { 5, 6 },    { 31, 33 },
                               { 67, 128 }, { 257, 31 }, { 1031, 7 },  { 3, 1153 } };
/* rows, n even */
static hidi_sizes features[] = { { 0, 4 },   { 1, 2 },   { 5, 6 },   { 31, 66 },
                                 { 67, 128 }, { 257, 38 }, { 33, 512 }, { 20011, 2 } };
static hidi_sizes lengths[] = {
    { 0 }, { 1 }, { 31 }, { 33 }, { 256 }, { 257 }, { 4097 }, { 40009 }
};
enum { ENTRIES = 13 };

static void run_embedding(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *table = hidi_trial_input(t, ENTRIES * n),
               *index = hidi_trial_indices(t, rows, ENTRIES);
    hidi_array *y = hidi_trial_output(t, rows * n);

    HIDI_BOTH_SIDES (t)
        t->k->embedding(AT(y), AT(table), INDICES_AT(index), rows, n);
    hidi_compare(t, y, 0);
}

/* In order of i, which leaves nothing to rounding but what the reference rounds itself. */
static void run_embedding_vjp(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *table = hidi_trial_in_out(t, ENTRIES * n),
               *index = hidi_trial_indices(t, rows, ENTRIES);
    hidi_array *gy = hidi_trial_input(t, rows * n);

    HIDI_EACH_SIDE (t)
        t->k->embedding_vjp(AT(table), INDICES_AT(index), AT(gy), rows, n);
    hidi_compare(t, table, 1 + sqrt((double)rows / ENTRIES));
}

/* --- sin-cos features ------------------------------------------------------------------------- */

/* Variants: DiT's scale of t in [0, 1], and a thousand times that.  The phase s t w_k, w_k <= 1,
 * may be rounded in each of its factors; the functions of it by as much, and twice more. */
static double scale_of(const hidi_trial *t)
{
    return t->variant ? 1000 : 3;
}

static double phase(const hidi_trial *t, hidi_array *times, size_t i)
{
    return 2 + 3 * fabs(scale_of(t) * (double)HIDI_REALS(times)[i]);
}

static void run_sincos(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *times = hidi_trial_input(t, rows), *y = hidi_trial_output(t, rows * n);

    HIDI_BOTH_SIDES (t)
        t->k->sincos(AT(y), AT(times), (hidi_real)scale_of(t), rows, n);
    for (size_t i = 0; i < y->n && !t->no_memory; i++)
        HIDI_MAGNITUDES(y)[i] = (hidi_real)phase(t, times, i / n);
    hidi_compare(t, y, 1);
}

static void run_sincos_jvp(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *times = hidi_trial_input(t, rows), *d = hidi_trial_input(t, rows);
    hidi_array *dy = hidi_trial_output(t, rows * n), *kept = hidi_trial_scratch(t, rows * n);

    for (size_t i = 0; i < dy->n && t->beta_given != 0 && !t->no_memory; i++)
        HIDI_REALS(kept)[i] = (hidi_real)fabs((double)t->beta_given * HIDI_REALS(dy)[i]);
    HIDI_BOTH_SIDES (t)
        t->k->sincos_jvp(AT(dy), t->beta, AT(times), AT(d), (hidi_real)scale_of(t), rows, n);
    for (size_t i = 0; i < dy->n && !t->no_memory; i++) {
        const double rate = fabs(scale_of(t) * (double)HIDI_REALS(d)[i / n]);
        const double before = t->beta_given == 0 ? 0 : (double)HIDI_REALS(kept)[i];
        HIDI_MAGNITUDES(dy)[i] = (hidi_real)(2 * before + rate * (3 + phase(t, times, i / n)));
    }
    hidi_compare(t, dy, 1);
}

/* The sum of n such terms, each times |gy| < 6, about sqrt(n) in size. */
static void run_sincos_vjp(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *times = hidi_trial_input(t, rows), *gy = hidi_trial_input(t, rows * n);
    hidi_array *gt = hidi_trial_output(t, rows);

    HIDI_BOTH_SIDES (t)
        t->k->sincos_vjp(AT(gt), t->beta, AT(times), AT(gy), (hidi_real)scale_of(t), rows, n);
    for (size_t i = 0; i < rows && !t->no_memory; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += fabs((double)HIDI_REALS(gy)[i * n + j]);
        HIDI_MAGNITUDES(gt)[i] = (hidi_real)(6 + scale_of(t) * sum * (3 + phase(t, times, i)));
    }
    hidi_compare(t, gt, 1);
}

/* --- cross entropy ---------------------------------------------------------------------------- */

/* A logarithm of a sum of exponentials of differences below 40, and such a difference. */
static void run_cross_entropy(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *x = hidi_trial_input(t, rows * n),
               *label = hidi_trial_indices(t, rows, n > 0 ? n : 1);
    hidi_array *loss = hidi_trial_output(t, n > 0 ? rows : 0), *P = hidi_trial_output(t, rows * n);

    for (size_t i = 0; i < x->n && !t->no_memory; i++)
        HIDI_REALS(x)[i] *= 4;
    HIDI_BOTH_SIDES (t)
        t->k->cross_entropy(AT(loss), AT(P), AT(x), INDICES_AT(label), n > 0 ? rows : 0, n);
    for (size_t i = 0; i < P->n && !t->no_memory; i++)
        HIDI_MAGNITUDES(P)[i] = HIDI_REALS(P)[i] + (hidi_real)1e-35;
    for (size_t i = 0; i < loss->n && !t->no_memory; i++)
        HIDI_MAGNITUDES(loss)[i] = 40;
    hidi_compare(t, P, 40 + sqrt((double)n));
    hidi_compare(t, loss, 4 + sqrt((double)n));
}

static hidi_array *probabilities(hidi_trial *t, size_t rows, size_t n)
{
    hidi_array *P = hidi_trial_input(t, rows * n);

    if (!t->no_memory)
        t->reference->softmax(HIDI_REALS(P), HIDI_REALS(P), rows, n);
    return P;
}

/* <p - onehot, d>: |d| < 6 once for the label, and once on average */
static void run_cross_entropy_jvp(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *P = probabilities(t, rows, n), *label = hidi_trial_indices(t, rows, n > 0 ? n : 1);
    hidi_array *d = hidi_trial_input(t, rows * n), *loss = hidi_trial_output(t, n > 0 ? rows : 0);

    HIDI_BOTH_SIDES (t)
        t->k->cross_entropy_jvp(AT(loss), AT(P), INDICES_AT(label), AT(d), n > 0 ? rows : 0, n);
    for (size_t i = 0; i < loss->n && !t->no_memory; i++)
        HIDI_MAGNITUDES(loss)[i] = 12;
    hidi_compare(t, loss, 2 + sqrt((double)n));
}

static void run_cross_entropy_vjp(hidi_trial *t)
{
    const size_t rows = t->size[0], n = t->size[1];
    hidi_array *P = probabilities(t, rows, n), *label = hidi_trial_indices(t, rows, n > 0 ? n : 1);
    hidi_array *g = hidi_trial_input(t, rows), *out = hidi_trial_output(t, rows * n);

    HIDI_BOTH_SIDES (t)
        t->k->cross_entropy_vjp(AT(out), t->beta, AT(P), INDICES_AT(label), AT(g), rows, n);
    for (size_t i = 0; i < out->n && !t->no_memory; i++)
        HIDI_MAGNITUDES(out)[i] = (hidi_real)(fabs((double)HIDI_REALS(g)[i / n]) +
                                              (t->beta_given == 0 ? 0 : 6));
    hidi_compare(t, out, 3);
}

/* --- AdamW ------------------------------------------------------------------------------------ */

/* Ten steps of 0.01 from the same start: differences stay at the rounding of each step. */
static void run_adamw(hidi_trial *t)
{
    enum { STEPS = 10 };
    const long steps = t->timed ? 1 : STEPS;
    const size_t n = t->size[0];
    const double decay = t->variant ? 0 : 0.01;
    hidi_array *w = hidi_trial_in_out(t, n), *m = hidi_trial_in_out(t, n),
               *v = hidi_trial_in_out(t, n);
    hidi_array *g[STEPS], *start = hidi_trial_scratch(t, n);

    for (long i = 0; i < steps; i++)
        g[i] = hidi_trial_input(t, n);
    for (size_t i = 0; i < n && !t->no_memory; i++) {
        HIDI_REALS(start)[i] = (hidi_real)fabs((double)HIDI_REALS(w)[i]);
        HIDI_REALS(m)[i] = HIDI_REALS(v)[i] = 0;
    }
    HIDI_BOTH_SIDES (t)
        for (long step = 1; step <= steps; step++)
            t->k->adamw(AT(w), AT(g[step - 1]), AT(m), AT(v), n, (hidi_real)0.7, 1e-2, 0.9, 0.95,
                        1e-8, decay, step);
    for (size_t i = 0; i < n && !t->no_memory; i++) {
        HIDI_MAGNITUDES(w)[i] = HIDI_REALS(start)[i] + (hidi_real)0.1;
        HIDI_MAGNITUDES(m)[i] = HIDI_MAGNITUDES(v)[i] = 20;
    }
    hidi_compare(t, w, 30);
    hidi_compare(t, m, 2);
    hidi_compare(t, v, 2);
}

static const hidi_slot_case cases[] = {
    HIDI_CASE(embedding, tables, 1, false, 4096, 1024),
    HIDI_CASE(embedding_vjp, tables, 1, false, 4096, 1024),
    HIDI_CASE(sincos, features, 2, false, 4096, 256),
    HIDI_CASE(sincos_jvp, features, 2, true, 4096, 256),
    HIDI_CASE(sincos_vjp, features, 2, true, 4096, 256),
    HIDI_CASE(cross_entropy, tables, 1, false, 4096, 1000),
    HIDI_CASE(cross_entropy_jvp, tables, 1, false, 4096, 1000),
    HIDI_CASE(cross_entropy_vjp, tables, 1, true, 4096, 1000),
    HIDI_CASE(adamw, lengths, 2, false, 1 << 22)
};

const hidi_case_list hidi_train_cases = { cases, sizeof cases / sizeof *cases };
