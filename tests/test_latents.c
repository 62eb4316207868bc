/* test_latents.c - halves; hidi encode and hidi decode on small pictures, also interrupted;
 * fast-DiT's features; and the data set that reads what they write. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/tables.h"
#include "data/dataset.h"
#include "io/image.h"
#include "io/npy.h"
#include "io/open_tensors.h"
#include "lab/decoding.h"
#include "lab/encoding.h"
#include "model/autoencoder.h"
#include "reader_tests.h"
#include "suite.h"

static const hidi_backend *backend;

/* --- halves ----------------------------------------------------------------------------------- */

static hidi_real half(uint16_t bits)
{
    const unsigned char bytes[2] = {(unsigned char)(bits & 255), (unsigned char)(bits >> 8)};
    hidi_real x;
    hidi_file_tensor_real(&(hidi_file_tensor){.dtype = HIDI_F16, .count = 1, .data = bytes}, &x);
    return x;
}

/* Each half is its own; what lies between two goes to the nearer, or to the even one. */
START_TEST(halves_are_rounded_to_the_nearest)
{
    for (unsigned bits = 0; bits < 0x10000u; bits++) {
        const hidi_real x = half((uint16_t)bits);
        if (isnan(x))
            ck_assert(isnan(half(hidi_to_half((double)x))));
        else if (hidi_to_half((double)x) != bits)
            ck_abort_msg("%04x is %g, and back %04x", bits, (double)x, hidi_to_half((double)x));
    }
    for (unsigned bits = 0; bits < 0x7bffu; bits++) {
        const double low = (double)half((uint16_t)bits), high = (double)half((uint16_t)(bits + 1));
        const unsigned even = bits % 2 == 0 ? bits : bits + 1;
        if (hidi_to_half((low + high) / 2) != even ||
            hidi_to_half(0.51 * low + 0.49 * high) != bits ||
            hidi_to_half(-(0.49 * low + 0.51 * high)) != 0x8000u + bits + 1)
            ck_abort_msg("between %g and %g", low, high);
    }
    ck_assert_uint_eq(hidi_to_half(65520), 0x7c00u);
    ck_assert_uint_eq(hidi_to_half(-1e300), 0xfc00u);
    ck_assert_uint_eq(hidi_to_half((double)INFINITY), 0x7c00u);
}
END_TEST

/* --- the data set ----------------------------------------------------------------------------- */

enum { N = 33, C = 2, H = 3, W = 3, SIZE = C * H * W };

/* N latents of classes 0, 0, 1, 0, 0, 1, ..., latent i of means i (+ 1000 in a copy). */
static void write_latents(const char *name, bool mirrored, bool logvar, const char *scale)
{
    const size_t M = mirrored ? 2 * N : N, dim[] = {M, C, H, W};
    hidi_real *x = malloc(M * SIZE * sizeof *x), *v = malloc(M * SIZE * sizeof *v);
    int32_t *label = malloc(M * sizeof *label);
    hidi_tensor_file file;
    for (size_t i = 0; i < M * SIZE; i++) {
        x[i] = (hidi_real)(i / SIZE % N + (i / SIZE >= N ? 1000 : 0));
        v[i] = (hidi_real)(2 * log(0.5));
    }
    for (size_t i = 0; i < M; i++)
        label[i] = i % N % 3 == 2;
    hidi_tensor_file_init(&file);
    ck_assert_ok(hidi_tensor_file_add_real(&file, "mean", 4, dim, x));
    if (logvar)
        ck_assert_ok(hidi_tensor_file_add_real(&file, "logvar", 4, dim, v));
    ck_assert_ok(hidi_tensor_file_add(&file, "label", HIDI_I32, 1, dim, label));
    ck_assert_ok(hidi_tensor_file_add_meta(&file, "hidi.scale", scale));
    ck_assert_ok(hidi_tensor_file_add_meta(&file, "hidi.mirrored", mirrored ? "yes" : "no"));
    ck_assert_ok(hidi_tensor_file_add_meta(&file, "hidi.classes", "cat\ndog"));
    ck_assert_ok(hidi_safetensors_write(&file, scratch(name)));
    hidi_tensor_file_free(&file);
    free(x), free(v), free(label);
}

