/* test_data.c - the procedural data set, batches and ranges. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "near.h"
#include "suite.h"

static hidi_dataset *open_shapes(size_t size, uint64_t seed)
{
    hidi_dataset *data;
    ck_assert_int_eq(hidi_dataset_open(&data, "shapes", NULL, size, seed), HIDI_OK);
    return data;
}

/* Opening must fail like this, with a message that has both texts in it. */
static void assert_refused(const char *name, const char *path, size_t size, hidi_status status,
                           const char *text, const char *also)
{
    hidi_dataset *data = NULL;
    const hidi_status found = hidi_dataset_open(&data, name, path, size, 0);
    ck_assert_msg(found == status && data == NULL, "expected %s, found %s: %s",
                  hidi_status_name(status), hidi_status_name(found), hidi_error_message());
    ck_assert_msg(strstr(hidi_error_message(), text) && strstr(hidi_error_message(), also),
                  "'%s' lacks '%s' or '%s'", hidi_error_message(), text, also);
}

/* --- shapes --------------------------------------------------------------------------------- */

#define SIZE 16
#define PIXELS (3 * SIZE * SIZE)
#define N 400

static hidi_real many[2 * N][PIXELS], other[N][PIXELS];
static int32_t labels[N], other_labels[N];

START_TEST(images_are_a_function_of_split_and_index)
{
    hidi_dataset *data = open_shapes(SIZE, 3), *again = open_shapes(SIZE, 3);
    hidi_dataset_range(data, HIDI_TRAIN, 100, N, many[0], labels);
    for (size_t i = N; i-- > 0;) /* backwards, one at a time */
        again->get(again, HIDI_TRAIN, 100 + i, other[i], &other_labels[i]);
    ck_assert_mem_eq(many, other, sizeof other);
    ck_assert_mem_eq(labels, other_labels, sizeof labels);
    /* A batch is the images step * batch + i. */
    hidi_dataset_batch(data, 99, 5, 20, 0, 20, other[0], other_labels);
    ck_assert_mem_eq(many, other, 20 * sizeof other[0]);
    ck_assert_mem_eq(labels, other_labels, 20 * sizeof labels[0]);
    hidi_dataset_close(data);
    hidi_dataset_close(again);
}
END_TEST

START_TEST(no_two_images_are_equal)
{
    hidi_dataset *data = open_shapes(SIZE, 0), *seeded = open_shapes(SIZE, 1);
    hidi_dataset_range(data, HIDI_TRAIN, 0, N, many[0], labels);
    hidi_dataset_range(data, HIDI_TEST, 0, N, many[N], labels);
    hidi_dataset_range(seeded, HIDI_TRAIN, 0, N, other[0], labels);
    for (size_t i = 0; i < 2 * N; i++) {
        for (size_t j = 0; j < i; j++)
            ck_assert(memcmp(many[i], many[j], sizeof many[i]) != 0);
        for (size_t j = 0; j < N; j++)
            ck_assert(memcmp(many[i], other[j], sizeof many[i]) != 0);
    }
    /* Nor do the test and the validation split share any. */
    hidi_dataset_range(data, HIDI_VALIDATION, 0, N, other[0], labels);
    for (size_t i = 0; i < 2 * N; i++)
        for (size_t j = 0; j < N; j++)
            ck_assert(memcmp(many[i], other[j], sizeof many[i]) != 0);
    ck_assert_int_eq(hidi_dataset_hold_out(data, 100), HIDI_OK);
    ck_assert_int_eq(hidi_dataset_has(data, HIDI_VALIDATION, 1000000), HIDI_OK);
    ck_assert_uint_eq(data->count[HIDI_TRAIN], 0);
    hidi_dataset_close(data);
    hidi_dataset_close(seeded);
}
END_TEST

