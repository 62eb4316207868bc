/* test_backend_adjoints.c - identities that need no stored numbers, on every backend:
 * <A d, g> = <d, A^T g> for each linear map and its adjoint, and each Jacobian against central
 * differences of the map it belongs to.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdlib.h>

#include "backends.h"
#include "near.h"
#include "suite.h"

/* Elements of every array: more than any map reads or writes here; and of the scratch memory. */
enum { POOL = 1 << 17, SCRATCH = 1 << 20 };

static const hidi_backend *b; /* the backend under test */

/* Sizes: odd, so that they are not multiples of a vector or of the number of threads. */
static size_t rows, columns, size; /* size = rows * columns      */
static size_t B, T, H, Dh, D;      /* D = H * Dh                 */
static size_t height, width;       /* of images cut into patches */
static hidi_window window;         /* of the case at hand        */

static hidi_real x[POOL], w[POOL], s[POOL], probs[POOL], y_norm[POOL], rstd[POOL];
static hidi_real ignored[POOL], scratch[SCRATCH];
static int32_t label[POOL];

static const hidi_real no_parameters[2] = { 0, 0 };

static void prepare(int run)
{
    bool large = is_large(run);

    b = backend_of(run);
    rows = large ? 131 : 13;
    columns = large ? 257 : 37;
    size = rows * columns;
    B = large ? 5 : 3;
    T = large ? 67 : 5;
    H = large ? 4 : 2;
    Dh = large ? 27 : 7;
    D = H * Dh;
    height = large ? 48 : 9;
    width = large ? 51 : 6;
    draw(x, POOL, 10);
    draw(w, POOL, 11);
    draw(s, POOL, 12);
    for (size_t i = 0; i < rows; i++)
        label[i] = (int32_t)(7 * i % 5); /* some several times */
    b->attention(ignored, probs, x, B, T, H, Dh);
    b->layer_norm(y_norm, rstd, x, rows, columns, (hidi_real)1e-6);
}

/* --- adjoints -------------------------------------------------------------------------------- */

#define MAP(name, call)                                                                            \
    static void map_##name(hidi_real *out, const hidi_real *in)                                    \
    {                                                                                              \
        b->call;                                                                                   \
    }

MAP(bias, add_rows(out, 0, in, 1, rows, columns))
MAP(bias_adjoint, sum_rows(out, 0, in, 1, rows, columns))
MAP(positions, add_rows(out, 0, in, 5, rows, columns))
MAP(positions_adjoint, sum_rows(out, 0, in, 5, rows, columns))
MAP(scale_rows, scale_rows(out, 0, 1.5, s, in, rows, columns))
MAP(row_sums, dot_rows(out, 0, 1.5, in, NULL, rows, columns))
MAP(row_sums_adjoint, spread_rows(out, 0, 1.5, in, rows, columns))
MAP(gemm, gemm(false, false, rows, columns, 19, 1.5, w, 19, in, columns, 0, out, columns))
MAP(gemm_adjoint, gemm(true, false, 19, columns, rows, 1.5, w, 19, in, columns, 0, out, columns))
MAP(batched, gemm_batched(false, false, T, Dh, 6, 1, w, 6 * T, in, 6 * Dh, 0, out, T * Dh, 9))
MAP(batched_adjoint,
    gemm_batched(true, false, 6, Dh, T, 1, w, 6 * T, in, T * Dh, 0, out, 6 * Dh, 9))
