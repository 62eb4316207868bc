/* test_backend_reference.c - every slot of the reference backend against values known by hand.
 *
 * Most inputs are small integers and halves, so that the expected result is exact (0 roundings).
 * Irrational values were computed with 40 decimal digits.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/tables.h"
#include "near.h"
#include "suite.h"

static const hidi_backend *b; /* the table under test */

static const hidi_real no_parameters[2] = { 0, 0 };

/* An array literal of hidi_real. */
#define R(...) ((hidi_real[]){ __VA_ARGS__ })

/* --- life and memory ------------------------------------------------------------------------- */

START_TEST(test_table_is_complete)
{
    /* The table holds nothing but pointers; none may be NULL. */
    const unsigned char *bytes = (const unsigned char *)b;
    const unsigned char null[sizeof(void *)] = { 0 };

    for (size_t i = 0; i < sizeof *b; i += sizeof null)
        ck_assert_msg(memcmp(bytes + i, null, sizeof null) != 0, "slot %lu is NULL",
                      (unsigned long)(i / sizeof null));
    ck_assert_str_eq(b->name, "reference");
    ck_assert_str_eq(b->describe(), "plain C loops, one thread");
}
END_TEST

START_TEST(test_life)
{
    ck_assert_int_eq(b->open(), HIDI_OK);
    ck_assert_int_eq(b->check(), HIDI_OK);
    b->set_threads(8);
    ck_assert_int_eq(b->threads(), 1);
}
END_TEST

START_TEST(test_memory)
{
    void *empty = b->allocate(0), *memory = b->allocate(1001);
    hidi_real y[3];

    ck_assert_ptr_nonnull(empty);
    ck_assert_ptr_nonnull(memory);
    ck_assert_uint_eq((uintptr_t)memory % 64, 0);

    b->upload(memory, R(1, 2, 3), sizeof y);
    b->download(y, memory, sizeof y);
    assert_values(y, 0, 1, 2, 3);
    b->release(memory);
    b->release(empty);
    b->release(NULL);
}
END_TEST

START_TEST(test_copy_fill)
{
    hidi_real y[] = { 1, 2, 3, 4 };

    b->copy(y + 1, y, 3); /* overlaps */
    assert_values(y, 0, 1, 1, 2, 3);
    b->fill(y, -2, 3);
    assert_values(y, 0, -2, -2, -2, 3);

    hidi_real block[] = { 1, 2, 9, 3, 4, 9 }; /* 2 x 2, leading dimension 3 */
    b->copy_block(block, 3, 0.5, R(10, 20, 30, 40), 2, 2, 2);
    assert_values(block, 0, 10.5, 21, 9, 31.5, 42, 9);
}
END_TEST

/* --- element-wise ---------------------------------------------------------------------------- */

START_TEST(test_axpby_multiply)
{
    hidi_real y[] = { NAN, NAN };

    b->axpby(y, 0, 2, R(1, -3), 2);
    assert_values(y, 0, 2, -6);
    b->axpby(y, 1, 1, R(0.5, 0.25), 2);
    assert_values(y, 0, 2.5, -5.75);
    b->axpby(y, -2, 4, y, 2); /* in place: (-2 + 4) y */
    assert_values(y, 0, 5, -11.5);

    b->lerp(y, 0.25, R(9, -11.5), 2);
    assert_values(y, 0, 6, -11.5);
    b->lerp(y, 1, R(5, -3), 2);
    assert_values(y, 0, 5, -3);
    b->lerp(y, 0.5, R(5, -20), 2);
    assert_values(y, 0, 5, -11.5);

    b->multiply(y, 0.5, 2, R(3, 4), R(5, -1), 2);
    assert_values(y, 0, 32.5, -13.75);
    b->multiply(y, 0, 1, y, y, 2);
    assert_values(y, 1, 1056.25, 189.0625);
}
END_TEST

static void apply(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n)
{
    b->unary(f, y, x, n, no_parameters);
}