START_TEST(values_and_labels_are_in_range)
{
    hidi_dataset *data = open_shapes(SIZE, 0);
    size_t seen[10] = {0};
    ck_assert_uint_eq(data->n_classes, 10);
    ck_assert_uint_eq(data->count[HIDI_TRAIN], 0);
    ck_assert_str_eq(data->class_name[0], "disc");
    for (size_t step = 0; step < 10; step++) {
        hidi_dataset_batch(data, 0, step, N, 0, N, many[0], labels);
        for (size_t i = 0; i < N; i++) {
            ck_assert(labels[i] >= 0 && labels[i] < 10);
            seen[labels[i]]++;
            for (size_t k = 0; k < PIXELS; k++)
                ck_assert(many[i][k] >= -1 && many[i][k] <= 1);
        }
    }
    /* Binomial(4000, 1/10): mean 400, standard deviation 19; five of them. */
    for (size_t c = 0; c < 10; c++)
        ck_assert(seen[c] > 305 && seen[c] < 495);
    hidi_dataset_close(data);
}
END_TEST

/* Root mean square difference between a 16 x 16 image and the 64 x 64 one, averaged over 4 x 4. */
static double resolution_difference(const hidi_real *small, const hidi_real *large)
{
    double sum = 0;
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < 16; i++)
            for (size_t j = 0; j < 16; j++) {
                double mean = 0;
                for (size_t k = 0; k < 16; k++)
                    mean += (double)large[(c * 64 + 4 * i + k / 4) * 64 + 4 * j + k % 4] / 16.0;
                sum += pow((double)small[(c * 16 + i) * 16 + j] - mean, 2);
            }
    return sqrt(sum / PIXELS);
}

START_TEST(every_size_shows_the_same_picture)
{
    static hidi_real large[3 * 64 * 64], tiny[3 * 8 * 8];
    hidi_dataset *at16 = open_shapes(16, 8), *at64 = open_shapes(64, 8), *at8 = open_shapes(8, 8);
    double sum = 0, unrelated = 0;
    for (uint64_t i = 0; i < 40; i++) {
        int32_t a, b, c;
        at64->get(at64, HIDI_TEST, i, large, &a);
        at16->get(at16, HIDI_TEST, i, many[0], &b);
        at8->get(at8, HIDI_TEST, i, tiny, &c);
        ck_assert(a == b && b == c);
        sum += resolution_difference(many[0], large) / 40;
        at16->get(at16, HIDI_TEST, i + 1, many[0], &b);
        unrelated += resolution_difference(many[0], large) / 40;
    }
    ck_assert_msg(sum < 0.1 && unrelated > 0.5, "%g, and %g for unrelated images", sum, unrelated);
    hidi_dataset_close(at16);
    hidi_dataset_close(at64);
    hidi_dataset_close(at8);
}
END_TEST

/* Runs, tables and weights refer to these very images: they must never change unnoticed. */
START_TEST(images_never_change)
{
    static const struct {
        int32_t label;
        double mean, middle;
    } expected[6] = {
        {6, -0.28500140225466469, -0.33604917103830889},
        {5, -0.16951992162096105, 0.1293763489373323},
        {0, -0.39974338277719179, 0.017614127230067389},
        {8, -0.16848142097150121, 0.92665197456899384},
        {6, -0.28824877721363118, -0.71442569110379894},
        {5, -0.48344496605992082, 0.0},
    };
    hidi_dataset *data = open_shapes(SIZE, 0);
    hidi_dataset_range(data, HIDI_TRAIN, 0, 3, many[0], labels);
    hidi_dataset_range(data, HIDI_TEST, 0, 3, many[3], labels + 3);
    for (size_t i = 0; i < 6; i++) {
        double mean = 0;
        for (size_t k = 0; k < PIXELS; k++)
            mean += (double)many[i][k] / PIXELS;
        ck_assert_int_eq(labels[i], expected[i].label);
        /* The steepest step, that of a stripe, multiplies a rounding of its place by about 30. */
        assert_close(mean, expected[i].mean, 1.0, 64.0);
        assert_close((double)many[i][8 * SIZE + 8], expected[i].middle, 1.0, 64.0);
    }
    hidi_dataset_close(data);
}
END_TEST

