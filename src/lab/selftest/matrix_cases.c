/* matrix_cases.c - matrix products in all transpositions, linear layers, attention. */
#include "lab/selftest/trial.h"

#include <math.h>

/* m, n, k: around the cpu's panels and strips, a device's warps and blocks, and limits between ways
 */
static hidi_sizes products[] = {
    { 0, 3, 4 },     { 3, 0, 4 },      { 3, 4, 0 },       { 1, 1, 1 },      { 2, 3, 5 },
    { 4, 16, 8 },    { 5, 17, 7 },     { 16, 16, 32 },    { 3, 15, 256 },   { 13, 33, 257 },
    { 47, 9, 31 },   { 49, 50, 19 },   { 1, 300, 70 },    { 300, 1, 70 },   { 64, 64, 65 },
    { 97, 89, 83 },  { 31, 257, 64 },  { 256, 96, 100 },  { 130, 131, 128 }, { 33, 35, 1000 }
};
/* m, n, k, batch */
static hidi_sizes batches[] = {
    { 3, 4, 5, 0 },   { 3, 0, 4, 2 },   { 3, 4, 0, 3 },   { 1, 1, 1, 1 },    { 2, 3, 5, 4 },
    { 5, 17, 7, 3 },  { 16, 16, 32, 5 }, { 13, 33, 257, 2 }, { 49, 50, 19, 4 }, { 64, 64, 65, 1 },
    { 1, 300, 70, 2 }, { 31, 257, 64, 2 }, { 2, 3, 2, 1031 }
};
/* B, T, H, Dh */
static hidi_sizes heads[] = { { 0, 3, 2, 4 },   { 2, 0, 2, 4 },    { 1, 1, 1, 1 },
                              { 2, 3, 3, 5 },   { 3, 16, 4, 32 },  { 2, 17, 1, 7 },
                              { 2, 49, 2, 32 }, { 1, 64, 3, 33 },  { 2, 31, 2, 31 },
                              { 1, 33, 2, 65 }, { 1, 130, 2, 64 }, { 1, 256, 2, 72 } };

/* Variants: the four transpositions; rows lie further apart than they are long. */
static void run_gemm(hidi_trial *t)
{
    const bool ta = t->variant & 1, tb = t->variant & 2;
    const size_t m = t->size[0], n = t->size[1], k = t->size[2];
    const size_t lda = (ta ? m : k) + 2, ldb = (tb ? k : n) + 3, ldc = n + 1;
    hidi_array *a = hidi_trial_input(t, (ta ? k : m) * lda),
               *b = hidi_trial_input(t, (tb ? n : k) * ldb);
    hidi_array *c = hidi_trial_in_out(t, m * ldc);

    for (size_t i = 0; i < m && t->beta_given == 0 && !t->no_memory; i++)
        for (size_t j = 0; j < n; j++)
            HIDI_REALS(c)[i * ldc + j] = (hidi_real)NAN;
    t->flop = 2.0 * (double)m * (double)n * (double)k;
    HIDI_EACH_SIDE (t)
        t->k->gemm(ta, tb, m, n, k, hidi_scalar(t, -0.75), AT(a), lda, AT(b), ldb, t->beta, AT(c),
                   ldc);
    hidi_compare(t, c, 4 + sqrt((double)k));
}

/* Variants: the transpositions, with an A of each; then with one A for all, and with one B. */
static void run_gemm_batched(hidi_trial *t)
{
    const bool ta = t->variant & 1, tb = t->variant & 2;
    const bool one_a = t->variant / 4 == 1, one_b = t->variant / 4 == 2;
    const size_t m = t->size[0], n = t->size[1], k = t->size[2], batch = t->size[3];
    const size_t stride_a = one_a ? 0 : m * k, stride_b = one_b ? 0 : k * n + 1;
    const size_t stride_c = m * n + (one_b ? 0 : 2); /* dense for one B: it may be one product */
    hidi_array *a = hidi_trial_input(t, m * k * (one_a ? 1 : batch));
    hidi_array *b = hidi_trial_input(t, one_b ? k * n : stride_b * batch);
    hidi_array *c = hidi_trial_in_out(t, stride_c * batch);

    for (size_t s = 0; s < batch && t->beta_given == 0 && !t->no_memory; s++)
        for (size_t i = 0; i < m * n; i++)
            HIDI_REALS(c)[s * stride_c + i] = (hidi_real)NAN;
    t->flop = 2.0 * (double)m * (double)n * (double)k * (double)batch;
    HIDI_EACH_SIDE (t)
        t->k->gemm_batched(ta, tb, m, n, k, hidi_scalar(t, 2), AT(a), stride_a, AT(b), stride_b,
                           t->beta, AT(c), stride_c, batch);
    hidi_compare(t, c, 4 + sqrt((double)k));
}

