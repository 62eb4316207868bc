/* test_macs.c - the formulas of model/macs.h against what a pass really asks a backend for: a
 * backend that computes nothing adds up the sizes of the products it is given. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/tables.h"
#include "autograd/ops.h"
#include "method/sampler.h"
#include "model/macs.h"
#include "suite.h"

#define OK(call) ck_assert_msg((call) == HIDI_OK, "%s", hidi_error_message())

/* --- the counting backend --------------------------------------------------------------------- */

static double macs; /* so far */

static void count(size_t a, size_t b, size_t c, size_t d)
{
    macs += (double)a * (double)b * (double)c * (double)d;
}

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-parameter" /* C99 cannot leave a parameter unnamed */
#endif

static void count_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                       hidi_real alpha, const hidi_real *a, size_t lda, const hidi_real *b,
                       size_t ldb, hidi_real beta, hidi_real *c, size_t ldc)
{
    count(1, m, n, k);
}

static void count_gemm_batched(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                               hidi_real alpha, const hidi_real *a, size_t stride_a,
                               const hidi_real *b, size_t stride_b, hidi_real beta, hidi_real *c,
                               size_t stride_c, size_t batch)
{
    count(batch, m, n, k);
}

static void count_linear(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                         const hidi_real *bias, size_t rows, size_t in, size_t out)
{
    count(1, rows, in, out);
}

/* For each of B H heads a [T, Dh] x [Dh, T] product, and a [T, T] x [T, Dh] one. */
static void count_attention(hidi_real *y, hidi_real *probs, const hidi_real *qkv, size_t B,
                            size_t T, size_t H, size_t Dh)
{
    count(B * H, T, T, Dh);
    count(B * H, T, T, Dh);
}

static void count_conv2d(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                         const hidi_real *bias, const hidi_window *window, hidi_real *scratch)
{
    count(window->batch * window->out_height * window->out_width, window->out_channels,
          window->channels, window->kernel_h * window->kernel_w);
}

static hidi_backend counting; /* made by main */

/* --- DiTs ------------------------------------------------------------------------------------- */

static const hidi_dit_config configs[] = {
    {.image_size = 16, .channels = 3, .out_channels = 3, .patch = 4, .width = 128, .depth = 4,
     .heads = 4, .mlp_width = 512, .n_classes = 10, .time_scale = 30},
    {.image_size = 28, .channels = 1, .out_channels = 1, .patch = 2, .width = 48, .depth = 3,
     .heads = 2, .mlp_width = 100, .n_classes = 10, .has_interval = true, .time_scale = 1},
    /* DiT-XL/2, and a student of it */
    {.image_size = 32, .channels = 4, .out_channels = 8, .patch = 2, .width = 1152, .depth = 28,
     .heads = 16, .mlp_width = 4608, .n_classes = 1000, .time_scale = 1000},
    {.image_size = 32, .channels = 4, .out_channels = 8, .patch = 2, .width = 1152, .depth = 28,
     .heads = 16, .mlp_width = 4608, .n_classes = 1000, .has_interval = true, .time_scale = 1},
    {.image_size = 28, .channels = 1, .out_channels = 1, .patch = 2, .width = 48, .depth = 3,
     .heads = 2, .mlp_width = 100, .n_classes = 10, .time_scale = 1, .adaln = HIDI_ADALN_SINGLE}};
enum { CONFIGS = sizeof configs / sizeof configs[0] };

START_TEST(a_pass_asks_for_what_the_formula_says)
{
    enum { B = 3 };
    const hidi_dit_config *c = &configs[_i];
    hidi_dit *dit;
    hidi_tape *tape = hidi_tape_create(&counting);
    OK(hidi_dit_create(&dit, &counting, c));
    for (int frozen = 0; frozen < 2; frozen++) {
        hidi_tape_reset(tape);
        hidi_var *z = hidi_filled(tape, hidi_shape4(B, c->channels, c->image_size, c->image_size),
                                  1);
        hidi_var *t = hidi_filled(tape, hidi_shape1(B), 1);
        macs = 0;
        ck_assert_ptr_nonnull(hidi_dit_velocity(tape, dit, frozen, z, t, NULL, NULL));
        /* integers below 2^53: exact in doubles */
        ck_assert_msg(macs == B * hidi_dit_macs(c), "a pass asks for %.0f, formula %.0f", macs / B,
                      hidi_dit_macs(c));
    }
    hidi_tape_destroy(tape);
    hidi_dit_destroy(dit);
}
END_TEST