MAP(linear, linear(out, 0, in, w, NULL, rows, 19, columns))
MAP(linear_adjoint, gemm(false, false, rows, 19, columns, 1, in, columns, w, 19, 0, out, 19))
MAP(attention, attention_jvp(out, x, in, probs, scratch, B, T, H, Dh))
MAP(attention_adjoint, attention_vjp(out, 0, x, in, probs, scratch, B, T, H, Dh))
MAP(softmax, softmax_jacobian(out, 0, probs, in, B * H * T, T))
MAP(layer_norm, layer_norm_jacobian(out, 0, y_norm, rstd, in, rows, columns))
MAP(modulate, modulate(out, 0, in, 1, s, NULL, B, T, D))
MAP(sum_tokens, sum_tokens(out, 0, in, w, B, T, D))
MAP(sum_tokens_adjoint, modulate(out, 0, w, 0, in, NULL, B, T, D))
MAP(shift, modulate(out, 0, x, 0, NULL, in, B, T, D)) /* x (0 + 0) + in */
MAP(shift_adjoint, sum_tokens(out, 0, in, NULL, B, T, D))
MAP(embedding, embedding(out, in, label, rows, columns))
MAP(sincos, sincos_jvp(out, 0, s, in, 3, rows, 38))
MAP(sincos_adjoint, sincos_vjp(out, 0, s, in, 3, rows, 38))
MAP(patchify, patchify(out, 0, in, HIDI_PATCH_CPQ, B, 3, height, width, 3))
MAP(patchify_adjoint, unpatchify(out, 0, in, HIDI_PATCH_CPQ, B, 3, height, width, 3))
MAP(patchify_pqc, patchify(out, 0, in, HIDI_PATCH_PQC, B, 3, height, width, 3))
MAP(patchify_pqc_adjoint, unpatchify(out, 0, in, HIDI_PATCH_PQC, B, 3, height, width, 3))
MAP(channels, add_channels(out, 0, in, B, T, columns))
MAP(channels_adjoint, sum_channels(out, 0, in, B, T, columns))
MAP(scale_channels, scale_channels(out, 0, in, s, NULL, B, T, columns))
MAP(channel_scale, scale_channels(out, 0, x, in, NULL, B, T, columns))
MAP(channel_scale_adjoint, dot_channels(out, 0, in, x, B, T, columns))
MAP(upsample, upsample2(out, 0, in, B, T, columns / 4))
MAP(upsample_adjoint, upsample2_vjp(out, 0, in, B, T, columns / 4))
MAP(conv_input, conv2d(out, 0, in, w, NULL, &window, scratch))
MAP(conv_input_adjoint, conv2d_grad_input(out, 0, w, in, &window, scratch))
MAP(conv_weight, conv2d(out, 0, x, in, NULL, &window, scratch))
MAP(conv_weight_adjoint, conv2d_grad_weight(out, 0, x, in, &window, scratch))
MAP(average_pool, average_pool(out, 0, in, &window))
MAP(average_pool_adjoint, average_pool_vjp(out, 0, in, &window))
MAP(cross_entropy, cross_entropy_jvp(out, w, label, in, rows, columns))
MAP(cross_entropy_adjoint, cross_entropy_vjp(out, 0, w, label, in, rows, columns))

static void map_embedding_adjoint(hidi_real *out, const hidi_real *in)
{
    b->fill(out, 0, 5 * columns); /* embedding_vjp accumulates */
    b->embedding_vjp(out, label, in, rows, columns);
}

typedef struct adjoint_pair {
    const char *name;
    void (*map)(hidi_real *out, const hidi_real *in);
    void (*adjoint)(hidi_real *out, const hidi_real *in);
    size_t in, out; /* sizes of the map's input and output */
} adjoint_pair;

#define PAIR(name, in, out) { #name, map_##name, map_##name##_adjoint, in, out }
#define SYMMETRIC(name, size) { #name, map_##name, map_##name, size, size }

/* <A d, g> = <d, A^T g>, to within the rounding of the elements of A d and A^T g. */
static void check_adjoint(const adjoint_pair *pair)
{
    static hidi_real d[POOL], g[POOL], Ad[POOL], Atg[POOL];
    double left = 0, right = 0, norm2[4] = { 0 };

    draw(d, pair->in, 20);
    draw(g, pair->out, 21);
    pair->map(Ad, d);
    pair->adjoint(Atg, g);
    for (size_t i = 0; i < pair->out; i++) {
        left += (double)Ad[i] * g[i];
        norm2[0] += (double)Ad[i] * Ad[i];
        norm2[1] += (double)g[i] * g[i];
    }
    for (size_t i = 0; i < pair->in; i++) {
        right += (double)d[i] * Atg[i];
        norm2[2] += (double)d[i] * d[i];
        norm2[3] += (double)Atg[i] * Atg[i];
    }
    double scale = sqrt(norm2[0] * norm2[1]) + sqrt(norm2[2] * norm2[3]);
    double allowed = 8 * HIDI_REAL_EPSILON * scale;
    ck_assert_msg(norm2[0] > 0 && norm2[3] > 0, "%s of %s gives only zeros", pair->name, b->name);
    ck_assert_msg(fabs(left - right) <= allowed,
                  "%s of %s: <A d, g> = %.17g, <d, A^T g> = %.17g, allowed %.3g apart", pair->name,
                  b->name, left, right, allowed);
}