static double first_of(const hidi_dataset *data, hidi_split split, uint64_t index, int32_t *label)
{
    hidi_real x[SIZE];
    data->get(data, split, index, x, label);
    return (double)x[0];
}

START_TEST(latents_come_in_turns_and_times_the_scale)
{
    hidi_dataset *data;
    int32_t label;
    write_latents("turns.safetensors", false, false, "0.5");
    ck_assert_ok(hidi_dataset_open(&data, "latents", scratch("turns.safetensors"), 3, 0));
    ck_assert_uint_eq(data->channels, C);
    ck_assert_uint_eq(data->height, H);
    ck_assert_uint_eq(data->n_classes, 2);
    ck_assert_str_eq(data->class_name[1], "dog");
    /* 22 of class 0, of which numbers 9 and 19 are test images, and 11 of class 1, of which 9 is */
    ck_assert_uint_eq(data->count[HIDI_TRAIN], 30);
    ck_assert_uint_eq(data->count[HIDI_TEST], 3);
    static const double train[] = {0, 2, 1, 5, 3, 8}, test[] = {13, 29, 28};
    for (size_t i = 0; i < 6; i++) {
        ck_assert_double_eq(first_of(data, HIDI_TRAIN, i, &label), 0.5 * train[i]);
        ck_assert_int_eq(label, i % 2);
    }
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_eq(first_of(data, HIDI_TEST, i, &label), 0.5 * test[i]);
    ck_assert_ok(hidi_dataset_hold_out(data, 4));
    ck_assert_double_eq(first_of(data, HIDI_VALIDATION, 3, &label), 0.5 * 31);
    refused(hidi_dataset_mirror(data), HIDI_UNSUPPORTED, "--mirrored");
    hidi_dataset_close(data);
}
END_TEST

START_TEST(mirrored_latents_are_the_copies_in_the_file)
{
    hidi_dataset *data;
    int32_t label;
    write_latents("mirrored.safetensors", true, false, "1");
    ck_assert_ok(hidi_dataset_open(&data, "latents", scratch("mirrored.safetensors"), 0, 0));
    ck_assert_uint_eq(data->count[HIDI_TRAIN], 30);
    ck_assert_ok(hidi_dataset_hold_out(data, 10));
    ck_assert_ok(hidi_dataset_mirror(data));
    ck_assert_uint_eq(data->count[HIDI_TRAIN], 40);
    for (uint64_t i = 0; i < 20; i++)
        ck_assert_double_eq(first_of(data, HIDI_TRAIN, 20 + i, &label),
                            1000 + first_of(data, HIDI_TRAIN, i, &label));
    ck_assert_double_lt(first_of(data, HIDI_VALIDATION, 0, &label), 1000);
    hidi_dataset_close(data);
}
END_TEST

/* Deviation 0.5: over 30 * 18 draws the mean is within 4 of its deviations, and so is the
 * square. */
START_TEST(draws_are_from_each_latents_distribution)
{
    hidi_dataset *data, *plain;
    hidi_real x[SIZE], again[SIZE], mean[SIZE];
    int32_t label;
    double sum = 0, squares = 0;
    const double n = 30 * SIZE;
    write_latents("drawn.safetensors", false, true, "2");
    ck_assert_ok(hidi_dataset_open_latents(&data, scratch("drawn.safetensors"), 0, true, 5));
    ck_assert_ok(hidi_dataset_open_latents(&plain, scratch("drawn.safetensors"), 0, false, 5));
    for (uint64_t i = 0; i < 30; i++) {
        data->get(data, HIDI_TRAIN, i, x, &label);
        data->get(data, HIDI_TRAIN, i, again, &label);
        ck_assert(memcmp(x, again, sizeof x) == 0);
        plain->get(plain, HIDI_TRAIN, i, mean, &label);
        for (size_t k = 0; k < SIZE; k++) {
            const double e = ((double)x[k] - (double)mean[k]) / (2 * 0.5);
            sum += e;
            squares += e * e;
        }
    }
    ck_assert_double_lt(fabs(sum / n), 4 / sqrt(n));
    ck_assert_double_lt(fabs(squares / n - 1), 4 * sqrt(2 / n));
    hidi_dataset_close(plain);
    hidi_dataset_close(data);
}
END_TEST

