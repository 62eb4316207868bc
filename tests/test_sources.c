/* test_sources.c - images from folders, npz files and data sets, a batch at a time; statistics
 * files. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"

#include "data/image_source.h"
#include "io/image.h"
#include "io/npz.h"
#include "eval/statistics_file.h"

/* A PNG file whose first byte is `value`, and the next ones one more each. */
static void write_png(const char *name, size_t width, size_t height, int channels, uint8_t value)
{
    hidi_image image;
    ck_assert_int_eq(hidi_image_create(&image, width, height, channels, 0), HIDI_OK);
    for (size_t i = 0; i < width * height * (size_t)channels; i++)
        image.pixel[i] = (uint8_t)(value + i);
    ck_assert_int_eq(hidi_png_write(&image, scratch(name)), HIDI_OK);
    hidi_image_free(&image);
}

static double byte(hidi_real x)
{
    return ((double)x + 1) * 127.5;
}

/* An error that mentions `text`; the source is closed. */
static void refused(const char *path, hidi_status expected, const char *text)
{
    hidi_image_source source;
    ck_assert_int_eq(hidi_image_source_open(&source, path, 3), expected);
    ck_assert_ptr_null(source.state);
    if (strstr(hidi_error_message(), text) == NULL)
        ck_abort_msg("\"%s\" does not mention \"%s\"", hidi_error_message(), text);
}

/* The first byte of every image, in order; sizes of the batches in `sizes`. */
static size_t read_all(const char *path, size_t channels, size_t most, double *first, size_t *sizes)
{
    hidi_image_source source;
    hidi_image_batch batch;
    size_t n = 0, batches = 0;
    ck_assert_int_eq(hidi_image_source_open(&source, path, channels), HIDI_OK);
    for (;;) {
        ck_assert_int_eq(hidi_image_source_next(&source, most, &batch), HIDI_OK);
        if (batch.n == 0)
            break;
        sizes[batches++] = batch.n;
        for (size_t i = 0; i < batch.n; i++)
            first[n++] = byte(batch.images[i * channels * batch.height * batch.width]);
    }
    ck_assert_uint_eq(n, source.count);
    hidi_image_source_close(&source);
    return n;
}

START_TEST(a_folder_is_read_in_the_order_of_names)
{
    double first[8];
    size_t sizes[8];
    scratch_folder("flat");
    write_png("flat/b.png", 4, 4, 3, 20);
    write_png("flat/a.PNG", 4, 4, 3, 10);
    write_png("flat/c.png", 5, 3, 3, 30);
    write_png("flat/d.png", 5, 3, 1, 40);
    scratch_folder("flat/below");
    write_png("flat/below/e.png", 4, 4, 3, 50);
    scratch_write("flat/readme.txt", "x", 1);
    ck_assert_uint_eq(read_all(scratch("flat"), 3, 8, first, sizes), 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_eq_tol(first[i], 10 * (double)(i + 1), 1e-4);
    ck_assert_uint_eq(sizes[0], 2); /* until the size changes */
    ck_assert_uint_eq(sizes[1], 2);
    ck_assert_uint_eq(read_all(scratch("flat"), 3, 1, first, sizes), 4);
}
END_TEST

START_TEST(a_folder_of_folders_is_read_as_one)
{
    double first[8];
    size_t sizes[8];
    scratch_folder("tree");
    scratch_folder("tree/x");
    scratch_folder("tree/x/y");
    write_png("tree/x/y/1.png", 4, 4, 1, 1);
    write_png("tree/x/z.png", 4, 4, 1, 2);
    ck_assert_uint_eq(read_all(scratch("tree"), 1, 8, first, sizes), 2);
    ck_assert_double_eq_tol(first[0], 1, 1e-4);
    ck_assert_double_eq_tol(first[1], 2, 1e-4);
}
END_TEST

START_TEST(folders_that_are_refused)
{
    scratch_folder("none");
    refused(scratch("none"), HIDI_BAD_FORMAT, "no PNG files");
    scratch_folder("jpeg");
    write_png("jpeg/a.png", 4, 4, 3, 1);
    scratch_write("jpeg/b.jpg", "x", 1);
    refused(scratch("jpeg"), HIDI_UNSUPPORTED, "b.jpg");
    refused(scratch("nosuch"), HIDI_BAD_FILE, "nosuch");
}
END_TEST

START_TEST(a_picture_that_is_damaged_is_named)
{
    hidi_image_source source;
    hidi_image_batch batch;
    scratch_folder("torn");
    write_png("torn/a.png", 4, 4, 3, 1);
    scratch_write("torn/b.png", "\x89PNG\r\n\x1a\n", 8);
    ck_assert_int_eq(hidi_image_source_open(&source, scratch("torn"), 3), HIDI_OK);
    ck_assert_int_eq(hidi_image_source_next(&source, 8, &batch), HIDI_BAD_FORMAT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "b.png"));
    hidi_image_source_close(&source);
}
END_TEST