static void differentiate(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = 1;
    b->unary_jacobian(f, y, 0, x, y, n, no_parameters); /* d = 1, in place */
}

START_TEST(test_unary_smooth)
{
    const hidi_real x[] = { 1, -0.5, 2, -3, 0 };
    hidi_real y[5];

    apply(HIDI_GELU, y, x, 5);
    assert_values(y, 8, 0.84119199060827665, -0.15428599017485609, 1.954597694087775,
                  -0.0036373920817730191, 0);
    differentiate(HIDI_GELU, y, x, 5);
    assert_values(y, 16, 1.0829640838457826, 0.1326300964653577, 1.0860992566236183,
                  -0.011584166630969726, 0.5);
    apply(HIDI_SILU, y, x, 5);
    assert_values(y, 4, 0.7310585786300049, -0.18877033439907273, 1.7615941559557649,
                  -0.14227761953270035, 0);
    differentiate(HIDI_SILU, y, x, 5);
    assert_values(y, 8, 0.92767051187148675, 0.26003881269734819, 1.0907842487848955,
                  -0.088104106015169617, 0.5);
    apply(HIDI_SOFTPLUS, y, x, 5);
    assert_values(y, 4, 1.3132616875182228, 0.47407698418010669, 2.1269280110429727,
                  0.048587351573742062, 0.69314718055994531);
    differentiate(HIDI_SOFTPLUS, y, x, 5);
    assert_values(y, 4, 0.7310585786300049, 0.37754066879814546, 0.88079707797788243,
                  0.047425873177566781, 0.5);
}
END_TEST

START_TEST(test_unary_simple)
{
    const hidi_real x[] = { 1.5, -2, 0 };
    const hidi_real p[] = { 2, 0.75 };
    hidi_real y[3];

    apply(HIDI_RELU, y, x, 3);
    assert_values(y, 0, 1.5, 0, 0);
    differentiate(HIDI_RELU, y, x, 3);
    assert_values(y, 0, 1, 0, 0);
    apply(HIDI_ABS, y, x, 3);
    assert_values(y, 0, 1.5, 2, 0);
    differentiate(HIDI_ABS, y, x, 3);
    assert_values(y, 0, 1, -1, 0);
    apply(HIDI_SQUARE, y, x, 3);
    assert_values(y, 0, 2.25, 4, 0);
    differentiate(HIDI_SQUARE, y, x, 3);
    assert_values(y, 0, 3, -4, 0);
    apply(HIDI_EXP, y, x, 3);
    assert_values(y, 4, 4.4816890703380645, 0.1353352832366127, 1);
    differentiate(HIDI_EXP, y, x, 3);
    assert_values(y, 4, 4.4816890703380645, 0.1353352832366127, 1);

    b->unary(HIDI_POWER, y, R(1, -1), 2, p); /* 3^0.75, 1^0.75 */
    assert_values(y, 2, 2.2795070569547775, 1);
    b->unary_jacobian(HIDI_POWER, y, 2, R(1, -1), R(1, 2), 2, p);
    assert_values(y, 4, 2 * 2.2795070569547775 + 0.56987676423869438, 2 + 1.5);
}
END_TEST

START_TEST(test_unary_extremes)
{
    const hidi_real x[] = { 100, -100, 10000, -10000 };
    hidi_real y[4];

    apply(HIDI_GELU, y, x, 4);
    assert_values(y, 0, 100, 0, 10000, 0);
    differentiate(HIDI_GELU, y, x, 4);
    assert_values(y, 0, 1, 0, 1, 0);
    apply(HIDI_SILU, y, x, 4);
    assert_values(y, 4, 100, -3.7200759760208357e-42, 10000, 0);
    differentiate(HIDI_SILU, y, x, 4);
    assert_values(y, 8, 1, -3.6828752162606278e-42, 1, 0);
    apply(HIDI_SOFTPLUS, y, x, 4);
    assert_values(y, 4, 100, 3.7200759760208361e-44, 10000, 0);
    differentiate(HIDI_SOFTPLUS, y, x, 4);
    assert_values(y, 4, 1, 3.7200759760208361e-44, 1, 0);
}
END_TEST