START_TEST(test_adjoints)
{
    prepare(_i);
    const size_t tokens = B * T * D, image = B * 3 * height * width;
    const adjoint_pair pairs[] = {
        PAIR(bias, columns, size), PAIR(positions, 5 * columns, size), SYMMETRIC(scale_rows, size),
        PAIR(row_sums, size, rows), PAIR(gemm, 19 * columns, size),
        PAIR(batched, 9 * 6 * Dh, 9 * T * Dh), PAIR(linear, rows * 19, size),
        PAIR(attention, 3 * tokens, tokens), SYMMETRIC(softmax, B * H * T * T),
        SYMMETRIC(layer_norm, size), SYMMETRIC(modulate, tokens), PAIR(sum_tokens, tokens, B * D),
        PAIR(shift, B * D, tokens), PAIR(embedding, 5 * columns, size),
        PAIR(sincos, rows, rows * 38), PAIR(patchify, image, image),
        PAIR(patchify_pqc, image, image), PAIR(channels, T, B * T * columns),
        SYMMETRIC(scale_channels, B * T * columns), PAIR(channel_scale, T, B * T * columns),
        PAIR(upsample, B * T * (columns / 4), 4 * B * T * (columns / 4)),
        PAIR(cross_entropy, size, rows)
    };

    for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++)
        check_adjoint(&pairs[k]);
}
END_TEST

/* --- windows: convolutions and pools of many shapes ------------------------------------------ */

typedef struct window_shape {
    size_t batch, channels, height, width, out_channels;
    size_t kernel_h, kernel_w, stride, padding_h, padding_w;
} window_shape;

static const window_shape shapes[] = {
    { 2, 3, 7, 6, 4, 3, 3, 1, 1, 1 }, /* as a ResNet's */
    { 2, 3, 7, 6, 4, 3, 3, 2, 1, 1 }, { 1, 2, 9, 5, 3, 3, 3, 2, 0, 0 }, /* ignores a column */
    { 3, 5, 4, 4, 6, 1, 1, 1, 0, 0 }, /* a linear map of pixels */
    { 3, 5, 5, 4, 6, 1, 1, 2, 0, 0 }, /* sees every second pixel */
    { 1, 1, 3, 3, 1, 3, 3, 1, 2, 2 }, /* more padding than image */
    { 2, 2, 8, 8, 2, 2, 2, 2, 0, 0 }, { 1, 3, 8, 6, 2, 4, 4, 3, 3, 3 },
    { 4, 1, 1, 1, 1, 1, 1, 1, 0, 0 },
    { 2, 1, 5, 9, 2, 5, 5, 1, 2, 2 },
    { 4, 3, 32, 31, 8, 3, 3, 1, 1, 1 },   /* large enough for threads: many images */
    { 1, 20, 32, 32, 3, 5, 5, 1, 2, 2 },  /* one image of many channels            */
    { 2, 16, 32, 32, 24, 1, 1, 1, 0, 0 }, /* a linear map of pixels                */
    { 5, 20, 19, 18, 2, 3, 3, 2, 1, 1 },
    { 2, 3, 5, 9, 4, 1, 7, 1, 0, 3 }, { 2, 3, 9, 5, 4, 7, 1, 1, 3, 0 }, /* oblong, as Inception's */
    { 1, 2, 6, 4, 3, 1, 3, 1, 0, 1 }, { 1, 2, 4, 6, 3, 3, 1, 1, 1, 0 },
    { 3, 2, 8, 7, 3, 2, 3, 2, 1, 0 }, { 4, 24, 17, 17, 24, 1, 7, 1, 0, 3 }
};

START_TEST(test_window_adjoints)
{
    prepare(_i);
    for (size_t k = 0; k < 2 * (sizeof shapes / sizeof shapes[0]); k++) {
        const window_shape *q = &shapes[k / 2];
        size_t more = k % 2; /* rows and columns, of padding below and on the right */
        size_t out_height = (q->height + 2 * q->padding_h - q->kernel_h) / q->stride + 1 + more;
        size_t out_width = (q->width + 2 * q->padding_w - q->kernel_w) / q->stride + 1 + more;
        size_t in = q->batch * q->channels * q->height * q->width;
        size_t out = q->batch * q->out_channels * out_height * out_width;
        size_t pooled = q->batch * q->channels * out_height * out_width;
        size_t weights = q->out_channels * q->channels * q->kernel_h * q->kernel_w;
        const adjoint_pair input = PAIR(conv_input, in, out);
        const adjoint_pair weight = PAIR(conv_weight, weights, out);
        const adjoint_pair average = PAIR(average_pool, in, pooled);

        window = (hidi_window){ q->batch, q->channels, q->height, q->width, q->out_channels,
                                q->kernel_h, q->kernel_w, q->stride, q->padding_h, q->padding_w,
                                out_height, out_width };
        ck_assert_uint_le(b->conv_scratch(&window), SCRATCH);
        check_adjoint(&input);
        check_adjoint(&weight);

        window.out_channels = q->channels;
        if (more == 0)
            check_adjoint(&average);
    }
}
END_TEST

/* --- derivatives ----------------------------------------------------------------------------- */

