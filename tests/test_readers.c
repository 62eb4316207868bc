/* test_readers.c - data sets from files: IDX, CIFAR-10 and image folders, good and damaged. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/dataset.h"
#include "io/image.h"
#include "scratch.h"
#include "suite.h"

static hidi_dataset *open_good(const char *name, const char *folder, size_t size)
{
    hidi_dataset *data;
    const hidi_status status = hidi_dataset_open(&data, name, scratch(folder), size, 0);
    ck_assert_msg(status == HIDI_OK, "%s", hidi_error_message());
    return data;
}

/* Opening must fail like this, with a message that has both texts in it. */
static void assert_refused(const char *name, const char *folder, size_t size, hidi_status status,
                           const char *text, const char *also)
{
    hidi_dataset *data = NULL;
    const hidi_status found = hidi_dataset_open(&data, name, scratch(folder), size, 0);
    ck_assert_msg(found == status && data == NULL, "expected %s (%s, %s), found %s: %s",
                  hidi_status_name(status), text, also, hidi_status_name(found),
                  hidi_error_message());
    ck_assert_msg(strstr(hidi_error_message(), text) && strstr(hidi_error_message(), also),
                  "'%s' lacks '%s' or '%s'", hidi_error_message(), text, also);
}

/* All pixels of an image are this byte, and its label this one. */
static void assert_image(const hidi_dataset *data, hidi_split split, uint64_t index, int byte,
                         int32_t expected_label)
{
    hidi_real x[3 * 32 * 32];
    int32_t label;
    data->get(data, split, index, x, &label);
    ck_assert_int_eq(label, expected_label);
    for (size_t i = 0; i < data->channels * data->height * data->width; i++)
        ck_assert_int_eq((int)lround(((double)x[i] + 1) * 127.5), byte);
}

/* --- IDX ------------------------------------------------------------------------------------ */

#define N_IMAGES 3 /* of 2 x 3 */

static const char *const idx_name[4] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

static const unsigned char idx_file[4][16 + 6 * N_IMAGES] = {
    {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 3,
     0, 0, 0, 0, 0, 0, 127, 127, 127, 127, 127, 127, 255, 255, 255, 255, 255, 255},
    {0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9},
    {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3,
     10, 10, 10, 10, 10, 10, 11, 11, 11, 11, 11, 11},
    {0, 0, 8, 1, 0, 0, 0, 2, 1, 2},
};
static const size_t idx_bytes[4] = {34, 11, 28, 10};