/* All that a sampler does is its evaluations of the network. */
START_TEST(sampling_is_its_evaluations)
{
    enum { N = 5 };
#define SAMPLER(s, n, w) {.solver = HIDI_##s, .steps = n, .guidance = w, .batch = 2}
    const hidi_sampler samplers[] = {SAMPLER(EULER, 3, 1),   SAMPLER(EULER, 3, 1.5),
                                     SAMPLER(HEUN, 3, 1),    SAMPLER(HEUN, 3, 1.5),
                                     SAMPLER(AVERAGE, 1, 1), SAMPLER(AVERAGE, 4, 1)};
    hidi_dit *teacher, *student;
    hidi_tape *tape = hidi_tape_create(&counting);
    hidi_real *x = calloc(N * 16 * 16 * 3, sizeof *x);
    int32_t y[N] = {0};
    OK(hidi_dit_create(&teacher, &counting, &configs[0]));
    OK(hidi_dit_student(&student, teacher, 1));
    for (size_t i = 0; i < sizeof samplers / sizeof samplers[0]; i++) {
        const hidi_dit *net = samplers[i].solver == HIDI_AVERAGE ? student : teacher;
        const double expected = N * (double)hidi_sampler_evaluations(&samplers[i]) *
                                hidi_dit_macs(&net->config);
        macs = 0;
        OK(hidi_sample(&samplers[i], net, tape, x, HIDI_CLASSES(y), N, NULL));
        ck_assert_msg(macs == expected, "sampler %zu asks for %.0f, expected %.0f", i, macs,
                      expected);
    }
    free(x);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(student);
    hidi_dit_destroy(teacher);
}
END_TEST

START_TEST(layers_have_names_and_add_up)
{
    hidi_macs m;
    for (int i = 0; i < CONFIGS; i++) {
        hidi_dit_count_macs(&configs[i], &m);
        double sum = 0;
        for (int k = 0; k < m.n; k++) {
            ck_assert(m.layer[k].macs > 0 && m.layer[k].count > 0 && m.layer[k].name[0] != '\0');
            sum += m.layer[k].macs;
        }
        ck_assert(sum == hidi_dit_macs(&configs[i]) && sum == m.sum);
        ck_assert_int_eq(m.n, 9 + configs[i].has_interval -
                                  (configs[i].adaln == HIDI_ADALN_SINGLE)); /* no final layer */
    }
    hidi_vae_decoder_count_macs(&hidi_sd_vae_decoder, 32, &m);
    ck_assert_int_lt(m.n, HIDI_MAX_LAYERS);
}
END_TEST

/* --- the decoder: its layers as ops on a tape ------------------------------------------------- */

static hidi_tape *tape;

static hidi_var *weight(hidi_shape shape) { return hidi_filled(tape, shape, 1); }

static hidi_var *convolve(hidi_var *x, size_t out, size_t k)
{
    return hidi_conv2d(tape, x, weight(hidi_shape4(out, x->shape.dim[1], k, k)),
                       weight(hidi_shape1(out)), 1, k / 2, k / 2);
}

static hidi_var *residual(hidi_var *x, size_t out)
{
    hidi_var *shortcut = x->shape.dim[1] == out ? x : convolve(x, out, 1);
    return hidi_add(tape, shortcut, convolve(convolve(x, out, 3), out, 3));
}

/* One head over all pixels: 1 x 1 convolutions are linear maps of the pixels' channels. */
static hidi_var *attend(hidi_var *x)
{
    const size_t C = x->shape.dim[1], pixels = x->shape.dim[2] * x->shape.dim[3];
    hidi_var *tokens = weight(hidi_shape3(1, pixels, C));
    hidi_var *qkv = hidi_linear(tape, tokens, weight(hidi_shape2(3 * C, C)), NULL);
    hidi_linear(tape, hidi_attention(tape, qkv, 1), weight(hidi_shape2(C, C)), NULL);
    return x;
}

/* Nearest neighbours: no arithmetic. */
static hidi_var *doubled(hidi_var *x)
{
    const size_t *d = x->shape.dim;
    return weight(hidi_shape4(d[0], d[1], 2 * d[2], 2 * d[3]));
}