START_TEST(test_unary_keeps_nan)
{
    for (int f = HIDI_GELU; f <= HIDI_POWER; f++) {
        hidi_real y[] = { NAN };
        b->unary((hidi_unary)f, y, y, 1, R(1, 2));
        ck_assert_msg(isnan(y[0]), "map %d loses a NaN", f);
    }
}
END_TEST

/* --- rows ------------------------------------------------------------------------------------ */

START_TEST(test_rows)
{
    const hidi_real x[] = { 1, 2, 3, 4, 5, 6, 7, 8 }; /* [4, 2] */
    hidi_real y[8] = { 0 }, out[4];

    b->add_rows(y, 1, R(1, 2, 3, 4), 2, 4, 2);
    assert_values(y, 0, 1, 2, 3, 4, 1, 2, 3, 4);
    b->add_rows(y, 0.5, R(10, 20), 1, 4, 2);
    assert_values(y, 0, 10.5, 21, 11.5, 22, 10.5, 21, 11.5, 22);

    b->sum_rows(out, 0, x, 1, 4, 2);
    assert_values(out, 0, 16, 20);
    b->sum_rows(out, 0, x, 2, 4, 2);
    assert_values(out, 0, 6, 8, 10, 12);
    b->sum_rows(out, 0, x, 3, 4, 1); /* 4 rows are not a multiple of the period 3 */
    assert_values(out, 0, 1 + 4, 2, 3);

    b->scale_rows(y, 0, 2, R(1, 0.5, -1, 0), x, 4, 2);
    assert_values(y, 0, 2, 4, 3, 4, -10, -12, 0, 0);
    b->spread_rows(y, 1, 2, R(1, 0.5, -1, 0), 4, 2);
    assert_values(y, 0, 4, 6, 4, 5, -12, -14, 0, 0);

    b->dot_rows(out, 0, 0.5, x, x, 4, 2);
    assert_values(out, 0, 2.5, 12.5, 30.5, 56.5);
    b->dot_rows(out, 1, 1, x, NULL, 4, 2);
    assert_values(out, 0, 5.5, 19.5, 41.5, 71.5);
    b->dot(out, 0, 2, x, x, 3);
    assert_values(out, 0, 28);
    b->dot(out, 0.5, 1, x, NULL, 8);
    assert_values(out, 0, 50);
}
END_TEST

START_TEST(test_dot_sums_in_double)
{
    enum { N = 1 << 20 };
    hidi_real *x = b->allocate(N * sizeof *x), sum;

    /* In single precision 2^24 + 1 + 1 + ... stays at 2^24. */
    b->fill(x, 1, N);
    x[0] = 16777216;
    b->dot(&sum, 0, 1, x, NULL, N);
    assert_values(&sum, 0.5, 16777216.0 + N - 1);
    b->sum_rows(&sum, 0, x, 1, N, 1);
    assert_values(&sum, 0.5, 16777216.0 + N - 1);
    b->release(x);
}
END_TEST

/* --- matrices -------------------------------------------------------------------------------- */