static void write_npz(const char *name, const char *array, hidi_dtype dtype, int rank,
                      const size_t *dim, const void *data)
{
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    ck_assert_int_eq(hidi_tensor_file_add(&file, array, dtype, rank, dim, data), HIDI_OK);
    ck_assert_int_eq(hidi_npz_write(&file, scratch(name)), HIDI_OK);
    hidi_tensor_file_free(&file);
}

START_TEST(an_npz_becomes_planes)
{
    /* [2, 1, 2, 3]: red is plane 0 */
    const uint8_t colour[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, grey[3] = {50, 51, 52};
    const size_t shape[4] = {2, 1, 2, 3}, grey_shape[4] = {1, 1, 3, 1};
    static const double planes[12] = {1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12};
    hidi_image_source source;
    hidi_image_batch batch;
    write_npz("colour.npz", "arr_0", HIDI_U8, 4, shape, colour);
    ck_assert_int_eq(hidi_image_source_open(&source, scratch("colour.npz"), 3), HIDI_OK);
    ck_assert_uint_eq(source.count, 2);
    ck_assert_int_eq(hidi_image_source_next(&source, 100, &batch), HIDI_OK);
    ck_assert(batch.n == 2 && batch.height == 1 && batch.width == 2);
    for (size_t i = 0; i < 12; i++)
        ck_assert_double_eq_tol(byte(batch.images[i]), planes[i], 1e-4);
    ck_assert_int_eq(hidi_image_source_next(&source, 100, &batch), HIDI_OK);
    ck_assert_uint_eq(batch.n, 0);
    hidi_image_source_close(&source);
    write_npz("grey.npz", "arr_0", HIDI_U8, 4, grey_shape, grey);
    ck_assert_int_eq(hidi_image_source_open(&source, scratch("grey.npz"), 3), HIDI_OK);
    ck_assert_int_eq(hidi_image_source_next(&source, 100, &batch), HIDI_OK);
    for (size_t i = 0; i < 9; i++)
        ck_assert_double_eq_tol(byte(batch.images[i]), 50 + (double)(i % 3), 1e-4);
    hidi_image_source_close(&source);
}
END_TEST

/* A .npy file with these entries of its header. */
static void write_npy(const char *name, const char *entries, const uint8_t *data, size_t n)
{
    unsigned char bytes[512] = "\x93NUMPY\x01";
    const int length = snprintf((char *)bytes + 10, sizeof bytes - 10, "{%s}\n", entries);
    bytes[8] = (unsigned char)length;
    memcpy(bytes + 10 + length, data, n);
    scratch_write(name, bytes, 10 + (size_t)length + n);
}

/* [2, 1, 2, 3], the first index being the fastest. */
START_TEST(images_in_fortran_order_become_planes)
{
    const uint8_t columns[12] = {0, 6, 3, 9, 1, 7, 4, 10, 2, 8, 5, 11};
    static const double planes[2][6] = {{0, 3, 1, 4, 2, 5}, {6, 9, 7, 10, 8, 11}};
    hidi_image_source source;
    hidi_image_batch batch;
    write_npy("f.npy", "'descr': '|u1', 'fortran_order': True, 'shape': (2, 1, 2, 3), ", columns,
              12);
    ck_assert_int_eq(hidi_image_source_open(&source, scratch("f.npy"), 3), HIDI_OK);
    ck_assert_uint_eq(source.count, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(hidi_image_source_next(&source, 1, &batch), HIDI_OK);
        for (int k = 0; k < 6; k++)
            ck_assert_double_eq_tol(byte(batch.images[k]), planes[i][k], 1e-3);
    }
    hidi_image_source_close(&source);
}
END_TEST

START_TEST(npz_files_without_such_images)
{
    const float x[12] = {0};
    const uint8_t bytes[12] = {0};
    const size_t shape[4] = {1, 2, 2, 3}, flat[2] = {6, 2}, none[4] = {0, 2, 2, 3};
    write_npz("float.npz", "arr_0", HIDI_F32, 4, shape, x);
    refused(scratch("float.npz"), HIDI_BAD_FORMAT, "F32 [1, 2, 2, 3], expected U8");
    write_npz("flat.npz", "arr_0", HIDI_U8, 2, flat, bytes);
    refused(scratch("flat.npz"), HIDI_BAD_FORMAT, "expected U8 [N, H, W, 3]");
    write_npz("none.npz", "arr_0", HIDI_U8, 4, none, bytes);
    refused(scratch("none.npz"), HIDI_BAD_FORMAT, "no images");
    write_npz("other.npz", "images", HIDI_U8, 4, shape, bytes);
    refused(scratch("other.npz"), HIDI_BAD_FORMAT, "arr_0");
    refused(scratch("other.npz"), HIDI_BAD_FORMAT, "(1 array: images)");
    write_npy("ragged.npy", "'descr': '|O', 'fortran_order': False, 'shape': (2,), ", bytes, 8);
    refused(scratch("ragged.npy"), HIDI_UNSUPPORTED, "arr_0: an array of type |O, objects");
    scratch_write("text.npz", "text", 4);
    refused(scratch("text.npz"), HIDI_BAD_FORMAT, "text.npz");
}
END_TEST

START_TEST(an_image_that_is_too_large_is_refused)
{
    const size_t sides[] = {1 << 14, SIZE_MAX / 4, SIZE_MAX};
    hidi_image_source source = {.channels = 3};
    for (size_t i = 0; i < 3; i++) {
        hidi_image_batch batch = {.height = sides[i], .width = sides[i]};
        ck_assert_int_eq(hidi_image_source_room(&source, &batch, 1), HIDI_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(hidi_error_message(), "too large"));
        ck_assert_ptr_null(source.buffer);
    }
}
END_TEST

START_TEST(a_split_is_rounded_and_repeated)
{
    hidi_dataset *data;
    hidi_image_source source;
    hidi_image_batch batch;
    ck_assert_int_eq(hidi_dataset_open(&data, "shapes", NULL, 8, 1), HIDI_OK);
    ck_assert_int_eq(hidi_image_source_dataset(&source, data, HIDI_TEST, 5, 3, true), HIDI_OK);
    size_t n = 0;
    do {
        ck_assert_int_eq(hidi_image_source_next(&source, 2, &batch), HIDI_OK);
        for (size_t i = 0; i < batch.n * 3 * 64; i++)
            ck_assert_double_eq_tol(byte(batch.images[i]), round(byte(batch.images[i])), 1e-4);
        n += batch.n;
    } while (batch.n > 0);
    ck_assert_uint_eq(n, 5);
    hidi_image_source_close(&source);
    ck_assert_int_eq(hidi_image_source_dataset(&source, data, HIDI_TEST, 5, 1, true),
                     HIDI_BAD_SHAPE);
    hidi_dataset_close(data);
}
END_TEST

/* --- statistics ------------------------------------------------------------------------------- */

static hidi_moments some_moments(size_t D, size_t n)
{
    hidi_moments moments;
    double *x = malloc(n * D * sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < n * D; i++)
        x[i] = sin((double)(i * i + D));
    ck_assert_int_eq(hidi_moments_init(&moments, D), HIDI_OK);
    hidi_moments_add(&moments, x, n);
    ck_assert_int_eq(hidi_moments_finish(&moments), HIDI_OK);
    free(x);
    return moments;
}

START_TEST(statistics_come_back_as_they_were)
{
    hidi_moments features = some_moments(5, 30), spatial = some_moments(3, 30);
    hidi_statistics s;
    bool has_statistics, has_images;
    ck_assert_int_eq(hidi_statistics_write(scratch("s.npz"), &features, &spatial, "a net"),
                     HIDI_OK);
    ck_assert_int_eq(hidi_statistics_read(&s, scratch("s.npz")), HIDI_OK);
    ck_assert_uint_eq(s.features.dim, 5);
    ck_assert_uint_eq(s.spatial.dim, 3);
    ck_assert(s.features.count == 30 && s.spatial.count == 30);
    ck_assert_str_eq(s.extractor, "a net");
    ck_assert_int_eq(memcmp(s.features.mean, features.mean, 5 * sizeof(double)), 0);
    ck_assert_int_eq(memcmp(s.features.covariance, features.covariance, 25 * sizeof(double)), 0);
    ck_assert_int_eq(memcmp(s.spatial.covariance, spatial.covariance, 9 * sizeof(double)), 0);
    hidi_statistics_free(&s);
    ck_assert_int_eq(hidi_statistics_look(scratch("s.npz"), &has_statistics, &has_images), HIDI_OK);
    ck_assert(has_statistics && !has_images);
    hidi_moments_free(&features);
    hidi_moments_free(&spatial);
}
END_TEST

/* What is written can be read: without a count if it is unknown, and nothing that is refused. */
START_TEST(statistics_that_are_not_written)
{
    hidi_moments features = some_moments(3, 30), spatial = some_moments(2, 30);
    hidi_statistics s;
    features.count = 0;
    ck_assert_int_eq(hidi_statistics_write(scratch("u.npz"), &features, NULL, "a net"), HIDI_OK);
    ck_assert_int_eq(hidi_statistics_read(&s, scratch("u.npz")), HIDI_OK);
    ck_assert_uint_eq(s.features.dim, 3);
    ck_assert_uint_eq(s.features.count, 0);
    ck_assert_int_eq(hidi_statistics_write(scratch("u.npz"), &s.features, NULL, "a net"), HIDI_OK);
    hidi_statistics_free(&s);
    remove(scratch("u.npz"));

    features.count = 1;
    ck_assert_int_eq(hidi_statistics_write(scratch("u.npz"), &features, NULL, ""),
                     HIDI_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "u.npz: statistics of 1 sample"));
    features.count = 30;
    features.mean[1] = (double)NAN;
    ck_assert_int_eq(hidi_statistics_write(scratch("u.npz"), &features, NULL, ""), HIDI_NOT_FINITE);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "u.npz: mu is not finite"));
    features.mean[1] = 0;
    spatial.covariance[1] += 1;
    ck_assert_int_eq(hidi_statistics_write(scratch("u.npz"), &features, &spatial, ""),
                     HIDI_BAD_FORMAT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "sigma_s is not symmetric"));
    ck_assert_int_ne(access(scratch("u.npz"), F_OK), 0);
    hidi_moments_free(&features);
    hidi_moments_free(&spatial);
}
END_TEST

