/* test_autoencoder.c - the autoencoder: three sets of names for one network; gradients and tangents
 * of both passes; memory of a frozen one; what is refused.  Its values: golden.test. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "each_backend.h"
#include "model/autoencoder.h"
#include "reader_tests.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const hidi_backend *backend; /* set by main */

/* Latents of 2 channels and a quarter of the side. */
static const hidi_autoencoder_config small = {.image_channels = 3, .latent_channels = 2,
                                              .levels = 3, .width = {4, 4, 6}, .blocks = 1,
                                              .groups = 2, .has_quant = true,
                                              .has_post_quant = true, .scale = 0.5};
enum { SIDE = 8, IMAGE = 3 * SIDE * SIDE, LATENT = 2 * 2 * 2 };

static hidi_autoencoder *make(void)
{
    hidi_autoencoder *net;
    ck_assert_ok(hidi_autoencoder_create(&net, backend, &small, HIDI_ENCODER_AND_DECODER));
    ck_assert_ok(hidi_autoencoder_initialise(net, 7));
    return net;
}

/* Draws over what initialise made, so that no bias is 0. */
static void perturb(hidi_autoencoder *net)
{
    for (int i = 0; i < net->params.n_params; i++) {
        const size_t n = hidi_count(net->params.param[i].shape);
        hidi_real host[512], noise[512];
        ck_assert_uint_le(n, LENGTH(host));
        hidi_params_read(&net->params, i, host);
        hidi_normal((hidi_random){3, HIDI_STREAM_INIT, (uint64_t)i}, 0, noise, n);
        for (size_t k = 0; k < n; k++)
            host[k] += (hidi_real)0.1 * noise[k];
        hidi_params_write(&net->params, i, host);
    }
}

static void draw(hidi_real *x, size_t n, uint64_t which)
{
    hidi_normal((hidi_random){11, HIDI_STREAM_NOISE, which}, 0, x, n);
}

/* --- names ------------------------------------------------------------------------------------ */

typedef const char *const pairs[2];

/* `text` with each first word of the pairs replaced by the second, once. */
static void rename_all(char *out, size_t size, const char *text, pairs *pair, size_t n)
{
    char copy[200];
    snprintf(out, size, "%s", text);
    for (size_t i = 0; i < n; i++) {
        char *at = strstr(out, pair[i][0]);
        if (at == NULL)
            continue;
        snprintf(copy, sizeof copy, "%.*s%s%s", (int)(at - out), out, pair[i][1],
                 at + strlen(pair[i][0]));
        snprintf(out, size, "%s", copy);
    }
}

static pairs earlier[] = {{".to_q", ".query"}, {".to_k", ".key"}, {".to_v", ".value"},
                          {".to_out.0", ".proj_attn"}};
static pairs compvis[] = {{"mid_block.attentions.0.group_norm", "mid.attn_1.norm"},
                          {"mid_block.attentions.0.to_q", "mid.attn_1.q"},
                          {"mid_block.attentions.0.to_k", "mid.attn_1.k"},
                          {"mid_block.attentions.0.to_v", "mid.attn_1.v"},
                          {"mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"},
                          {"mid_block.resnets.0", "mid.block_1"},
                          {"mid_block.resnets.1", "mid.block_2"},
                          {"down_blocks.", "down."},
                          {"up_blocks.0", "up.A"},
                          {"up_blocks.1", "up.1"},
                          {"up_blocks.2", "up.0"},
                          {"up.A", "up.2"},
                          {"downsamplers.0", "downsample"},
                          {"upsamplers.0", "upsample"},
                          {"resnets.", "block."},
                          {"conv_shortcut", "nin_shortcut"},
                          {"conv_norm_out", "norm_out"}};

/* The network's file with other names; convolutions: matrices become 1 x 1 convolutions. */
static void make_file(hidi_tensor_file *file, const hidi_autoencoder *net, const char *prefix,
                      pairs *pair, size_t n, bool convolutions)
{
    char name[200], full[256];
    hidi_tensor_file_init(file);
    ck_assert_ok(hidi_autoencoder_to_file(net, file));
    for (size_t i = 0; i < file->n_tensors; i++) {
        hidi_file_tensor *tensor = &file->tensor[i];
        rename_all(name, sizeof name, tensor->name, pair, n);
        snprintf(full, sizeof full, "%s%s", prefix, name);
        free(tensor->name);
        tensor->name = strdup(full);
        if (convolutions && tensor->rank == 2) {
            tensor->rank = 4;
            tensor->dim[2] = tensor->dim[3] = 1;
        }
    }
}

