/* test_one_call.c - the calls that take paths alone give what the pieces give. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/feature_net.h"
#include "eval/measure.h"
#include "eval/one_call.h"
#include "eval/statistics_file.h"
#include "io/image.h"
#include "io/safetensors.h"
#include "backbone.h"
#include "scratch.h"
#include "suite.h"

enum { SIZE = 8, C = 3, CLASSES = 10, PIXELS = C * SIZE * SIZE, N = 20 };

static const hidi_backend *backend; /* set by main */
static hidi_dataset *data;          /* shapes      */
static char weights[1024], pictures[1024], others[1024];

static void ok(hidi_status status)
{
    ck_assert_msg(status == HIDI_OK, "%s", hidi_error_message());
}

/* N images of a split as PNG files in a folder. */
static void write_pictures(char *folder, size_t size, const char *name, hidi_split split)
{
    snprintf(folder, size, "%s", scratch_folder(name));
    for (int i = 0; i < N; i++) {
        hidi_real x[PIXELS];
        int32_t y;
        hidi_image image;
        char path[1100];
        data->get(data, split, (uint64_t)i, x, &y);
        snprintf(path, sizeof path, "%s/%02d.png", folder, i);
        ok(hidi_image_create(&image, SIZE, SIZE, C, 0));
        for (int k = 0; k < PIXELS; k++) /* planes to pixels */
            image.pixel[k % (SIZE * SIZE) * C + k / (SIZE * SIZE)] =
                (uint8_t)lrint(((double)x[k] + 1) * 127.5);
        ok(hidi_png_write(&image, path));
        hidi_image_free(&image);
    }
}

/* A small net of random weights, and two folders of pictures. */
static void write_all(void)
{
    hidi_feature_net *net;
    hidi_tensor_file file;
    snprintf(weights, sizeof weights, "%s", scratch("features.safetensors"));
    ok(hidi_feature_net_create(&net, backend, C, SIZE, CLASSES));
    ok(hidi_feature_net_initialise(net, 3));
    hidi_tensor_file_init(&file);
    ok(hidi_feature_net_to_file(net, &file));
    ok(hidi_safetensors_write(&file, weights));
    hidi_tensor_file_free(&file);
    hidi_feature_net_destroy(net);
    write_pictures(pictures, sizeof pictures, "pictures", HIDI_TRAIN);
    write_pictures(others, sizeof others, "others", HIDI_TEST);
}

START_TEST(samples)
{
    hidi_dit *net = random_backbone(backend, SIZE, C, 4, CLASSES);
    hidi_dit_config config;
    hidi_real *x, *expected;
    char path[1024];
    snprintf(path, sizeof path, "%s", scratch("teacher.safetensors"));
    ok(hidi_dit_save(net, path));
    const hidi_sampler sampler = {.solver = HIDI_EULER, .steps = 2, .guidance = 1.5, .batch = 4};
    const hidi_samples same = {.net = net, .sampler = sampler, .seed = 5, .count = N};
    ok(hidi_samples_draw(&same, NULL, &expected, NULL));
    ok(hidi_samples_of(path, &sampler, 5, N, &x, &config));
    ck_assert_uint_eq(config.image_size, SIZE);
    ck_assert_mem_eq(x, expected, N * PIXELS * sizeof *x);
    free(x);
    ok(hidi_samples_of(path, NULL, 5, 2, &x, NULL)); /* the usual sampler */
    free(x);
    free(expected);
    hidi_dit_destroy(net);
    ck_assert_int_ne(hidi_samples_of("no such file", NULL, 1, 2, &x, NULL), HIDI_OK);
    ck_assert_ptr_null(x);
}
END_TEST

START_TEST(features_and_distances)
{
    double *features, distance, again;
    size_t n, dim;
    ok(hidi_features_of(pictures, weights, &features, &n, &dim));
    ck_assert_uint_eq(n, N);

    /* The same by the pieces: moments of these features, and their distance. */
    hidi_moments a, b;
    hidi_frechet frechet;
    double *other;
    ok(hidi_features_of(others, weights, &other, &n, &dim));
    ok(hidi_moments_init(&a, dim));
    ok(hidi_moments_init(&b, dim));
    hidi_moments_add(&a, features, N);
    hidi_moments_add(&b, other, N);
    ok(hidi_moments_finish(&a));
    ok(hidi_moments_finish(&b));
    ok(hidi_frechet_distance(&frechet, &a, &b));
    ok(hidi_distance_of(pictures, others, weights, &distance));
    ck_assert_msg(distance > 0 && fabs(distance - frechet.distance) <= 1e-9 * distance,
                  "%.17g, by the pieces %.17g", distance, frechet.distance);

    /* Statistics stand for the pictures that they are of. */
    ok(hidi_statistics_write(scratch("others.npz"), &b, NULL, ""));
    ok(hidi_distance_of(pictures, scratch("others.npz"), weights, &again));
    ck_assert_msg(fabs(again - distance) <= 1e-9 * distance, "%.17g, %.17g", again, distance);
    ok(hidi_distance_of(pictures, pictures, weights, &again));
    ck_assert_msg(fabs(again) < 1e-9, "%g from itself", again);
    hidi_moments_free(&a);
    hidi_moments_free(&b);
    free(features);
    free(other);
}
END_TEST

START_TEST(what_does_not_fit)
{
    double *features, distance;
    size_t n, dim;
    hidi_moments a;
    const double rows[] = {1, 2, 3, 4, 5, 7};
    ck_assert_int_ne(hidi_features_of("nowhere", weights, &features, &n, &dim), HIDI_OK);
    ck_assert_ptr_null(features);
    ck_assert_int_ne(hidi_distance_of(pictures, others, "nowhere.pth", &distance), HIDI_OK);
    ok(hidi_moments_init(&a, 2));
    hidi_moments_add(&a, rows, 3);
    ok(hidi_moments_finish(&a));
    ok(hidi_statistics_write(scratch("two.npz"), &a, NULL, ""));
    hidi_moments_free(&a);
    ck_assert_int_eq(hidi_distance_of(pictures, scratch("two.npz"), weights, &distance),
                     HIDI_BAD_SHAPE);
    ck_assert_msg(strstr(hidi_error_message(), "two.npz: statistics of 2 features") != NULL, "%s",
                  hidi_error_message());
}
END_TEST

int main(void)
{
    scratch_begin();
    if (hidi_backend_open("cpu", &backend) != HIDI_OK ||
        hidi_dataset_open(&data, "shapes", NULL, SIZE, 1) != HIDI_OK)
        return EXIT_FAILURE;
    Suite *suite = begin_suite("one_call");
    TCase *tcase = tcase_create("one_call");
    tcase_add_unchecked_fixture(tcase, write_all, NULL);
    tcase_add_test(tcase, samples);
    tcase_add_test(tcase, features_and_distances);
    tcase_add_test(tcase, what_does_not_fit);
    suite_add_tcase(suite, tcase);
    const int result = run_suite_in_process(suite); /* the fixture has started threads */
    hidi_dataset_close(data);
    return result;
}