/* A training sees another draw each time, of the same latent; a batch in parts is the batch. */
START_TEST(a_training_draws_afresh)
{
    enum { B = 40 };
    hidi_dataset *data, *plain;
    hidi_real x[B * SIZE], part[10 * SIZE], mean[B * SIZE];
    int32_t label[B], again[B];
    double squares = 0;
    write_latents("afresh.safetensors", false, true, "2");
    ck_assert_ok(hidi_dataset_open_latents(&data, scratch("afresh.safetensors"), 0, true, 5));
    ck_assert_ok(hidi_dataset_open_latents(&plain, scratch("afresh.safetensors"), 0, false, 5));
    hidi_dataset_batch(data, 3, 7, B, 0, B, x, label);
    hidi_dataset_batch(data, 3, 7, B, 20, 10, part, again);
    ck_assert_mem_eq(part, x + 20 * SIZE, sizeof part);
    ck_assert_mem_eq(again, label + 20, 10 * sizeof again[0]);
    hidi_dataset_batch(plain, 3, 7, B, 0, B, mean, again);
    ck_assert_mem_eq(again, label, sizeof label);
    for (size_t i = 0; i < B; i++)
        for (size_t k = 0; k < SIZE; k++) {
            const double e = (double)x[i * SIZE + k] - (double)mean[i * SIZE + k];
            squares += e * e;
            for (size_t j = 0; j < i; j++) /* of the same image, too */
                ck_assert_double_ne(e, (double)x[j * SIZE + k] - (double)mean[j * SIZE + k]);
        }
    const double n = B * SIZE;
    ck_assert_double_lt(fabs(squares / n - 1), 4 * sqrt(2 / n));
    hidi_dataset_close(plain);
    hidi_dataset_close(data);
}
END_TEST

/* Cut short anywhere, of another size, with bad numbers: one line, and never a crash. */
START_TEST(damaged_latents_are_refused)
{
    static unsigned char bytes[8192];
    hidi_dataset *data;
    write_latents("whole.safetensors", false, false, "1");
    const size_t n = scratch_read("whole.safetensors", bytes, sizeof bytes);
    for (size_t cut = 0; cut < n; cut += 1 + cut / 40) {
        scratch_write("cut.safetensors", bytes, cut);
        ck_assert_int_ne(hidi_dataset_open(&data, "latents", scratch("cut.safetensors"), 0, 0),
                         HIDI_OK);
        ck_assert_ptr_null(data);
    }
    refused(hidi_dataset_open(&data, "latents", scratch("whole.safetensors"), 4, 0),
            HIDI_BAD_SHAPE, "expected 4 x 4");
    refused(hidi_dataset_open(&data, "latents", scratch("none.safetensors"), 0, 0), HIDI_BAD_FILE,
            "none.safetensors");
    write_latents("scale.safetensors", false, false, "-3");
    refused(hidi_dataset_open(&data, "latents", scratch("scale.safetensors"), 0, 0),
            HIDI_BAD_FORMAT, "\"-3\"");
}
END_TEST

/* --- encode and decode ------------------------------------------------------------------------ */

static const hidi_autoencoder_config small = {.image_channels = 3, .latent_channels = 2,
                                              .levels = 3, .width = {4, 4, 6}, .blocks = 1,
                                              .groups = 2, .has_quant = true,
                                              .has_post_quant = true, .scale = 0.5};
enum { SIDE = 8, PICTURES = 12 };

static void write_autoencoder(const char *name)
{
    hidi_autoencoder *net;
    ck_assert_ok(hidi_autoencoder_create(&net, backend, &small, HIDI_ENCODER_AND_DECODER));
    ck_assert_ok(hidi_autoencoder_initialise(net, 7));
    ck_assert_ok(hidi_autoencoder_save(net, scratch(name)));
    hidi_autoencoder_destroy(net);
}