START_TEST(test_gemm)
{
    /* A = [1 2 3; 4 5 6], B = [1 0; 2 1; 0 -1]:  A B = [5 -1; 14 -1] */
    const hidi_real a[] = { 1, 2, 3, 9, 4, 5, 6, 9 };    /* [2, 3], leading dimension 4 */
    const hidi_real at[] = { 1, 4, 2, 5, 3, 6 };         /* its transpose               */
    const hidi_real bm[] = { 1, 0, 2, 1, 0, -1 };        /* [3, 2]                      */
    const hidi_real bt[] = { 1, 2, 0, 9, 0, 1, -1, 9 };  /* its transpose, ld 4         */
    hidi_real c[] = { NAN, NAN, 7, NAN, NAN, 7 };        /* [2, 2], leading dimension 3 */

    b->gemm(false, false, 2, 2, 3, 1, a, 4, bm, 2, 0, c, 3);
    assert_values(c, 0, 5, -1, 7, 14, -1, 7);
    b->gemm(true, false, 2, 2, 3, 2, at, 2, bm, 2, -1, c, 3);
    assert_values(c, 0, 5, -1, 7, 14, -1, 7);
    b->gemm(false, true, 2, 2, 3, 1, a, 4, bt, 4, 1, c, 3);
    assert_values(c, 0, 10, -2, 7, 28, -2, 7);
    b->gemm(true, true, 2, 2, 3, 1, at, 2, bt, 4, 0.5, c, 3);
    assert_values(c, 0, 10, -2, 7, 28, -2, 7);
    b->gemm(false, false, 2, 2, 0, 1, a, 4, bm, 2, 0.5, c, 3); /* k = 0: C = beta C */
    assert_values(c, 0, 5, -1, 7, 14, -1, 7);
}
END_TEST

START_TEST(test_gemm_wide)
{
    /* Wider than any block of columns: c_j = sum_l (l + 1) (j + l) for l = 0, 1 = 3 j + 2 */
    enum { N = 1000 };
    static hidi_real bm[2 * N], c[N];

    for (size_t j = 0; j < N; j++) {
        bm[j] = (hidi_real)j;
        bm[N + j] = (hidi_real)(j + 1);
    }
    b->gemm(false, false, 1, N, 2, 1, R(1, 2), 2, bm, N, 0, c, N);
    for (size_t j = 0; j < N; j++)
        assert_values(&c[j], 0, 3.0 * (double)j + 2);
}
END_TEST

START_TEST(test_gemm_batched_linear)
{
    hidi_real c[4], y[] = { 1, 1, NAN, NAN };

    /* [1 2] and [3 4] times the same [1; 10] */
    b->gemm_batched(false, false, 1, 1, 2, 1, R(1, 2, 3, 4), 2, R(1, 10), 0, 0, c, 1, 2);
    assert_values(c, 0, 21, 43);
    /* outer products [1; 2] [3 4] and [5; 6] [7 8], A stored as its transpose: second row only */
    b->gemm_batched(true, false, 1, 2, 1, 1, R(1, 5), 1, R(3, 4, 7, 8), 2, 0, c, 2, 2);
    assert_values(c, 0, 3, 4, 35, 40);

    /* x = [1 2], w = [3 4; 5 6] */
    b->linear(y, 2, R(1, 2), R(3, 4, 5, 6), R(0.5, -0.5), 1, 2, 2);
    assert_values(y, 0, 2 + 11 + 0.5, 2 + 17 - 0.5, NAN, NAN);
    b->linear(y, 0, R(1, 2, 0, 1), R(3, 4, 5, 6), NULL, 2, 2, 2);
    assert_values(y, 0, 11, 17, 4, 6);
}
END_TEST

/* With K = 0 all tokens get the same weight, and attention is the mean of V. */
START_TEST(test_attention)
{
    /* B = 1, T = 2, H = 1, Dh = 2: q, k, v of token 0, then of token 1 */
    const hidi_real qkv[] = { 1, 2, 0, 0, 4, 8, 3, 4, 0, 0, 6, -8 };
    const hidi_real dqkv[] = { 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, -2, 0 };
    const hidi_real gy[] = { 1, 0, 0, 2 };
    hidi_real y[4], probs[4], scratch[4], g[12];
    double c = sqrt(0.5) / 4; /* p (1 - p) / sqrt(Dh) */

    b->attention(y, probs, qkv, 1, 2, 1, 2);
    assert_values(probs, 0, 0.5, 0.5, 0.5, 0.5);
    assert_values(y, 0, 5, 0, 5, 0);

    /* dS = [1 0; 3 0] / sqrt(2);  dP = p (1 - p) [dS, -dS];  dY = dP V + P dV */
    b->attention_jvp(y, qkv, dqkv, probs, scratch, 1, 2, 1, 2);
    assert_values(y, 4, c * (4 - 6) - 1, c * (8 + 8), 3 * c * (4 - 6) - 1, 3 * c * (8 + 8));

    /* gV = P^T gY;  gP = gY V^T = [4 6; 16 -16];  gS = p (1 - p) [-2 2; 32 -32];  gQ = gS K = 0;
     * gK = gS^T Q / sqrt(2):  gK_0 = c (-2 q_0 + 32 q_1) = -gK_1 */
    b->attention_vjp(g, 0, qkv, gy, probs, scratch, 1, 2, 1, 2);
    assert_values(g, 4, 0, 0, c * 94, c * 124, 0.5, 1, 0, 0, -c * 94, -c * 124, 0.5, 1);
}
END_TEST