/* Variants: with bias, without. */
static void run_linear(hidi_trial *t)
{
    const size_t rows = t->size[0], out = t->size[1], in = t->size[2];
    hidi_array *x = hidi_trial_input(t, rows * in), *w = hidi_trial_input(t, out * in);
    hidi_array *bias = t->variant ? NULL : hidi_trial_input(t, out),
               *y = hidi_trial_output(t, rows * out);

    t->flop = 2.0 * (double)rows * (double)out * (double)in;
    HIDI_EACH_SIDE (t)
        t->k->linear(AT(y), t->beta, AT(x), AT(w), bias ? AT(bias) : NULL, rows, in, out);
    hidi_compare(t, y, 4 + sqrt((double)in));
}

/* --- attention -------------------------------------------------------------------------------- */

/* The probabilities are O(1), and logits differ by a rounding of their own size (< 10 here); a sum
 * over T of probabilities times N(0, 1) is O(1) too.  Errors of the derivatives are those of a few
 * such products, each of Dh or T terms. */
typedef struct attention_sizes {
    size_t B, T, H, Dh, n, n_probs; /* of y, of P */
    double roundings;
} attention_sizes;

static attention_sizes sizes_of(hidi_trial *t, double products_of_T_T_Dh)
{
    attention_sizes s = { .B = t->size[0], .T = t->size[1], .H = t->size[2], .Dh = t->size[3] };

    s.n = s.B * s.T * s.H * s.Dh;
    s.n_probs = s.B * s.H * s.T * s.T;
    s.roundings = 4 + sqrt((double)(s.T + s.Dh));
    t->flop = 2 * products_of_T_T_Dh * (double)s.T * (double)s.n;
    return s;
}

static void set_magnitudes(hidi_trial *t, hidi_array *y, double magnitude)
{
    for (size_t i = 0; i < y->n && !t->no_memory; i++)
        HIDI_MAGNITUDES(y)[i] = (hidi_real)magnitude;
}

static void run_attention(hidi_trial *t)
{
    const attention_sizes s = sizes_of(t, 2);
    hidi_array *qkv = hidi_trial_input(t, 3 * s.n), *P = hidi_trial_output(t, s.n_probs);
    hidi_array *y = hidi_trial_output(t, s.n);

    HIDI_BOTH_SIDES (t)
        t->k->attention(AT(y), AT(P), AT(qkv), s.B, s.T, s.H, s.Dh);
    set_magnitudes(t, y, 4);
    for (size_t i = 0; i < s.n_probs && !t->no_memory; i++)
        HIDI_MAGNITUDES(P)[i] = 10 * HIDI_REALS(P)[i];
    hidi_compare(t, P, s.roundings);
    hidi_compare(t, y, s.roundings);
}

/* P of qkv, as an input. */
static hidi_array *probabilities(hidi_trial *t, hidi_array *qkv, attention_sizes s)
{
    hidi_array *P = hidi_trial_input(t, s.n_probs), *y = hidi_trial_scratch(t, s.n);

    if (!t->no_memory)
        t->reference->attention(HIDI_REALS(y), HIDI_REALS(P), HIDI_REALS(qkv), s.B, s.T, s.H, s.Dh);
    return P;
}

static void run_attention_jvp(hidi_trial *t)
{
    const attention_sizes s = sizes_of(t, 4);
    hidi_array *qkv = hidi_trial_input(t, 3 * s.n), *dqkv = hidi_trial_input(t, 3 * s.n);
    hidi_array *P = probabilities(t, qkv, s), *dy = hidi_trial_output(t, s.n);
    hidi_array *scratch = hidi_trial_scratch(t, s.n_probs);

    HIDI_BOTH_SIDES (t)
        t->k->attention_jvp(AT(dy), AT(qkv), AT(dqkv), AT(P), AT(scratch), s.B, s.T, s.H, s.Dh);
    set_magnitudes(t, dy, 4);
    hidi_compare(t, dy, s.roundings);
}

static void run_attention_vjp(hidi_trial *t)
{
    const attention_sizes s = sizes_of(t, 4);
    hidi_array *qkv = hidi_trial_input(t, 3 * s.n), *gy = hidi_trial_input(t, s.n);
    hidi_array *P = probabilities(t, qkv, s), *gqkv = hidi_trial_output(t, 3 * s.n);
    hidi_array *scratch = hidi_trial_scratch(t, s.n_probs);

    HIDI_BOTH_SIDES (t)
        t->k->attention_vjp(AT(gqkv), t->beta, AT(qkv), AT(gy), AT(P), AT(scratch), s.B, s.T, s.H,
                            s.Dh);
    set_magnitudes(t, gqkv, t->beta_given == 0 ? 8 : 12);
    hidi_compare(t, gqkv, s.roundings);
}

static const hidi_slot_case cases[] = {
    HIDI_CASE(gemm, products, 4, true, 1024, 1024, 1024),
    HIDI_CASE(gemm_batched, batches, 12, true, 128, 128, 64, 64),
    HIDI_CASE(linear, products, 2, true, 1024, 1024, 1024),
    HIDI_CASE(attention, heads, 1, false, 8, 256, 6, 64),
    HIDI_CASE(attention_jvp, heads, 1, false, 8, 256, 6, 64),
    HIDI_CASE(attention_vjp, heads, 1, true, 8, 256, 6, 64)
};

const hidi_case_list hidi_matrix_cases = { cases, sizeof cases / sizeof *cases };