static const char *in_folder(const char *folder, const char *name)
{
    static char path[2][300];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* The four good files, plain, in a folder of this name. */
static void write_idx(const char *folder)
{
    scratch_folder(folder);
    for (int i = 0; i < 4; i++)
        scratch_write(in_folder(folder, idx_name[i]), idx_file[i], idx_bytes[i]);
}

/* File i compressed instead; returns its bytes in out. */
static size_t compress_idx(const char *folder, int i, unsigned char *out, size_t size)
{
    char name[300];
    snprintf(name, sizeof name, "%s/%s.gz", folder, idx_name[i]);
    gzFile gz = gzopen(scratch(name), "wb9");
    ck_assert_int_eq(gzwrite(gz, idx_file[i], (unsigned)idx_bytes[i]), (int)idx_bytes[i]);
    ck_assert_int_eq(gzclose(gz), Z_OK);
    ck_assert_int_eq(remove(scratch(in_folder(folder, idx_name[i]))), 0);
    return scratch_read(name, out, size);
}

/* The last training images become the validation split. */
static void assert_holds_out(hidi_dataset *data)
{
    const uint64_t train = data->count[HIDI_TRAIN];
    hidi_real last[64], held[64];
    int32_t a, b;
    ck_assert(data->channels * data->height * data->width <= 64);
    data->get(data, HIDI_TRAIN, train - 1, last, &a);
    ck_assert_int_eq(hidi_dataset_has(data, HIDI_VALIDATION, 1), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_dataset_hold_out(data, train), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_dataset_hold_out(data, 0), HIDI_OK);
    ck_assert_uint_eq(data->count[HIDI_TRAIN], train);
    ck_assert_int_eq(hidi_dataset_hold_out(data, 1), HIDI_OK);
    ck_assert_uint_eq(data->count[HIDI_TRAIN], train - 1);
    ck_assert_uint_eq(data->count[HIDI_VALIDATION], 1);
    ck_assert_int_eq(hidi_dataset_has(data, HIDI_VALIDATION, 1), HIDI_OK);
    ck_assert_int_eq(hidi_dataset_has(data, HIDI_VALIDATION, 2), HIDI_BAD_ARGUMENT);
    data->get(data, HIDI_VALIDATION, 0, held, &b);
    ck_assert_int_eq(a, b);
    ck_assert_mem_eq(last, held, data->channels * data->height * data->width * sizeof *held);
}

static void assert_idx_is_read(const char *folder)
{
    hidi_dataset *data = open_good("idx", folder, 0);
    ck_assert_str_eq(data->name, "idx");
    ck_assert(data->channels == 1 && data->height == 2 && data->width == 3);
    ck_assert(data->count[HIDI_TRAIN] == 3 && data->count[HIDI_TEST] == 2);
    assert_image(data, HIDI_TRAIN, 0, 0, 7);
    assert_image(data, HIDI_TRAIN, 1, 127, 0);
    assert_image(data, HIDI_TRAIN, 2, 255, 9);
    assert_image(data, HIDI_TEST, 0, 10, 1);
    assert_image(data, HIDI_TEST, 1, 11, 2);
    assert_holds_out(data);
    hidi_dataset_close(data);
}

START_TEST(idx_is_read_plain_and_compressed)
{
    unsigned char unused[200];
    write_idx("mnist");
    assert_idx_is_read("mnist");
    assert_idx_is_read("mnist/");
    for (int i = 0; i < 4; i++) {
        compress_idx("mnist", i, unused, sizeof unused);
        assert_idx_is_read("mnist");
    }
}
END_TEST

START_TEST(idx_classes_are_digits_or_clothes)
{
    static const struct {
        const char *folder, *third;
    } expected[] = {{"digits", "2"}, {"my-Fashion_MNIST", "Pullover"}, {"fashion", "Pullover"},
                    {"fashion/digits", "2"}, {"fashio", "2"}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        write_idx(expected[i].folder);
        hidi_dataset *data = open_good("idx", expected[i].folder, 0);
        ck_assert_uint_eq(data->n_classes, 10);
        ck_assert_str_eq(data->class_name[2], expected[i].third);
        hidi_dataset_close(data);
    }
    hidi_dataset *data = open_good("idx", "fashion///", 0);
    ck_assert_str_eq(data->class_name[9], "Ankle boot");
    hidi_dataset_close(data);
}
END_TEST

START_TEST(idx_truncated_anywhere_is_an_error)
{
    for (int i = 0; i < 4; i++) {
        unsigned char longer[64] = {0};
        write_idx("cut");
        for (size_t n = 0; n < idx_bytes[i]; n++) {
            scratch_write(in_folder("cut", idx_name[i]), idx_file[i], n);
            assert_refused("idx", "cut", 0, HIDI_BAD_FORMAT, idx_name[i], "byte");
        }
        memcpy(longer, idx_file[i], idx_bytes[i]);
        scratch_write(in_folder("cut", idx_name[i]), longer, idx_bytes[i] + 1);
        assert_refused("idx", "cut", 0, HIDI_BAD_FORMAT, idx_name[i], "goes on after byte");
    }
    write_idx("cut");
    scratch_write(in_folder("cut", idx_name[0]), idx_file[0], 30);
    assert_refused("idx", "cut", 0, HIDI_BAD_FORMAT, "ends at byte 30", "expected 34 bytes");
}
END_TEST

START_TEST(idx_damaged_compression_is_an_error)
{
    unsigned char bytes[200];
    for (int i = 0; i < 4; i++) {
        char name[300];
        snprintf(name, sizeof name, "gz/%s.gz", idx_name[i]);
        write_idx("gz");
        const size_t n = compress_idx("gz", i, bytes, sizeof bytes);
        for (size_t cut = 0; cut < n; cut++) {
            scratch_write(name, bytes, cut);
            assert_refused("idx", "gz", 0, HIDI_BAD_FORMAT, idx_name[i], "byte");
        }
        for (size_t at = 10; at < n; at++) { /* after gzip's header, of which little matters */
            bytes[at] ^= 0x55;
            scratch_write(name, bytes, n);
            assert_refused("idx", "gz", 0, HIDI_BAD_FORMAT, idx_name[i], "byte");
            bytes[at] ^= 0x55;
        }
        ck_assert_int_eq(remove(scratch(name)), 0);
    }
}
END_TEST

/* File i with byte `at` changed must be refused with these texts. */
static void assert_change_is_refused(int i, size_t at, unsigned char value, const char *text,
                                     const char *also)
{
    unsigned char bytes[64];
    write_idx("changed");
    memcpy(bytes, idx_file[i], idx_bytes[i]);
    bytes[at] = value;
    scratch_write(in_folder("changed", idx_name[i]), bytes, idx_bytes[i]);
    assert_refused("idx", "changed", 0, HIDI_BAD_FORMAT, text, also);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), idx_name[i]));
}