#define UNARY(name, f)                                                                             \
    MAP(name, unary(f, out, in, size, no_parameters))                                              \
    MAP(d_##name, unary_jacobian(f, out, 0, x, in, size, no_parameters))

UNARY(gelu, HIDI_GELU)
UNARY(silu, HIDI_SILU)
UNARY(softplus, HIDI_SOFTPLUS)
UNARY(square, HIDI_SQUARE)
UNARY(exp, HIDI_EXP)
static const hidi_real power[] = { 16, -0.75 }; /* x + 16 > 0 for every draw */
MAP(power, unary(HIDI_POWER, out, in, size, power))
MAP(d_power, unary_jacobian(HIDI_POWER, out, 0, x, in, size, power))
MAP(attention_value, attention(out, ignored, in, B, T, H, Dh))
MAP(d_attention_value, attention_jvp(out, x, in, probs, scratch, B, T, H, Dh))
MAP(softmax_value, softmax(out, in, B * H * T, T))
MAP(layer_norm_value, layer_norm(out, ignored, in, rows, columns, (hidi_real)1e-6))
MAP(d_layer_norm_value, layer_norm_jacobian(out, 0, y_norm, rstd, in, rows, columns))
MAP(sincos_value, sincos(out, in, 3, rows, 38))
MAP(d_sincos_value, sincos_jvp(out, 0, x, in, 3, rows, 38))
MAP(cross_entropy_value, cross_entropy(out, ignored, in, label, rows, columns))

static void map_d_softmax_value(hidi_real *out, const hidi_real *in)
{
    b->softmax(ignored, x, B * H * T, T);
    b->softmax_jacobian(out, 0, ignored, in, B * H * T, T);
}

static void map_d_cross_entropy_value(hidi_real *out, const hidi_real *in)
{
    b->softmax(ignored, x, rows, columns);
    b->cross_entropy_jvp(out, ignored, label, in, rows, columns);
}

typedef struct derivative {
    const char *name;
    void (*map)(hidi_real *out, const hidi_real *in);
    void (*jvp)(hidi_real *out, const hidi_real *in); /* at x */
    size_t in, out;
} derivative;

#define DERIVATIVE(name, in, out) { #name, map_##name, map_d_##name, in, out }

/* (f(x + h d) - f(x - h d)) / (2 h) is off by eps / h from rounding and by h^2 from the third
 * derivative: h = eps^(1/3) makes both eps^(2/3). */
static void check_derivative(const derivative *f)
{
    static hidi_real d[POOL], jd[POOL], in[POOL], plus[POOL], minus[POOL];
    double h = cbrt(HIDI_REAL_EPSILON), error = 0, norm2 = 0;

    draw(d, f->in, 30);
    f->jvp(jd, d);
    for (size_t i = 0; i < f->in; i++)
        in[i] = (hidi_real)(x[i] + h * d[i]);
    f->map(plus, in);
    for (size_t i = 0; i < f->in; i++)
        in[i] = (hidi_real)(x[i] - h * d[i]);
    f->map(minus, in);
    for (size_t i = 0; i < f->out; i++) {
        error += pow(((double)plus[i] - minus[i]) / (2 * h) - jd[i], 2);
        norm2 += (double)jd[i] * jd[i] + 1;
    }
    ck_assert_msg(sqrt(error) <= 16 * h * h * sqrt(norm2),
                  "%s of %s: %.3g from central differences, allowed %.3g", f->name, b->name,
                  sqrt(error), 16 * h * h * sqrt(norm2));
}

START_TEST(test_derivatives)
{
    prepare(_i);
    const size_t tokens = B * T * D, pairs = B * H * T * T; /* pairs of tokens */
    const derivative derivatives[] = {
        DERIVATIVE(gelu, size, size), DERIVATIVE(silu, size, size),
        DERIVATIVE(softplus, size, size), DERIVATIVE(square, size, size),
        DERIVATIVE(exp, size, size), DERIVATIVE(power, size, size),
        DERIVATIVE(attention_value, 3 * tokens, tokens),
        DERIVATIVE(softmax_value, pairs, pairs), DERIVATIVE(layer_norm_value, size, size),
        DERIVATIVE(sincos_value, rows, rows * 38), DERIVATIVE(cross_entropy_value, size, rows)
    };

    for (size_t k = 0; k < sizeof derivatives / sizeof derivatives[0]; k++)
        check_derivative(&derivatives[k]);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("backend adjoints");
    TCase *tests = tcase_create("every backend");

    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, test_adjoints, 0, RUNS);
    tcase_add_loop_test(tests, test_window_adjoints, 0, SETTINGS);
    tcase_add_loop_test(tests, test_derivatives, 0, RUNS);

    return run_suite(suite);
}