/* --- softmax, layer norm, modulation --------------------------------------------------------- */

START_TEST(test_softmax)
{
    hidi_real y[] = { 1, 2, 4, 10000, -10000, 9999 }, out[] = { 1, 1, 1 };

    b->softmax(y, y, 2, 3); /* in place */
    assert_values(y, 4, 0.042010066134066049, 0.11419519938459448, 0.84379473448133946,
                  0.7310585786300049, 0, 0.2689414213699951);
    b->softmax_jacobian(out, 2, R(0.25, 0.25, 0.5), R(1, 2, 3), 1, 3); /* <y, d> = 2.25 */
    assert_values(out, 0, 2 - 0.3125, 2 - 0.0625, 2 + 0.375);

    b->softmax(y, R(-INFINITY, 0, 0, NAN, 0, 0), 2, 3);
    assert_values(y, 0, 0, 0.5, 0.5, NAN, NAN, NAN);
}
END_TEST

START_TEST(test_layer_norm)
{
    hidi_real y[4], rstd, out[4] = { 4, 4, 4, 4 };

    b->layer_norm(y, &rstd, R(1, 2, 3, 6), 1, 4, 0.5); /* mean 3, variance 3.5 */
    assert_values(&rstd, 0, 0.5);
    assert_values(y, 0, -1, -0.5, 0, 1.5);
    b->layer_norm(y, &rstd, R(1048577, 1048578, 1048579, 1048582), 1, 4, 0.5); /* far from 0 */
    assert_values(y, 0, -1, -0.5, 0, 1.5);
    b->layer_norm(y, &rstd, R(7, 7, 7, 7), 1, 4, 0.25); /* constant: 0, and no division by 0 */
    assert_values(&rstd, 0, 2);
    assert_values(y, 0, 0, 0, 0, 0);

    /* mean d = 2, mean y d = (-1 + 1 + 0 + 6) / 4 = 1.5 */
    b->layer_norm_jacobian(out, 0.5, R(-1, -0.5, 0, 1.5), R(0.5), R(1, -2, 5, 4), 1, 4);
    assert_values(out, 0, 2 + 0.25, 2 - 1.625, 2 + 1.5, 2 - 0.125);
}
END_TEST

START_TEST(test_modulation)
{
    const hidi_real x[] = { 1, 2, 3, 4, 5, 6, 7, 8 }; /* B = 2, T = 2, D = 2 */
    hidi_real y[8], out[4], normed[4], rstd[2];

    b->modulate(y, 0, x, 1, R(1, 0, 0.5, -1), R(10, 20, 30, 40), 2, 2, 2);
    assert_values(y, 0, 12, 22, 16, 24, 37.5, 40, 40.5, 40);
    b->modulate(y, -1, x, 2, NULL, NULL, 2, 2, 2);
    assert_values(y, 0, -10, -18, -10, -16, -27.5, -28, -26.5, -24);
    /* row (1, 3): mean 2, variance 1, rstd 1/2; row (2, 2) is its mean */
    b->layer_norm_modulate(y, normed, rstd, R(1, 3, 2, 2), 3, 1, R(1, -2), R(10, 20), 1, 2, 2);
    assert_values(normed, 0, -0.5, 0.5, 0, 0);
    assert_values(y, 0, 9, 19.5, 10, 20);
    ck_assert(rstd[0] == (hidi_real)0.5);
    b->sum_tokens(out, 0, x, NULL, 2, 2, 2);
    assert_values(out, 0, 4, 6, 12, 14);
    b->sum_tokens(out, 0.5, x, x, 2, 2, 2);
    assert_values(out, 0, 2 + 10, 3 + 20, 6 + 74, 7 + 100);
    b->gated_residual(y, x, R(1, 0, -1, 2), x, 2, 2, 2);
    assert_values(y, 0, 2, 2, 6, 4, 0, 18, 0, 24);
}
END_TEST