static void check_same(const hidi_autoencoder *a, const hidi_autoencoder *b, int first)
{
    for (int i = 0; i < b->params.n_params; i++) {
        hidi_real x[512], y[512];
        const size_t n = hidi_count(b->params.param[i].shape);
        ck_assert_str_eq(a->params.param[first + i].name, b->params.param[i].name);
        hidi_params_read(&a->params, first + i, x);
        hidi_params_read(&b->params, i, y);
        ck_assert_msg(memcmp(x, y, n * sizeof *x) == 0, "%s", b->params.param[i].name);
    }
}

static void check_names(const char *prefix, pairs *pair, size_t n, bool convolutions)
{
    hidi_autoencoder *net = make(), *read;
    hidi_tensor_file file;
    perturb(net);
    make_file(&file, net, prefix, pair, n, convolutions);
    ck_assert_ok(hidi_autoencoder_from_file(&read, backend, &file, HIDI_ENCODER_AND_DECODER));
    ck_assert_int_eq(read->params.n_params, net->params.n_params);
    ck_assert(memcmp(&read->config, &net->config, sizeof small) == 0);
    check_same(net, read, 0);
    hidi_autoencoder_destroy(read);
    ck_assert_ok(hidi_autoencoder_from_file(&read, backend, &file, HIDI_DECODER));
    ck_assert_uint_eq(read->config.blocks, small.blocks);
    ck_assert(memcmp(read->config.width, small.width, sizeof small.width) == 0);
    check_same(net, read, net->decoder);
    hidi_autoencoder_destroy(read);
    ck_assert_ok(hidi_autoencoder_from_file(&read, backend, &file, HIDI_ENCODER));
    check_same(net, read, 0);
    hidi_autoencoder_destroy(read);
    hidi_tensor_file_free(&file);
    hidi_autoencoder_destroy(net);
}

START_TEST(all_names_are_read)
{
    check_names("", NULL, 0, false);
    check_names("vae.", NULL, 0, false);
    check_names("", earlier, LENGTH(earlier), false);
    check_names("", compvis, LENGTH(compvis), true);
    check_names("first_stage_model.", compvis, LENGTH(compvis), true);
}
END_TEST

/* --- the passes ------------------------------------------------------------------------------- */

/* The image of the latents' means. */
static hidi_var *reconstruct(hidi_tape *tape, const hidi_autoencoder *net, bool frozen, hidi_var *x)
{
    hidi_var *mean = hidi_channels_of(tape, hidi_encode(tape, net, frozen, x), 0, 2);
    return hidi_decode(tape, net, frozen, mean);
}

/* <u, reconstruct(x + h dx; w + h dw)> */
static double value_at(hidi_tape *tape, hidi_autoencoder *net, const hidi_real *x,
                       const hidi_real *dx, const hidi_real *w, const hidi_real *dw,
                       const hidi_real *u, double h)
{
    hidi_real moved[IMAGE], y[IMAGE], *weights = malloc(net->params.count * sizeof *weights);
    double sum = 0;
    for (size_t i = 0; i < IMAGE; i++)
        moved[i] = (hidi_real)((double)x[i] + h * (double)dx[i]);
    for (size_t i = 0; i < net->params.count; i++)
        weights[i] = (hidi_real)((double)w[i] + h * (double)dw[i]);
    backend->upload(net->params.value, weights, net->params.count * sizeof *weights);
    hidi_tape_reset(tape);
    hidi_var *in = hidi_constant(tape, hidi_shape4(1, 3, SIDE, SIDE), moved);
    ck_assert_ok(hidi_read(tape, reconstruct(tape, net, true, in), y));
    for (size_t i = 0; i < IMAGE; i++)
        sum += (double)y[i] * (double)u[i];
    free(weights);
    return sum;
}