START_TEST(idx_that_disagrees_is_an_error)
{
    for (int i = 0; i < 4; i++) {
        assert_change_is_refused(i, 2, 9, "byte 0: ", i % 2 == 0 ? "0x00000803" : "0x00000801");
        assert_change_is_refused(i, 3, 2, "byte 0: ", "found 0x00000802");
        assert_change_is_refused(i, 7, 0, "byte 4: ", "is 0");
        assert_change_is_refused(i, 4, 0xff, "byte 4: ", "too small");
    }
    assert_change_is_refused(0, 11, 0, "byte 8: ", "is 0");
    assert_change_is_refused(0, 8, 0xff, "byte 8: ", "too small");
    assert_change_is_refused(0, 12, 0xff, "byte 12: ", "too small");
    assert_change_is_refused(1, 7, 2, "found 2 labels", "expected 3");
    assert_change_is_refused(3, 7, 1, "found 1 labels", "expected 2");
    assert_change_is_refused(1, 9, 10, "byte 9: label 10", "0 to 9");
    assert_change_is_refused(3, 8, 255, "byte 8: label 255", "0 to 9");
    assert_change_is_refused(2, 11, 1, "images of 1 x 3", "expected 2 x 3");
}
END_TEST

/* Dimensions whose product overflows, in a compressed file, whose size says less. */
START_TEST(idx_huge_dimensions_are_refused)
{
    unsigned char head[16] = {0, 0, 8, 3};
    unsigned char unused[200];
    for (int pattern = 1; pattern < 8; pattern++) {
        for (int i = 0; i < 3; i++)
            memset(head + 4 + 4 * i, pattern >> i & 1 ? 0xff : 0x01, 4);
        write_idx("huge");
        compress_idx("huge", 0, unused, sizeof unused);
        char name[300];
        snprintf(name, sizeof name, "huge/%s.gz", idx_name[0]);
        gzFile gz = gzopen(scratch(name), "wb");
        gzwrite(gz, head, 16);
        gzclose(gz);
        assert_refused("idx", "huge", 0, HIDI_BAD_FORMAT, idx_name[0], "too small");
    }
}
END_TEST

/* The four good files again, under these names. */
static void write_idx_as(const char *folder, const char *const name[4], const unsigned char *labels)
{
    scratch_folder(folder);
    for (int i = 0; i < 4; i++) {
        unsigned char bytes[64];
        memcpy(bytes, idx_file[i], idx_bytes[i]);
        if (i % 2 == 1 && labels != NULL)
            memcpy(bytes + 8, labels + (i == 1 ? 0 : 3), idx_bytes[i] - 8);
        scratch_write(in_folder(folder, name[i]), bytes, idx_bytes[i]);
    }
}

START_TEST(idx_names_with_a_dot_are_read)
{
    static const char *const dotted[4] = {"train-images.idx3-ubyte", "train-labels.idx1-ubyte",
                                          "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"};
    static const char *const mixed[4] = {"train-images.idx3-ubyte", "train-labels-idx1-ubyte",
                                         "test-images-idx3-ubyte", "test-labels.idx1-ubyte"};
    write_idx_as("dotted", dotted, NULL);
    assert_idx_is_read("dotted");
    write_idx_as("dot-and-dash", mixed, NULL);
    assert_idx_is_read("dot-and-dash");
}
END_TEST