/* pictures/a/00.png ..., of which every second one is mirrored by the one after it */
static void write_pictures(void)
{
    char name[64];
    hidi_image image;
    scratch_folder("pictures"), scratch_folder("pictures/a");
    ck_assert_ok(hidi_image_create(&image, SIDE, SIDE, 3, 0));
    for (size_t i = 0; i < PICTURES; i++) {
        for (size_t p = 0; p < 3 * SIDE * SIDE; p++) {
            const size_t column = p / 3 % SIDE, at = i % 2 ? SIDE - 1 - column : column;
            image.pixel[p] = (uint8_t)((p / 3 / SIDE * 31 + at * 17 + p % 3 * 80 + i / 2 * 9) % 256);
        }
        snprintf(name, sizeof name, "pictures/a/%02zu.png", i);
        ck_assert_ok(hidi_png_write(&image, scratch(name)));
    }
    hidi_image_free(&image);
}

static hidi_status encode(const char *folder, const char *autoencoder, long size, bool mirrored,
                          const char *out)
{
    char paths[3][1024];
    snprintf(paths[0], sizeof paths[0], "%s", scratch(folder));
    snprintf(paths[1], sizeof paths[1], "%s", scratch(autoencoder != NULL ? autoencoder : ""));
    snprintf(paths[2], sizeof paths[2], "%s", scratch(out));
    const hidi_encode_request request = {.folder = paths[0], .size = size, .mirrored = mirrored,
                                         .autoencoder = autoencoder != NULL ? paths[1] : NULL};
    hidi_session session = {.backend = backend, .out = paths[2]};
    return hidi_encode_folder(&session, &request);
}

/* The latents of pictures are the encoder's, to the rounding of a half; copies are the latents of
 * mirrored pictures. */
START_TEST(encoded_pictures_are_the_encoders)
{
    hidi_tensor_file file;
    const hidi_file_tensor *mean;
    hidi_real moments[2 * 8], x[3 * SIDE * SIDE], found[8];
    hidi_image image;
    hidi_autoencoder *net;
    write_autoencoder("vae.safetensors");
    write_pictures();
    ck_assert_ok(encode("pictures", "vae.safetensors", 0, true, "latents.safetensors"));
    ck_assert_ok(hidi_tensor_file_open(&file, scratch("latents.safetensors"), NULL));
    ck_assert_ok(hidi_tensor_file_need(&file, "mean", &mean));
    ck_assert_uint_eq(mean->dim[0], 2 * PICTURES);
    ck_assert_str_eq(hidi_tensor_file_meta(&file, "hidi.scale"), "0.5");

    ck_assert_ok(hidi_autoencoder_load(&net, backend, scratch("vae.safetensors"), HIDI_ENCODER));
    ck_assert_ok(hidi_image_read(&image, scratch("pictures/a/03.png"), 3, HIDI_NO_BACKGROUND, NULL));
    for (size_t p = 0; p < SIDE * SIDE; p++)
        for (size_t c = 0; c < 3; c++)
            x[c * SIDE * SIDE + p] = (hidi_real)(image.pixel[3 * p + c] / 127.5 - 1);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *in = hidi_constant(tape, hidi_shape4(1, 3, SIDE, SIDE), x);
    ck_assert_ok(hidi_read(tape, hidi_encode(tape, net, true, in), moments));
    hidi_file_tensor_part(mean, 3 * 8, 8, found);
    for (size_t k = 0; k < 8; k++)
        ck_assert_double_le(fabs((double)(found[k] - moments[k])),
                            ldexp(fabs((double)moments[k]), -11) + 1e-7);
    hidi_file_tensor_part(mean, (PICTURES + 2) * 8, 8, moments); /* picture 2, mirrored, is 3 */
    for (size_t k = 0; k < 8; k++)
        ck_assert_double_le(fabs((double)(found[k] - moments[k])),
                            ldexp(fabs((double)moments[k]), -10) + 1e-7);
    hidi_image_free(&image);
    hidi_tape_destroy(tape);
    hidi_autoencoder_destroy(net);
    hidi_tensor_file_free(&file);
}
END_TEST