/* mu [n], sigma [m, m] from the elements of `sigma`, by these names. */
static void check_named(const char *mean, const char *cov, size_t n, size_t m, const double *sigma,
                        hidi_status expected, const char *text)
{
    const double mu[4] = {0};
    const size_t dim[2] = {m, m};
    hidi_tensor_file file;
    hidi_statistics s;
    hidi_tensor_file_init(&file);
    ck_assert_int_eq(hidi_tensor_file_add(&file, mean, HIDI_F64, 1, &n, mu), HIDI_OK);
    if (m > 0)
        ck_assert_int_eq(hidi_tensor_file_add(&file, cov, HIDI_F64, 2, dim, sigma), HIDI_OK);
    ck_assert_int_eq(hidi_npz_write(&file, scratch("bad.npz")), HIDI_OK);
    hidi_tensor_file_free(&file);
    ck_assert_int_eq(hidi_statistics_read(&s, scratch("bad.npz")), expected);
    if (expected != HIDI_OK && strstr(hidi_error_message(), text) == NULL)
        ck_abort_msg("\"%s\" does not mention \"%s\"", hidi_error_message(), text);
    hidi_statistics_free(&s);
}

static void check_statistics(size_t n, size_t m, const double *sigma, hidi_status expected,
                             const char *text)
{
    check_named("mu", "sigma", n, m, sigma, expected, text);
}