START_TEST(bad_calls_are_errors)
{
    assert_refused("shapes", NULL, 7, HIDI_BAD_ARGUMENT, "shapes", "found 7");
    assert_refused("shapes", NULL, SIZE_MAX, HIDI_BAD_ARGUMENT, "shapes", "8 to 4096");
    assert_refused("shapes", "/tmp", 16, HIDI_BAD_ARGUMENT, "shapes", "/tmp");
    assert_refused("shape", NULL, 16, HIDI_BAD_ARGUMENT, "'shape'", "folder");
    assert_refused("", NULL, 16, HIDI_BAD_ARGUMENT, "''", "idx");
    assert_refused("idx", NULL, 0, HIDI_BAD_ARGUMENT, "idx", "path");
    assert_refused("cifar10", "", 0, HIDI_BAD_ARGUMENT, "cifar10", "path");
    hidi_dataset_close(NULL);
}
END_TEST

/* --- a data set that ends ------------------------------------------------------------------- */

#define FEW 20

/* Image i is all i, its label too. */
static void few_get(const hidi_dataset *data, hidi_split split, uint64_t index, hidi_real *image,
                    int32_t *label)
{
    ck_assert(index < data->count[split]);
    for (size_t i = 0; i < data->channels * data->height * data->width; i++)
        image[i] = (hidi_real)index;
    *label = (int32_t)index;
}

static const hidi_dataset few = {.name = "few", .channels = 1, .height = 2, .width = 2,
                                 .n_classes = FEW, .count = {FEW, 5}, .get = few_get};

START_TEST(batches_are_drawn_with_replacement)
{
    static hidi_real x[1000][4], part[300][4];
    static int32_t y[1000], part_y[300];
    size_t seen[FEW] = {0};
    hidi_dataset_batch(&few, 4, 7, 1000, 0, 1000, x[0], y);
    for (size_t i = 0; i < 1000; i++) {
        ck_assert(x[i][0] == (hidi_real)y[i] && x[i][3] == (hidi_real)y[i]);
        seen[y[i]]++;
    }
    /* Binomial(1000, 1/20): mean 50, standard deviation 6.9; five of them. */
    for (size_t i = 0; i < FEW; i++)
        ck_assert(seen[i] > 15 && seen[i] < 85);
    hidi_dataset_batch(&few, 4, 7, 1000, 0, 300, part[0], part_y);
    ck_assert_mem_eq(part_y, y, sizeof part_y);
    hidi_dataset_batch(&few, 4, 7, 1000, 401, 300, part[0], part_y); /* samples, not places */
    ck_assert_mem_eq(part_y, y + 401, sizeof part_y);
    hidi_dataset_batch(&few, 4, 8, 1000, 0, 300, part[0], part_y);
    ck_assert(memcmp(part_y, y, sizeof part_y) != 0);
    hidi_dataset_batch(&few, 5, 7, 1000, 0, 300, part[0], part_y);
    ck_assert(memcmp(part_y, y, sizeof part_y) != 0);
}
END_TEST

START_TEST(ranges_begin_again_at_the_end)
{
    hidi_real x[7][4];
    int32_t y[7];
    hidi_dataset_range(&few, HIDI_TEST, 3, 7, x[0], y);
    for (size_t i = 0; i < 7; i++) {
        ck_assert_int_eq(y[i], (int)((3 + i) % 5));
        ck_assert(x[i][2] == (hidi_real)y[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("data");
    TCase *shapes = tcase_create("shapes"), *batches = tcase_create("batches");
    tcase_add_test(shapes, images_are_a_function_of_split_and_index);
    tcase_add_test(shapes, no_two_images_are_equal);
    tcase_add_test(shapes, values_and_labels_are_in_range);
    tcase_add_test(shapes, every_size_shows_the_same_picture);
    tcase_add_test(shapes, images_never_change);
    tcase_add_test(shapes, bad_calls_are_errors);
    tcase_add_test(batches, batches_are_drawn_with_replacement);
    tcase_add_test(batches, ranges_begin_again_at_the_end);
    suite_add_tcase(suite, shapes);
    suite_add_tcase(suite, batches);
    return run_suite(suite);
}