/* --- images ---------------------------------------------------------------------------------- */

START_TEST(test_patchify)
{
    /* one image, 2 channels, 2 x 4 pixels, patches of 2 x 2 */
    const hidi_real image[] = { 0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17 };
    hidi_real tokens[16], back[16];

    b->patchify(tokens, 0, image, HIDI_PATCH_CPQ, 1, 2, 2, 4, 2);
    assert_values(tokens, 0, 0, 1, 4, 5, 10, 11, 14, 15, 2, 3, 6, 7, 12, 13, 16, 17);
    b->unpatchify(back, 0, tokens, HIDI_PATCH_CPQ, 1, 2, 2, 4, 2);
    ck_assert_mem_eq(back, image, sizeof image);
    b->patchify(tokens, 0, image, HIDI_PATCH_PQC, 1, 2, 2, 4, 2);
    assert_values(tokens, 0, 0, 10, 1, 11, 4, 14, 5, 15, 2, 12, 3, 13, 6, 16, 7, 17);
    b->unpatchify(back, 0, tokens, HIDI_PATCH_PQC, 1, 2, 2, 4, 2);
    ck_assert_mem_eq(back, image, sizeof image);
}
END_TEST

/* 3 x 3 image, 2 x 2 kernel, stride 2, padding 1: every output sees one corner block. */
static const hidi_real image_3x3[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static const hidi_window corners = { .batch = 1, .channels = 1, .height = 3, .width = 3,
                                     .out_channels = 1, .kernel_h = 2, .kernel_w = 2,
                                     .stride = 2, .padding_h = 1, .padding_w = 1,
                                     .out_height = 2, .out_width = 2 };

START_TEST(test_conv2d)
{
    const hidi_real w[] = { 1, 10, 100, 1000 };
    hidi_real y[4], g[9], gw[4], *scratch, twice[18], wide[12];
    hidi_window two = corners;

    two.batch = 2;
    for (int i = 0; i < 18; i++)
        twice[i] = image_3x3[i % 9];
    b->fill(wide, 7, 12);
    scratch = b->allocate(b->conv_scratch(&corners) * sizeof *scratch);
    b->conv2d(y, 0, image_3x3, w, R(0.5), &corners, scratch);
    assert_values(y, 0, 1000.5, 3200.5, 7040.5, 9865.5);
    b->conv2d_relu(wide, 6, twice, w, R(-3200), &two, scratch);
    assert_values(wide, 0, 0, 0, 3840, 6665, 7, 7, 0, 0, 3840, 6665, 7, 7);
    b->conv2d_grad_input(g, 0, w, R(1, 2, 3, 4), &corners, scratch);
    assert_values(g, 0, 1000, 200, 2000, 30, 4, 40, 3000, 400, 4000);
    b->conv2d_grad_weight(gw, 0, image_3x3, R(1, 2, 3, 4), &corners, scratch);
    assert_values(gw, 0, 4 * 5, 3 * 4 + 4 * 6, 2 * 2 + 4 * 8, 1 + 2 * 3 + 3 * 7 + 4 * 9);
    b->release(scratch);
}
END_TEST

START_TEST(test_channels)
{
    hidi_real y[] = { 1, 2, 3, 4, 5, 6, 7, 8 }, out[2]; /* B = 2, O = 2, n = 2 */

    b->sum_channels(out, 0, y, 2, 2, 2);
    assert_values(out, 0, 14, 22);
    b->add_channels(y, 1, R(10, -1), 2, 2, 2);
    assert_values(y, 0, 11, 12, 2, 3, 15, 16, 6, 7);
    b->scale_channels(y, 2, R(1, 2, 3, 4, 5, 6, 7, 8), R(10, -1), R(1, 0), 2, 2, 2);
    assert_values(y, 0, 33, 45, 1, 2, 81, 93, 5, 6);
    b->dot_channels(out, 0, R(1, 2, 3, 4, 5, 6, 7, 8), R(1, 1, 1, 1, 2, 2, 0, 1), 2, 2, 2);
    assert_values(out, 0, 25, 15);
}
END_TEST

START_TEST(test_upsample2)
{
    hidi_real y[8], g[] = { 1, 1 };

    b->upsample2(y, 0, R(1, 2), 2, 1, 1);
    assert_values(y, 0, 1, 1, 1, 1, 2, 2, 2, 2);
    b->upsample2_vjp(g, 1, R(1, 2, 3, 4, 5, 6, 7, 8), 1, 1, 2);
    assert_values(g, 0, 15, 23);
}
END_TEST

START_TEST(test_average_pool)
{
    hidi_real y[4], g[9];

    b->average_pool(y, 0, image_3x3, &corners); /* 1, 2, 2 and 4 pixels inside */
    assert_values(y, 0, 1, 2.5, 5.5, 7);
    b->average_pool_vjp(g, 0, R(1, 2, 4, 8), &corners);
    assert_values(g, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2);
}
END_TEST

START_TEST(test_max_pool)
{
    const hidi_real x[] = { -1, 7, 7, -3, -4, 2, -3, 0, 2 };
    const hidi_window overlapping = { .batch = 1, .channels = 1, .height = 3, .width = 3,
                                      .out_channels = 1, .kernel_h = 2, .kernel_w = 2,
                                      .stride = 1, .padding_h = 0, .padding_w = 0,
                                      .out_height = 2, .out_width = 2 };
    hidi_real y[4];

    b->max_pool(y, x, &corners); /* all negative: padding's 0 must not win */
    assert_values(y, 0, -1, 7, -3, 2);
    b->max_pool(y, x, &overlapping);
    assert_values(y, 0, 7, 7, 0, 2);
}
END_TEST

/* --- look-up, sin-cos, cross entropy, AdamW -------------------------------------------------- */

START_TEST(test_embedding)
{
    const int32_t index[] = { 2, 0, 2 };
    hidi_real y[6], g[6] = { 0, 0, 5, 5, 100, 100 };

    b->embedding(y, R(1, 2, 3, 4, 5, 6), index, 3, 2);
    assert_values(y, 0, 5, 6, 1, 2, 5, 6);
    b->embedding_vjp(g, index, R(1, 2, 3, 4, 5, 6), 3, 2);
    assert_values(g, 0, 3, 4, 5, 5, 106, 108);
}
END_TEST

START_TEST(test_sincos)
{
    /* n = 4: frequencies 1 and 0.01 */
    const hidi_real t[] = { 0, 0.5 }, s = 2;
    const hidi_real w = (hidi_real)0.01; /* the rounded frequency is the one that is used */
    double c0 = 0.54030230586813972, s0 = 0.84147098480789651; /* of 1 */
    double c1 = cos(w), s1 = sin(w);
    hidi_real y[8];

    b->sincos(y, t, s, 2, 4);
    assert_values(y, 1, 1, 1, 0, 0, c0, c1, s0, s1);
    b->sincos_jvp(y, 0, t, R(1, 3), s, 2, 4);
    assert_values(y, 2, 0, 0, 2, 2 * w, -6 * s0, -6 * w * s1, 6 * c0, 6 * w * c1);
    b->sincos_vjp(y, 0, t, R(1, 2, 3, 4, 1, 0, 0, 1), s, 2, 4);
    assert_values(y, 2, 6 + 8 * w, -2 * s0 + 2 * w * c1);
}
END_TEST

/* The angle is rounded to hidi_real before its cosine is taken, as in PyTorch's float32 DiT. */
START_TEST(test_sincos_rounding)
{
    const hidi_real t = (hidi_real)0.7315, s = 1000;
    hidi_real y[256];

    b->sincos(y, &t, s, 1, 256);
    for (int k = 0; k < 128; k++) {
        hidi_real w = (hidi_real)pow(10000, -k / 128.0);
        hidi_real time = s * t, angle = time * w;
        assert_values(&y[k], 1, cos(angle));
        assert_values(&y[128 + k], 1, sin(angle));
    }
}
END_TEST

START_TEST(test_cross_entropy)
{
    const int32_t label[] = { 0, 2, 1 };
    hidi_real loss[3], probs[9], g[3] = { 2, 2, 2 };

    b->cross_entropy(loss, probs, R(1, 2, 4, 1, 2, 4, 10000, 0, -10000), label, 3, 3);
    assert_values(loss, 8, 3.1698460195562856, 0.16984601955628564, 10000);
    assert_values(probs, 4, 0.042010066134066049, 0.11419519938459448, 0.84379473448133946,
                  0.042010066134066049, 0.11419519938459448, 0.84379473448133946, 1, 0, 0);
    b->cross_entropy_jvp(loss, R(0.25, 0.25, 0.5), label, R(1, 2, 3), 1, 3);
    assert_values(loss, 0, 1.25);
    b->cross_entropy_vjp(g, 0.5, R(0.25, 0.25, 0.5), label, R(4), 1, 3);
    assert_values(g, 0, 1 - 3, 1 + 1, 1 + 2);
}
END_TEST

START_TEST(test_adamw)
{
    hidi_real w[] = { 2, -1 }, m[] = { 0, 0 }, v[] = { 0, 0 };

    /* Step 1: m = g'/2, v = g'^2/4, both corrected to g', g'^2: an update of lr sign(g'). */
    b->adamw(w, R(8, -2), m, v, 2, 0.5, 0.25, 0.5, 0.75, 0, 0.5, 1);
    assert_values(m, 0, 2, -0.5);
    assert_values(v, 0, 4, 0.25);
    assert_values(w, 4, 2 - 0.25 - 0.25, -1 + 0.125 + 0.25);

    /* Step 2 with gradient 0: m = 1, v = 3, corrections 3/4 and 7/16; eps 1. */
    b->adamw(w, R(0, 0), m, v, 1, 1, 0.25, 0.5, 0.75, 1, 0, 2);
    assert_values(m, 0, 1, -0.5);
    assert_values(v, 0, 3, 0.25);
    assert_values(w, 4, 1.5 - 0.25 * (4.0 / 3) / (sqrt(48.0 / 7) + 1), -0.625);
}
END_TEST

#define ADD(name) tcase_add_test(tests, test_##name)

int main(void)
{
    Suite *suite = begin_suite("reference backend");
    TCase *tests = tcase_create("known values");

    b = hidi_reference_backend();
    suite_add_tcase(suite, tests);
    ADD(table_is_complete), ADD(life), ADD(memory), ADD(copy_fill);
    ADD(axpby_multiply), ADD(unary_smooth), ADD(unary_simple), ADD(unary_extremes);
    ADD(unary_keeps_nan), ADD(rows), ADD(dot_sums_in_double);
    ADD(gemm), ADD(gemm_wide), ADD(gemm_batched_linear), ADD(attention);
    ADD(softmax), ADD(layer_norm), ADD(modulation);
    ADD(patchify), ADD(conv2d), ADD(channels), ADD(upsample2), ADD(average_pool), ADD(max_pool);
    ADD(embedding), ADD(sincos), ADD(sincos_rounding), ADD(cross_entropy), ADD(adamw);

    return run_suite(suite);
}