/* What an earlier run has left is gone on with, if it is the same job's. */
START_TEST(an_interrupted_encode_goes_on)
{
    static unsigned char whole[8192], part[8192], after[8192];
    write_autoencoder("vae.safetensors");
    write_pictures();
    ck_assert_ok(encode("pictures", "vae.safetensors", 0, false, "a.safetensors"));
    const size_t n = scratch_read("a.safetensors", whole, sizeof whole);
    /* all but the latents after the fifth, of 16 bytes of means and 16 of log-variances each; and
     * those before it are marked, to see that they are not made again */
    memcpy(part, whole, n);
    memset(part + n - 7 * 16, 0, 7 * 16);
    memset(part + n - (PICTURES + 7) * 16, 0, 7 * 16);
    part[n - 12 * 16] ^= 1;
    scratch_write("b.safetensors.partial", part, n);
    scratch_write("b.safetensors.partial.done", "5", 1);
    ck_assert_ok(encode("pictures", "vae.safetensors", 0, false, "b.safetensors"));
    ck_assert_uint_eq(scratch_read("b.safetensors", after, sizeof after), n);
    after[n - 12 * 16] ^= 1;
    ck_assert(memcmp(whole, after, n) == 0);
    /* another size of pictures is another job */
    scratch_write("c.safetensors.partial", part, n);
    scratch_write("c.safetensors.partial.done", "12", 2);
    ck_assert_ok(encode("pictures", "vae.safetensors", 4, false, "c.safetensors"));
    ck_assert_uint_ne(scratch_read("c.safetensors", after, sizeof after), n);
}
END_TEST

START_TEST(decoding_undoes_the_scale)
{
    char out[1024], latents[1024], vae[1024];
    hidi_tensor_file file;
    const hidi_file_tensor *images;
    hidi_real z[8] = {1, -1, 0.5, 0.25, 0, 2, -0.5, 0.75}, found[3 * SIDE * SIDE], y[3 * SIDE * SIDE];
    hidi_autoencoder *net;
    write_autoencoder("vae.safetensors");
    hidi_tensor_file_init(&file);
    ck_assert_ok(hidi_tensor_file_add_real(&file, "images", 4, (size_t[]){1, 2, 2, 2}, z));
    ck_assert_ok(hidi_safetensors_write(&file, scratch("z.safetensors")));
    hidi_tensor_file_free(&file);
    snprintf(out, sizeof out, "%s", scratch("decoded.safetensors"));
    snprintf(latents, sizeof latents, "%s", scratch("z.safetensors"));
    snprintf(vae, sizeof vae, "%s", scratch("vae.safetensors"));
    const hidi_session session = {.backend = backend, .out = out};
    const hidi_decode_request request = {.latents = latents, .autoencoder = vae, .columns = 1};
    ck_assert_ok(hidi_decode_file(&session, &request));
    ck_assert_ok(hidi_tensor_file_open(&file, out, NULL));
    ck_assert_ok(hidi_tensor_file_need(&file, "images", &images));
    hidi_file_tensor_real(images, found);

    ck_assert_ok(hidi_autoencoder_load(&net, backend, vae, HIDI_DECODER));
    for (size_t i = 0; i < 8; i++)
        z[i] /= (hidi_real)small.scale;
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *in = hidi_constant(tape, hidi_shape4(1, 2, 2, 2), z);
    ck_assert_ok(hidi_read(tape, hidi_decode(tape, net, true, in), y));
    ck_assert(memcmp(y, found, sizeof y) == 0);
    hidi_tape_destroy(tape);
    hidi_autoencoder_destroy(net);
    hidi_tensor_file_free(&file);
}
END_TEST