START_TEST(a_covariance_with_an_eigenvalue_below_0_is_none)
{
    double mean[2] = {0, 0}, good[4] = {1, 0.5, 0.5, 1}, bad[4] = {1, 2, 2, 1}; /* 3 and -1 */
    const hidi_moments a = {.dim = 2, .mean = mean, .covariance = good};
    const hidi_moments b = {.dim = 2, .mean = mean, .covariance = bad};
    hidi_frechet result;
    ck_assert_int_eq(hidi_frechet_distance(&result, &a, &a), HIDI_OK);
    ck_assert_int_eq(hidi_frechet_distance(&result, &a, &b), HIDI_BAD_FORMAT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "second set's covariance"));
    ck_assert_int_eq(hidi_frechet_distance(&result, &b, &a), HIDI_BAD_FORMAT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "eigenvalue of -1, below 0"));
}
END_TEST

START_TEST(statistics_that_are_none)
{
    const double good[4] = {1, 0.5, 0.5, 1}, skew[4] = {1, 0.5, -0.5, 1};
    const double nan_[4] = {1, (double)NAN, (double)NAN, 1}, below[4] = {1, 0, 0, -1};
    hidi_statistics s;
    check_statistics(2, 2, good, HIDI_OK, "");
    check_named("mean", "cov", 2, 2, good, HIDI_OK, "");
    check_named("mean", "cov", 2, 2, skew, HIDI_BAD_FORMAT, "cov is not symmetric");
    check_named("m", "s", 2, 2, good, HIDI_BAD_FORMAT, "no arrays mu and sigma, or mean and cov");
    check_statistics(3, 2, good, HIDI_BAD_FORMAT, "expected [D] and [D, D]");
    check_statistics(2, 0, good, HIDI_BAD_FORMAT, "mu without sigma");
    check_statistics(2, 2, skew, HIDI_BAD_FORMAT, "not symmetric");
    check_statistics(2, 2, nan_, HIDI_NOT_FINITE, "sigma");
    check_statistics(2, 2, below, HIDI_BAD_FORMAT, "variance below 0 (feature 1)");
    check_statistics(0, 0, good, HIDI_BAD_FORMAT, "mu without sigma");
    ck_assert_int_eq(hidi_statistics_read(&s, scratch("nosuch.npz")), HIDI_BAD_FILE);
    hidi_statistics_free(&s);
}
END_TEST

int main(void)
{
    scratch_begin();
    Suite *suite = suite_create("sources");
    TCase *tcase = tcase_create("sources");
    tcase_add_test(tcase, a_folder_is_read_in_the_order_of_names);
    tcase_add_test(tcase, a_folder_of_folders_is_read_as_one);
    tcase_add_test(tcase, folders_that_are_refused);
    tcase_add_test(tcase, a_picture_that_is_damaged_is_named);
    tcase_add_test(tcase, an_npz_becomes_planes);
    tcase_add_test(tcase, images_in_fortran_order_become_planes);
    tcase_add_test(tcase, npz_files_without_such_images);
    tcase_add_test(tcase, a_covariance_with_an_eigenvalue_below_0_is_none);
    tcase_add_test(tcase, an_image_that_is_too_large_is_refused);
    tcase_add_test(tcase, a_split_is_rounded_and_repeated);
    tcase_add_test(tcase, statistics_come_back_as_they_were);
    tcase_add_test(tcase, statistics_that_are_none);
    tcase_add_test(tcase, statistics_that_are_not_written);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