static double inner(const hidi_real *a, const hidi_real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Along one random direction of image and weights: the gradient, and the tangent along the image's
 * part, against central differences.  Of step h they are off by about h^2, and by the rounding of
 * the values over h. */
START_TEST(gradients_are_those_of_differences)
{
    hidi_autoencoder *net = make();
    const size_t n = net->params.count;
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_real x[IMAGE], dx[IMAGE], u[IMAGE], gx[IMAGE], dy[IMAGE];
    hidi_real *w = malloc(n * sizeof *w), *dw = malloc(n * sizeof *dw), *gw = malloc(n * sizeof *gw);
    hidi_real *still = calloc(n, sizeof *still);
    const double h = cbrt((double)HIDI_REAL_EPSILON), allowed = 50 * h * h;
    perturb(net);
    ck_assert_ok(hidi_params_train(&net->params));
    backend->download(w, net->params.value, n * sizeof *w);
    draw(x, IMAGE, 1), draw(dx, IMAGE, 2), draw(u, IMAGE, 3), draw(dw, n, 4);
    for (size_t i = 0; i < n; i++)
        dw[i] *= (hidi_real)0.1;

    hidi_var *in = hidi_input(tape, hidi_shape4(1, 3, SIDE, SIDE), x, true);
    hidi_var *along = hidi_constant(tape, hidi_shape4(1, 3, SIDE, SIDE), dx);
    hidi_var *y = reconstruct(tape, net, false, hidi_dual(tape, in, along));
    ck_assert_ok(hidi_tape_backward(tape, y, u));
    ck_assert_ok(hidi_read_grad(tape, in, gx));
    ck_assert_ok(hidi_read_tangent(tape, y, dy));
    backend->download(gw, net->params.grad, n * sizeof *gw);
    const double gradient = inner(gx, dx, IMAGE) + inner(gw, dw, n), tangent = inner(dy, u, IMAGE);
    const double both = (value_at(tape, net, x, dx, w, dw, u, h) -
                         value_at(tape, net, x, dx, w, dw, u, -h)) / (2 * h);
    const double image = (value_at(tape, net, x, dx, w, still, u, h) -
                          value_at(tape, net, x, dx, w, still, u, -h)) / (2 * h);
    const double scale = sqrt(inner(u, u, IMAGE));
    ck_assert_msg(fabs(gradient - both) <= allowed * scale, "gradient %.12g, difference %.12g",
                  gradient, both);
    ck_assert_msg(fabs(tangent - image) <= allowed * scale, "tangent %.12g, difference %.12g",
                  tangent, image);
    ck_assert_msg(fabs(tangent - inner(gx, dx, IMAGE)) <= 1e3 * (double)HIDI_REAL_EPSILON * scale,
                  "tangent %.12g, gradient %.12g", tangent, inner(gx, dx, IMAGE));
    free(w), free(dw), free(gw), free(still);
    hidi_tape_destroy(tape);
    hidi_autoencoder_destroy(net);
}
END_TEST

/* A frozen pass gives the same image, of less memory. */
START_TEST(a_frozen_pass_gives_memory_back)
{
    hidi_autoencoder *net = make();
    hidi_real x[IMAGE], y[2][IMAGE];
    size_t peak[2];
    ck_assert_ok(hidi_params_train(&net->params));
    draw(x, IMAGE, 5);
    for (int frozen = 0; frozen < 2; frozen++) {
        hidi_tape *tape = hidi_tape_create(backend);
        hidi_var *in = hidi_constant(tape, hidi_shape4(1, 3, SIDE, SIDE), x);
        ck_assert_ok(hidi_read(tape, reconstruct(tape, net, frozen != 0, in), y[frozen]));
        peak[frozen] = hidi_tape_peak(tape);
        hidi_tape_destroy(tape);
    }
    ck_assert(memcmp(y[0], y[1], sizeof y[0]) == 0);
    ck_assert_msg(2 * peak[1] < peak[0], "%zu bytes, %zu frozen", peak[0], peak[1]);
    hidi_autoencoder_destroy(net);
}
END_TEST

/* --- what is refused -------------------------------------------------------------------------- */

static void refuses_file(const hidi_tensor_file *file, const char *phrase)
{
    hidi_autoencoder *read;
    ck_assert_int_eq(hidi_autoencoder_from_file(&read, backend, file, HIDI_ENCODER_AND_DECODER),
                     HIDI_BAD_FORMAT);
    ck_assert_ptr_null(read);
    ck_assert_msg(strstr(hidi_error_message(), phrase) != NULL, "%s", hidi_error_message());
}

static void rename_to(hidi_tensor_file *file, const char *name, const char *other)
{
    const hidi_file_tensor *found = hidi_tensor_file_find(file, name);
    ck_assert_msg(found != NULL, "no %s", name);
    hidi_file_tensor *t = &file->tensor[found - file->tensor];
    free(t->name);
    t->name = strdup(other);
}

START_TEST(files_that_do_not_fit_are_refused)
{
    hidi_autoencoder *net = make();
    hidi_tensor_file file;
    static const char *const changed[][3] = {
        {"decoder.conv_in.weight", "decoder.conv_on.weight", "not an autoencoder"},
        {"encoder.conv_in.weight", "encoder.conv_on.weight", "no tensor \"encoder.conv_in.weight\""},
        {"encoder.mid_block.attentions.0.to_q.bias", "encoder.mid_block.attentions.0.to_p.bias",
         "encoder.mid_block.attentions.0.to_q.bias"},
        {"decoder.up_blocks.2.resnets.1.norm1.bias", "decoder.up_blocks.2.resnets.5.norm1.bias",
         "decoder.up_blocks.2.resnets.1.norm1.bias"},
        {"quant_conv.bias", "quant_conv.shift", "quant_conv.bias"}};
    for (size_t i = 0; i < LENGTH(changed); i++) {
        make_file(&file, net, "", NULL, 0, false);
        rename_to(&file, changed[i][0], changed[i][1]);
        refuses_file(&file, changed[i][2]);
        hidi_tensor_file_free(&file);
    }
    make_file(&file, net, "", NULL, 0, false);
    ck_assert_ok(hidi_tensor_file_set_meta(&file, "hidi.groups", "two"));
    refuses_file(&file, "\"two\" is not a number of groups");
    ck_assert_ok(hidi_tensor_file_set_meta(&file, "hidi.groups", "2"));
    ck_assert_ok(hidi_tensor_file_set_meta(&file, "hidi.scale", "-1"));
    refuses_file(&file, "\"-1\" is not a number above 0");
    hidi_tensor_file_free(&file);
    hidi_autoencoder_destroy(net);
}
END_TEST

START_TEST(configs_that_do_not_fit_are_refused)
{
    hidi_autoencoder *net;
    hidi_autoencoder_config config = small;
    config.groups = 4;
    ck_assert_int_eq(hidi_autoencoder_create(&net, backend, &config, HIDI_DECODER),
                     HIDI_BAD_ARGUMENT);
    config = small, config.levels = 0;
    ck_assert_int_eq(hidi_autoencoder_create(&net, backend, &config, HIDI_DECODER),
                     HIDI_BAD_ARGUMENT);
    config = small, config.scale = 0;
    ck_assert_int_eq(hidi_autoencoder_create(&net, backend, &config, HIDI_DECODER),
                     HIDI_BAD_ARGUMENT);
}
END_TEST

START_TEST(inputs_that_do_not_fit_are_refused)
{
    hidi_autoencoder *net;
    hidi_tape *tape = hidi_tape_create(backend);
    static const hidi_real zeros[3 * 8 * 8];
    ck_assert_ok(hidi_autoencoder_create(&net, backend, &small, HIDI_DECODER));
    const hidi_shape shapes[] = {hidi_shape4(1, 3, 2, 2), hidi_shape3(2, 2, 2)};
    for (size_t i = 0; i < LENGTH(shapes); i++) {
        ck_assert_ptr_null(hidi_decode(tape, net, true, hidi_constant(tape, shapes[i], zeros)));
        ck_assert_int_eq(hidi_tape_status(tape), HIDI_BAD_SHAPE);
        hidi_tape_reset(tape);
    }
    ck_assert_ptr_null(hidi_encode(tape, net, true, hidi_constant(tape, hidi_shape4(1, 3, 8, 8),
                                                                  zeros)));
    ck_assert_int_eq(hidi_tape_status(tape), HIDI_BAD_ARGUMENT);
    hidi_autoencoder_destroy(net);
    net = make();
    hidi_tape_reset(tape);
    ck_assert_ptr_null(hidi_encode(tape, net, true, hidi_constant(tape, hidi_shape4(1, 3, 8, 6),
                                                                  zeros)));
    ck_assert_int_eq(hidi_tape_status(tape), HIDI_BAD_SHAPE);
    hidi_autoencoder_destroy(net);
    hidi_tape_destroy(tape);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_test(tcase, all_names_are_read);
    tcase_add_test(tcase, gradients_are_those_of_differences);
    tcase_add_test(tcase, a_frozen_pass_gives_memory_back);
    tcase_add_test(tcase, files_that_do_not_fit_are_refused);
    tcase_add_test(tcase, configs_that_do_not_fit_are_refused);
    tcase_add_test(tcase, inputs_that_do_not_fit_are_refused);
}

int main(void)
{
    return run_on_each_backend("autoencoder", &backend, add);
}