/* A picture of it would be black, and say nothing. */
START_TEST(latents_that_are_not_finite_are_not_decoded)
{
    char latents[1024], vae[1024], out[1024];
    hidi_tensor_file file;
    const hidi_real z[16] = {1, -1, 0.5, 0.25, 0, 2, -0.5, 0.75, 1, NAN};
    write_autoencoder("vae.safetensors");
    hidi_tensor_file_init(&file);
    ck_assert_ok(hidi_tensor_file_add_real(&file, "images", 4, (size_t[]){2, 2, 2, 2}, z));
    ck_assert_ok(hidi_safetensors_write(&file, scratch("z.safetensors")));
    hidi_tensor_file_free(&file);
    snprintf(out, sizeof out, "%s", scratch("decoded.png"));
    snprintf(latents, sizeof latents, "%s", scratch("z.safetensors"));
    snprintf(vae, sizeof vae, "%s", scratch("vae.safetensors"));
    const hidi_session session = {.backend = backend, .out = out};
    const hidi_decode_request request = {.latents = latents, .autoencoder = vae, .columns = 1};
    refused(hidi_decode_file(&session, &request), HIDI_NOT_FINITE, "the image of latent 1 holds");
}
END_TEST

/* --- fast-DiT's features ---------------------------------------------------------------------- */

static void write_npy(const char *name, hidi_dtype dtype, int rank, const size_t *dim,
                      const void *data, size_t bytes)
{
    unsigned char text[HIDI_NPY_HEADER + 512];
    size_t length;
    ck_assert_ok(hidi_npy_header(text, &length, dtype, rank, dim));
    memcpy(text + length, data, bytes);
    scratch_write(name, text, length + bytes);
}

START_TEST(features_are_taken_as_they_are)
{
    char name[64];
    hidi_dataset *data;
    scratch_folder("fast"), scratch_folder("fast/im_features"), scratch_folder("fast/im_labels");
    for (size_t i = 0; i < 10; i++) {
        const float x[8] = {(float)i, 0.5f};
        const int64_t label = 4;
        snprintf(name, sizeof name, "fast/im_features/%zu.npy", i);
        write_npy(name, HIDI_F32, 4, (size_t[]){1, 2, 2, 2}, x, sizeof x);
        snprintf(name, sizeof name, "fast/im_labels/%zu.npy", i);
        write_npy(name, HIDI_I64, 1, (size_t[]){1}, &label, sizeof label);
    }
    refused(encode("fast", "vae.safetensors", 0, false, "f.safetensors"), HIDI_BAD_ARGUMENT,
            "holds latents already");
    ck_assert_ok(encode("fast", NULL, 0, false, "f.safetensors"));
    ck_assert_ok(hidi_dataset_open_latents(&data, scratch("f.safetensors"), 2, true, 1));
    ck_assert_uint_eq(data->count[HIDI_TRAIN], 9);
    ck_assert_uint_eq(data->n_classes, 5);
    hidi_real x[8];
    int32_t label;
    data->get(data, HIDI_TRAIN, 3, x, &label);
    ck_assert_int_eq(label, 4);
    ck_assert_double_eq((double)x[0], 3);
    ck_assert_double_eq((double)x[1], 0.5);
    ck_assert(strstr(data->note, "no log-variances") != NULL);
    hidi_dataset_close(data);
    snprintf(name, sizeof name, "fast/im_labels/7.npy");
    write_npy(name, HIDI_I64, 1, (size_t[]){1}, &(int64_t){-2}, 8);
    refused(encode("fast", NULL, 0, false, "f.safetensors"), HIDI_BAD_FORMAT, "class -2");
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("latents");
    TCase *tcase = tcase_create("latents");
    scratch_begin();
    backend = hidi_reference_backend();
    tcase_add_test(tcase, halves_are_rounded_to_the_nearest);
    tcase_add_test(tcase, latents_come_in_turns_and_times_the_scale);
    tcase_add_test(tcase, mirrored_latents_are_the_copies_in_the_file);
    tcase_add_test(tcase, draws_are_from_each_latents_distribution);
    tcase_add_test(tcase, a_training_draws_afresh);
    tcase_add_test(tcase, damaged_latents_are_refused);
    tcase_add_test(tcase, encoded_pictures_are_the_encoders);
    tcase_add_test(tcase, an_interrupted_encode_goes_on);
    tcase_add_test(tcase, decoding_undoes_the_scale);
    tcase_add_test(tcase, latents_that_are_not_finite_are_not_decoded);
    tcase_add_test(tcase, features_are_taken_as_they_are);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