START_TEST(emnist_has_more_classes)
{
    static const struct {
        const char *set;
        unsigned char labels[5];   /* three of training, two of test images */
        size_t n_classes;
        const char *first, *last;
        int least;
        unsigned char bad;
    } sets[] = {{"letters", {1, 26, 2, 13, 1}, 26, "A", "Z", 1, 0},
                {"letters", {1, 26, 2, 13, 1}, 26, "A", "Z", 1, 27},
                {"balanced", {0, 46, 10, 36, 1}, 47, "0", "t", 0, 47},
                {"bymerge", {0, 46, 10, 36, 1}, 47, "0", "t", 0, 47},
                {"byclass", {61, 0, 36, 35, 9}, 62, "0", "z", 0, 62},
                {"digits", {0, 9, 3, 4, 5}, 10, "0", "9", 0, 10},
                {"mnist", {0, 9, 3, 4, 5}, 10, "0", "9", 0, 10}};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        char name[4][80], path[80], text[40];
        const char *names[4];
        unsigned char labels[5];
        for (int k = 0; k < 4; k++) {
            snprintf(name[k], sizeof name[k], "emnist-%s-%s", sets[i].set,
                     (const char *[]){"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                      "test-images-idx3-ubyte", "test-labels-idx1-ubyte"}[k]);
            names[k] = name[k];
        }
        write_idx_as("gzip", names, sets[i].labels);
        snprintf(path, sizeof path, "gzip/emnist-%s", sets[i].set);
        hidi_dataset *data = open_good("idx", path, 0);
        ck_assert_uint_eq(data->n_classes, sets[i].n_classes);
        ck_assert_str_eq(data->class_name[0], sets[i].first);
        ck_assert_str_eq(data->class_name[data->n_classes - 1], sets[i].last);
        assert_image(data, HIDI_TRAIN, 1, 127, sets[i].labels[1] - sets[i].least);
        assert_image(data, HIDI_TEST, 1, 11, sets[i].labels[4] - sets[i].least);
        hidi_dataset_close(data);
        memcpy(labels, sets[i].labels, 5);
        labels[4] = sets[i].bad;
        write_idx_as("gzip", names, labels);
        snprintf(text, sizeof text, "byte 9: label %d", sets[i].bad);
        assert_refused("idx", path, 0, HIDI_BAD_FORMAT, name[3], text);
    }
    /* A folder of its own says it by its name. */
    scratch_folder("EMNIST");
    write_idx_as("EMNIST/Letters", idx_name, (const unsigned char[]){26, 1, 2, 3, 4});
    hidi_dataset *data = open_good("idx", "EMNIST/Letters/", 0);
    ck_assert_uint_eq(data->n_classes, 26);
    hidi_dataset_close(data);
}
END_TEST

START_TEST(idx_that_is_not_there_is_an_error)
{
    assert_refused("idx", "nosuch", 0, HIDI_BAD_FILE, "nosuch", "No such file");
    for (int i = 0; i < 4; i++) {
        write_idx("missing");
        remove(scratch(in_folder("missing", idx_name[i])));
        assert_refused("idx", "missing", 0, HIDI_BAD_FILE, idx_name[i], "No such file");
        scratch_folder(in_folder("missing", idx_name[i]));
        assert_refused("idx", "missing", 0, HIDI_BAD_FILE, idx_name[i], "directory");
        rmdir(scratch(in_folder("missing", idx_name[i])));
    }
    write_idx("size");
    assert_refused("idx", "size", 28, HIDI_BAD_SHAPE, "size", "expected 28 x 28");
}
END_TEST

/* --- CIFAR-10 ------------------------------------------------------------------------------- */

#define RECORD 3073
#define WHOLE (10000L * RECORD)

/* The first n bytes of a file of `records` records that are all 0 (and take no space) but for the
 * first, of label `label` and red, and the last, of label 9 and white. */
static void write_cifar(const char *name, long records, long n, unsigned char label)
{
    unsigned char first[RECORD] = {label}, last[RECORD] = {9};
    memset(first + 1, 255, 1024);
    memset(last + 1, 255, RECORD - 1);
    scratch_folder("cifar");
    FILE *out = fopen(scratch(in_folder("cifar", name)), "wb");
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(first, 1, RECORD, out), RECORD);
    ck_assert_int_eq(fseek(out, (records - 1) * RECORD, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite(last, 1, RECORD, out), RECORD);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(truncate(scratch(in_folder("cifar", name)), n), 0);
}

START_TEST(cifar10_is_read)
{
    for (int i = 1; i <= 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        write_cifar(name, 10000, WHOLE, (unsigned char)i);
    }
    write_cifar("test_batch.bin", 10000, WHOLE, 6);
    hidi_dataset *data = open_good("cifar10", "cifar", 32);
    ck_assert(data->channels == 3 && data->height == 32 && data->width == 32);
    ck_assert(data->count[HIDI_TRAIN] == 50000 && data->count[HIDI_TEST] == 10000);
    ck_assert_str_eq(data->class_name[9], "truck");
    for (uint64_t i = 0; i < 6; i++) {
        const hidi_split split = i < 5 ? HIDI_TRAIN : HIDI_TEST;
        const uint64_t first = i < 5 ? 10000 * i : 0;
        hidi_real x[3072];
        int32_t label;
        data->get(data, split, first, x, &label);
        ck_assert_int_eq(label, (int32_t)i + 1);
        for (size_t k = 0; k < 3072; k++)
            ck_assert(x[k] == (k < 1024 ? 1 : -1));
        assert_image(data, split, first + 1, 0, 0);
        assert_image(data, split, first + 9999, 255, 9);
    }
    hidi_dataset_close(data);
    assert_refused("cifar10", "cifar", 16, HIDI_BAD_SHAPE, "32 x 32", "expected 16 x 16");
}
END_TEST

START_TEST(damaged_cifar10_is_an_error)
{
    static const long cuts[] = {0, 1, RECORD - 1, RECORD, RECORD + 1, 5000 * RECORD,
                                WHOLE - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        char text[40];
        snprintf(text, sizeof text, "ends at byte %ld,", cuts[i]);
        write_cifar("data_batch_1.bin", 10000, cuts[i], 0);
        assert_refused("cifar10", "cifar", 0, HIDI_BAD_FORMAT, "data_batch_1.bin", text);
    }
    write_cifar("data_batch_1.bin", 10001, WHOLE + 1, 0);
    assert_refused("cifar10", "cifar", 0, HIDI_BAD_FORMAT, "data_batch_1.bin", "goes on");
    write_cifar("data_batch_1.bin", 10000, WHOLE, 10);
    assert_refused("cifar10", "cifar", 0, HIDI_BAD_FORMAT, "data_batch_1.bin", "byte 0: label 10");
    remove(scratch("cifar/data_batch_1.bin"));
    assert_refused("cifar10", "cifar", 0, HIDI_BAD_FILE, "data_batch_1.bin", "No such file");
    assert_refused("cifar10", "nosuch", 0, HIDI_BAD_FILE, "nosuch", "No such file");
}
END_TEST

/* --- image folders -------------------------------------------------------------------------- */

static void write_png(const char *folder, const char *name, size_t width, size_t height,
                      int channels, uint8_t value)
{
    hidi_image image;
    unsigned char *data;
    size_t bytes;
    ck_assert_int_eq(hidi_image_create(&image, width, height, channels, value), HIDI_OK);
    ck_assert_int_eq(hidi_png_encode(&image, &data, &bytes), HIDI_OK);
    scratch_write(in_folder(folder, name), data, bytes);
    free(data);
    hidi_image_free(&image);
}

START_TEST(folder_of_two_splits_is_read)
{
    static const char *const folders[] = {"two", "two/train", "two/test", "two/train/bee",
                                          "two/train/ant", "two/test/ant", "two/test/bee",
                                          "two/train/.hidden"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        scratch_folder(folders[i]);
    write_png("two/train/bee", "2.png", 6, 4, 3, 2);
    write_png("two/train/bee", "1.PNG", 6, 4, 1, 1); /* grey: repeated in all three channels */
    write_png("two/train/ant", "x.png", 6, 4, 3, 3);
    write_png("two/test/ant", "x.png", 6, 4, 3, 4);
    write_png("two/test/bee", "x.png", 6, 4, 3, 5);
    scratch_write("two/train/ant/notes.txt", "no picture", 10);
    scratch_write("two/train/README", "no class", 8);
    hidi_dataset *data = open_good("folder", "two", 0);
    ck_assert(data->channels == 3 && data->height == 4 && data->width == 6);
    ck_assert(data->count[HIDI_TRAIN] == 3 && data->count[HIDI_TEST] == 2);
    ck_assert_uint_eq(data->n_classes, 2);
    ck_assert_str_eq(data->class_name[0], "ant");
    ck_assert_str_eq(data->class_name[1], "bee");
    assert_image(data, HIDI_TRAIN, 0, 3, 0); /* the classes take turns */
    assert_image(data, HIDI_TRAIN, 1, 1, 1);
    assert_image(data, HIDI_TRAIN, 2, 2, 1);
    assert_image(data, HIDI_TEST, 0, 4, 0);
    assert_image(data, HIDI_TEST, 1, 5, 1);
    hidi_dataset_close(data);
    assert_refused("folder", "two", 6, HIDI_BAD_SHAPE, "4 x 6", "expected 6 x 6");
}
END_TEST

START_TEST(every_tenth_of_one_folder_is_test)
{
    scratch_folder("one");
    scratch_folder("one/a");
    scratch_folder("one/b");
    for (int i = 0; i < 23; i++) {
        char name[16];
        snprintf(name, sizeof name, "%02d.png", i);
        write_png("one/a", name, 3, 3, 1, (uint8_t)i);
        if (i < 9)
            write_png("one/b", name, 3, 3, 1, (uint8_t)(100 + i));
    }
    hidi_dataset *data = open_good("folder", "one", 3);
    ck_assert_uint_eq(data->channels, 1);
    ck_assert(data->count[HIDI_TRAIN] == 21 + 9 && data->count[HIDI_TEST] == 2);
    assert_image(data, HIDI_TEST, 0, 9, 0);
    assert_image(data, HIDI_TEST, 1, 19, 0);
    for (int i = 0; i < 9; i++) {
        assert_image(data, HIDI_TRAIN, (uint64_t)(2 * i), i, 0);
        assert_image(data, HIDI_TRAIN, (uint64_t)(2 * i + 1), 100 + i, 1);
    }
    assert_image(data, HIDI_TRAIN, 18, 10, 0);
    assert_image(data, HIDI_TRAIN, 29, 22, 0);
    hidi_dataset_close(data);
    remove(scratch("one/a/00.png"));
    write_png("one/a", "05.png", 3, 4, 1, 0);
    assert_refused("folder", "one", 0, HIDI_BAD_FORMAT, "05.png", "4 x 3 pixels, expected 3 x 3");
    scratch_write("one/a/05.png", "damaged", 7);
    assert_refused("folder", "one", 0, HIDI_BAD_FORMAT, "05.png", "PNG");
}
END_TEST

/* A gradient of `width` columns, so that sides can be told apart. */
static void write_slope(const char *folder, const char *name, size_t width)
{
    hidi_image image;
    ck_assert_int_eq(hidi_image_create(&image, width, 2, 1, 0), HIDI_OK);
    for (size_t i = 0; i < 2 * width; i++)
        image.pixel[i] = (uint8_t)(10 * (i % width));
    ck_assert_int_eq(hidi_png_write(&image, scratch(in_folder(folder, name))), HIDI_OK);
    hidi_image_free(&image);
}

static void assert_bytes(const hidi_dataset *data, hidi_split split, uint64_t index,
                         const int *bytes)
{
    hidi_real x[64];
    int32_t label;
    const size_t n = data->channels * data->height * data->width;
    ck_assert_uint_le(n, 64);
    data->get(data, split, index, x, &label);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq((int)lround(((double)x[i] + 1) * 127.5), bytes[i]);
}

START_TEST(pictures_of_several_sizes_are_resized)
{
    static const char *const folders[] = {"sizes", "sizes/train", "sizes/test", "sizes/train/a",
                                          "sizes/test/a"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        scratch_folder(folders[i]);
    write_slope("sizes/train/a", "1.png", 2);
    write_slope("sizes/train/a", "2.png", 4);
    write_slope("sizes/test/a", "1.png", 3);
    assert_refused("folder", "sizes", 0, HIDI_BAD_FORMAT, "2.png", "data.resize=crop");
    hidi_folder_options options = hidi_folder_defaults();
    hidi_dataset *data;
    options.resize = HIDI_RESIZE_CROP;
    ck_assert_int_eq(hidi_dataset_open_folder(&data, scratch("sizes"), 0, &options),
                     HIDI_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "data.size"));
    ck_assert_int_eq(hidi_dataset_open_folder(&data, scratch("sizes"), 2, &options), HIDI_OK);
    ck_assert(data->height == 2 && data->width == 2 && data->count[HIDI_TRAIN] == 2);
    assert_bytes(data, HIDI_TRAIN, 0, (const int[]){0, 10, 0, 10});
    assert_bytes(data, HIDI_TRAIN, 1, (const int[]){10, 20, 10, 20});
    hidi_dataset_close(data);
    options.resize = HIDI_RESIZE_PAD;
    options.background = 0x646464;
    ck_assert_int_eq(hidi_dataset_open_folder(&data, scratch("sizes"), 2, &options), HIDI_OK);
    assert_bytes(data, HIDI_TRAIN, 0, (const int[]){0, 10, 0, 10});
    assert_bytes(data, HIDI_TRAIN, 1, (const int[]){53, 63, 53, 63}); /* half of it is 100 */
    hidi_dataset_close(data);
}
END_TEST

START_TEST(mirrored_copies_are_training_images)
{
    scratch_folder("mirror");
    scratch_folder("mirror/a");
    for (int i = 0; i < 11; i++) {
        char name[16];
        snprintf(name, sizeof name, "%02d.png", i);
        write_slope("mirror/a", name, 3);
    }
    hidi_dataset *data = open_good("folder", "mirror", 0);
    const int plain[6] = {0, 10, 20, 0, 10, 20}, mirrored[6] = {20, 10, 0, 20, 10, 0};
    ck_assert_int_eq(hidi_dataset_hold_out(data, 2), HIDI_OK);
    ck_assert_int_eq(hidi_dataset_mirror(data), HIDI_OK);
    ck_assert_uint_eq(data->count[HIDI_TRAIN], 16);
    ck_assert_uint_eq(data->count[HIDI_VALIDATION], 2);
    ck_assert_uint_eq(data->count[HIDI_TEST], 1);
    for (uint64_t i = 0; i < 16; i++)
        assert_bytes(data, HIDI_TRAIN, i, i < 8 ? plain : mirrored);
    assert_bytes(data, HIDI_VALIDATION, 1, plain);
    assert_bytes(data, HIDI_TEST, 0, plain);
    hidi_dataset_close(data);
    ck_assert_int_eq(hidi_dataset_open(&data, "shapes", NULL, 8, 1), HIDI_OK);
    ck_assert_int_eq(hidi_dataset_mirror(data), HIDI_UNSUPPORTED);
    hidi_dataset_close(data);
}
END_TEST

START_TEST(what_is_left_out_is_said)
{
    scratch_folder("said");
    scratch_folder("said/a");
    for (int i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "%02d.png", i);
        write_png("said/a", name, 3, 3, 3, 5);
    }
    hidi_dataset *data = open_good("folder", "said", 0);
    ck_assert_str_eq(data->note, "");
    hidi_dataset_close(data);
    /* One grey pixel, of opacity 0. */
    static const unsigned char seen_through[] = {
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
        0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x04, 0x00, 0x00, 0x00, 0xb5,
        0x1c, 0x0c, 0x02, 0x00, 0x00, 0x00, 0x0b, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x60,
        0x60, 0x00, 0x00, 0x00, 0x03, 0x00, 0x01, 0x2b, 0x09, 0x4d, 0x84, 0x00, 0x00, 0x00, 0x00,
        0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
    scratch_write("said/a/09.png", seen_through, sizeof seen_through);
    hidi_folder_options options = hidi_folder_defaults();
    options.resize = HIDI_RESIZE_CROP;
    ck_assert_msg(hidi_dataset_open_folder(&data, scratch("said"), 3, &options) == HIDI_OK, "%s",
                  hidi_error_message());
    ck_assert_ptr_nonnull(strstr(data->note, "transparency of 1 pictures is ignored"));
    assert_image(data, HIDI_TEST, 0, 0, 0);
    hidi_dataset_close(data);
    options.background = 0xffffff;
    ck_assert_int_eq(hidi_dataset_open_folder(&data, scratch("said"), 3, &options), HIDI_OK);
    ck_assert_str_eq(data->note, "");
    assert_image(data, HIDI_TEST, 0, 255, 0);
    hidi_dataset_close(data);
    scratch_write("said/a/10.gif", "x", 1);
    assert_refused("folder", "said", 0, HIDI_UNSUPPORTED, "10.gif", "are not read");
}
END_TEST

START_TEST(bad_folders_are_errors)
{
    assert_refused("folder", "nosuch", 0, HIDI_BAD_FILE, "nosuch", "No such file");
    scratch_folder("bad");
    assert_refused("folder", "bad", 0, HIDI_BAD_FORMAT, "bad", "a folder for each class");
    scratch_folder("bad/ant");
    assert_refused("folder", "bad", 0, HIDI_BAD_FORMAT, "bad/ant", "expected pictures");
    write_png("bad/ant", "1.png", 2, 2, 1, 0);
    assert_refused("folder", "bad", 0, HIDI_BAD_FORMAT, "bad", "no class has 10 images");
    scratch_folder("bad/train");
    assert_refused("folder", "bad", 0, HIDI_BAD_FILE, "bad/test", "not a folder");
    scratch_folder("bad/test");
    scratch_folder("bad/train/ant");
    scratch_folder("bad/train/bee");
    scratch_folder("bad/test/ant");
    write_png("bad/train/ant", "1.png", 2, 2, 1, 0);
    write_png("bad/train/bee", "1.png", 2, 2, 1, 0);
    write_png("bad/test/ant", "1.png", 2, 2, 1, 0);
    assert_refused("folder", "bad", 0, HIDI_BAD_FORMAT, "bad/test", "'bee'");
    scratch_folder("bad/test/cow");
    assert_refused("folder", "bad", 0, HIDI_BAD_FORMAT, "'bee'", "found 'cow'");
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("readers");
    TCase *idx = tcase_create("idx"), *cifar = tcase_create("cifar10");
    TCase *folder = tcase_create("folder");
    scratch_begin();
    tcase_add_test(idx, idx_is_read_plain_and_compressed);
    tcase_add_test(idx, idx_classes_are_digits_or_clothes);
    tcase_add_test(idx, idx_truncated_anywhere_is_an_error);
    tcase_add_test(idx, idx_damaged_compression_is_an_error);
    tcase_add_test(idx, idx_that_disagrees_is_an_error);
    tcase_add_test(idx, idx_huge_dimensions_are_refused);
    tcase_add_test(idx, idx_names_with_a_dot_are_read);
    tcase_add_test(idx, emnist_has_more_classes);
    tcase_add_test(idx, idx_that_is_not_there_is_an_error);
    tcase_add_test(cifar, cifar10_is_read);
    tcase_add_test(cifar, damaged_cifar10_is_an_error);
    tcase_add_test(folder, folder_of_two_splits_is_read);
    tcase_add_test(folder, every_tenth_of_one_folder_is_test);
    tcase_add_test(folder, pictures_of_several_sizes_are_resized);
    tcase_add_test(folder, mirrored_copies_are_training_images);
    tcase_add_test(folder, what_is_left_out_is_said);
    tcase_add_test(folder, bad_folders_are_errors);
    suite_add_tcase(suite, idx);
    suite_add_tcase(suite, cifar);
    suite_add_tcase(suite, folder);
    return run_suite(suite);
}