START_TEST(decoder_layer_by_layer)
{
    hidi_macs m;
    tape = hidi_tape_create(&counting);
    macs = 0;
    hidi_var *x = convolve(weight(hidi_shape4(1, 4, 32, 32)), 4, 1); /* post_quant_conv      */
    x = convolve(x, 512, 3);                                        /* conv_in              */
    x = residual(attend(residual(x, 512)), 512);                    /* mid                  */
    x = residual(residual(residual(x, 512), 512), 512);             /* up 3,  32 x  32      */
    x = convolve(doubled(x), 512, 3);
    x = residual(residual(residual(x, 512), 512), 512);             /* up 2,  64 x  64      */
    x = convolve(doubled(x), 512, 3);
    x = residual(residual(residual(x, 256), 256), 256);             /* up 1, 128 x 128      */
    x = convolve(doubled(x), 256, 3);
    x = residual(residual(residual(x, 128), 128), 128);             /* up 0, 256 x 256      */
    x = convolve(x, 3, 3);                                          /* conv_out             */
    ck_assert_msg(x != NULL, "%s", hidi_error_message());
    ck_assert_uint_eq(x->shape.dim[2], 256);
    hidi_vae_decoder_count_macs(&hidi_sd_vae_decoder, 32, &m);
    ck_assert_msg(macs == m.sum, "layers %.0f, formula %.0f", macs, m.sum);
    ck_assert_double_eq_tol(1e-9 * m.sum, 311.1, 0.05); /* as published for 256 x 256 */
    hidi_tape_destroy(tape);
}
END_TEST

/* --- published numbers ------------------------------------------------------------------------ */

/* DiT's table 4 (arXiv 2212.09748): GFLOPs (multiply-adds) at 32 x 32 x 4. */
START_TEST(published_sizes)
{
    static const struct {
        const char *name;
        double gmac;
    } sizes[] = {{"S/2", 6.06}, {"B/2", 23.01}, {"L/2", 80.71}, {"DiT-XL/2", 118.64},
                 {"SiT-XL/4", 29.05}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        hidi_dit_config c;
        OK(hidi_dit_imagenet_config(sizes[i].name, 32, 4, &c));
        const double gmac = 1e-9 * hidi_dit_macs(&c);
        ck_assert_msg(fabs(gmac / sizes[i].gmac - 1) < 2e-3, "%s: %g G, published %g",
                      sizes[i].name, gmac, sizes[i].gmac);
    }
    hidi_dit_config c = {.patch = 4};
    OK(hidi_dit_named_size("B", &c)); /* without /p the patch stays */
    ck_assert(c.width == 768 && c.depth == 12 && c.heads == 12 && c.mlp_width == 3072);
    ck_assert_uint_eq(c.patch, 4);
    ck_assert_int_eq(hidi_dit_named_size("M/2", &c), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_dit_named_size("B/0", &c), HIDI_BAD_ARGUMENT);
    ck_assert_str_eq(hidi_error_message(),
                     "\"B/0\" is not a DiT size: S, B, L or XL, with /patch");
}
END_TEST

/* The 69.7 of arXiv 2511.08930: 250 passes without guidance against 1, each with one decoding. */
START_TEST(ratio_of_the_paper)
{
    hidi_macs m;
    hidi_vae_decoder_count_macs(&hidi_sd_vae_decoder, 32, &m);
    const double decoder = m.sum;
    const double teacher = hidi_dit_macs(&configs[2]), student = hidi_dit_macs(&configs[3]);
    const double ratio = (250 * teacher + decoder) / (student + decoder);
    ck_assert_msg(fabs(ratio - 69.7) < 0.05, "%.4f", ratio);
}
END_TEST

int main(void)
{
    counting = *hidi_dry_backend(hidi_reference_backend());
    counting.gemm = count_gemm;
    counting.gemm_batched = count_gemm_batched;
    counting.linear = count_linear;
    counting.attention = count_attention;
    counting.conv2d = count_conv2d;
    Suite *suite = begin_suite("macs");
    TCase *tcase = tcase_create("macs");
    tcase_add_loop_test(tcase, a_pass_asks_for_what_the_formula_says, 0, CONFIGS);
    tcase_add_test(tcase, sampling_is_its_evaluations);
    tcase_add_test(tcase, layers_have_names_and_add_up);
    tcase_add_test(tcase, decoder_layer_by_layer);
    tcase_add_test(tcase, published_sizes);
    tcase_add_test(tcase, ratio_of_the_paper);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
