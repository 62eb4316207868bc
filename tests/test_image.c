/* test_image.c - pictures from files of all kinds, good and damaged; squares, grids and heat
 * maps. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <limits.h>
#include <math.h>
#include <png.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/image.h"
#include "scratch.h"
#include "source.h"
#include "suite.h"

static void fill(hidi_image *image, size_t width, size_t height, int channels)
{
    ck_assert_int_eq(hidi_image_create(image, width, height, channels, 0), HIDI_OK);
    uint32_t state = 12345;
    for (size_t i = 0; i < width * height * (size_t)channels; i++) {
        state = state * 1664525u + 1013904223u;
        image->pixel[i] = (uint8_t)(state >> 24);
    }
}

static void assert_same(const hidi_image *a, const hidi_image *b)
{
    ck_assert_uint_eq(a->width, b->width);
    ck_assert_uint_eq(a->height, b->height);
    ck_assert_int_eq(a->channels, b->channels);
    ck_assert_mem_eq(a->pixel, b->pixel, a->width * a->height * (size_t)a->channels);
}

/* --- files ---------------------------------------------------------------------------------- */

START_TEST(what_is_written_is_read_back)
{
    static const size_t sizes[][2] = {{1, 1}, {5, 3}, {16, 16}, {1, 200}, {333, 7}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int channels = 1; channels <= 3; channels += 2) {
            hidi_image written, found;
            fill(&written, sizes[i][0], sizes[i][1], channels);
            ck_assert_int_eq(hidi_png_write(&written, scratch("a.png")), HIDI_OK);
            ck_assert_int_eq(hidi_png_read(&found, scratch("a.png"), 0), HIDI_OK);
            assert_same(&written, &found);
            hidi_image_free(&found);
            ck_assert_int_eq(hidi_png_read(&found, scratch("a.png"), channels), HIDI_OK);
            assert_same(&written, &found);
            hidi_image_free(&found);
            hidi_image_free(&written);
        }
    }
}
END_TEST

START_TEST(encoding_makes_the_bytes_of_the_file)
{
    hidi_image image;
    unsigned char *data, file[10000];
    size_t bytes;
    fill(&image, 20, 30, 3);
    ck_assert_int_eq(hidi_png_encode(&image, &data, &bytes), HIDI_OK);
    ck_assert_int_eq(hidi_png_write(&image, scratch("b.png")), HIDI_OK);
    ck_assert_uint_eq(scratch_read("b.png", file, sizeof file), bytes);
    ck_assert_mem_eq(file, data, bytes);
    free(data);
    hidi_image_free(&image);
}
END_TEST

/* Writes one row of a PNG of any kind. */
static void write_kind(const char *name, int colour, int depth, png_uint_32 width,
                       const unsigned char *row, const png_color *palette, int interlace)
{
    FILE *out = fopen(scratch(name), "wb");
    ck_assert_ptr_nonnull(out);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, out);
    png_set_IHDR(png, info, width, 1, depth, colour, interlace, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (palette != NULL)
        png_set_PLTE(png, info, palette, 2);
    png_write_info(png, info);
    for (int pass = png_set_interlace_handling(png); pass > 0; pass--)
        png_write_row(png, row);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(out);
}

static void assert_reads(const char *name, int channels, size_t width, const uint8_t *pixel,
                         int found_channels)
{
    hidi_image image;
    ck_assert_int_eq(hidi_png_read(&image, scratch(name), channels), HIDI_OK);
    ck_assert_int_eq(image.channels, found_channels);
    ck_assert_uint_eq(image.width, width);
    ck_assert_mem_eq(image.pixel, pixel, width * (size_t)found_channels);
    hidi_image_free(&image);
}

START_TEST(every_kind_of_png_is_read)
{
    const png_color palette[2] = {{10, 20, 30}, {200, 100, 50}};
    write_kind("k.png", PNG_COLOR_TYPE_PALETTE, 1, 3, (const unsigned char[]){0x40}, palette,
               PNG_INTERLACE_NONE);
    assert_reads("k.png", 0, 3, (const uint8_t[]){10, 20, 30, 200, 100, 50, 10, 20, 30}, 3);
    write_kind("k.png", PNG_COLOR_TYPE_GRAY, 2, 4, (const unsigned char[]){0x1b}, NULL,
               PNG_INTERLACE_NONE);
    assert_reads("k.png", 0, 4, (const uint8_t[]){0, 85, 170, 255}, 1);
    assert_reads("k.png", 3, 4,
                 (const uint8_t[]){0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255}, 3);
    write_kind("k.png", PNG_COLOR_TYPE_GRAY, 16, 2, (const unsigned char[]){0x12, 0xff, 0xab, 0},
               NULL, PNG_INTERLACE_NONE);
    assert_reads("k.png", 0, 2, (const uint8_t[]){0x12, 0xab}, 1);
    write_kind("k.png", PNG_COLOR_TYPE_GRAY_ALPHA, 8, 3,
               (const unsigned char[]){200, 255, 200, 0, 200, 128}, NULL, PNG_INTERLACE_NONE);
    assert_reads("k.png", 0, 3, (const uint8_t[]){200, 200, 200}, 1);
    write_kind("k.png", PNG_COLOR_TYPE_RGB_ALPHA, 8, 2,
               (const unsigned char[]){255, 100, 0, 255, 255, 100, 10, 51}, NULL,
               PNG_INTERLACE_NONE);
    assert_reads("k.png", 0, 2, (const uint8_t[]){255, 100, 0, 255, 100, 10}, 3);
    write_kind("k.png", PNG_COLOR_TYPE_RGB, 8, 3,
               (const unsigned char[]){255, 0, 0, 0, 255, 0, 0, 0, 255}, NULL, PNG_INTERLACE_ADAM7);
    assert_reads("k.png", 0, 3, (const uint8_t[]){255, 0, 0, 0, 255, 0, 0, 0, 255}, 3);
    assert_reads("k.png", 1, 3, (const uint8_t[]){76, 150, 29}, 1);
}
END_TEST

static void assert_damaged(const char *name)
{
    hidi_image image;
    ck_assert_int_eq(hidi_png_read(&image, scratch(name), 0), HIDI_BAD_FORMAT);
    ck_assert_ptr_null(image.pixel);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), scratch(name)));
}

START_TEST(truncated_files_are_errors_wherever_they_end)
{
    hidi_image image;
    unsigned char *data;
    size_t bytes;
    fill(&image, 9, 7, 3);
    ck_assert_int_eq(hidi_png_encode(&image, &data, &bytes), HIDI_OK);
    hidi_image_free(&image);
    for (size_t n = 0; n < bytes; n++) {
        scratch_write("t.png", data, n);
        assert_damaged("t.png");
    }
    scratch_write("t.png", data, bytes);
    ck_assert_int_eq(hidi_png_read(&image, scratch("t.png"), 0), HIDI_OK);
    hidi_image_free(&image);
    free(data);
}
END_TEST

START_TEST(a_changed_bit_is_an_error_wherever_it_is)
{
    hidi_image image;
    unsigned char *data;
    size_t bytes;
    fill(&image, 9, 7, 1);
    ck_assert_int_eq(hidi_png_encode(&image, &data, &bytes), HIDI_OK);
    /* The last four bytes are the checksum of IEND, a chunk without content, which libpng does not
     * check from 1.6.48 on. */
    for (size_t bit = 0; bit < 8 * (bytes - 4); bit++) {
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        scratch_write("c.png", data, bytes);
        assert_damaged("c.png");
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    free(data);
    hidi_image_free(&image);
}
END_TEST

START_TEST(absurd_dimensions_are_refused)
{
    /* A signature and an IHDR of 30,000 x 30,000 with its checksum: within the limit of a side. */
    unsigned char head[33] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R',
                              0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30, 8, 2, 0, 0, 0};
    uint32_t crc = 0xffffffffu;
    for (size_t i = 12; i < 29; i++) {
        crc ^= head[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1u ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    for (size_t i = 0; i < 4; i++)
        head[29 + i] = (unsigned char)(~crc >> (24 - 8 * i));
    unsigned char idat[12] = {0, 0, 0, 0, 'I', 'D', 'A', 'T', 0x35, 0xaf, 0x06, 0x1e};
    unsigned char file[45];
    memcpy(file, head, 33);
    memcpy(file + 33, idat, 12);
    scratch_write("h.png", file, sizeof file);
    assert_damaged("h.png");
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "2^28"));
}
END_TEST

/* --- other kinds of files ------------------------------------------------------------------- */

static const char *picture_path(const char *name)
{
    char path[100];
    snprintf(path, sizeof path, "tests/files/pictures/%s", name);
    return source_file(path);
}

/* 0 if this build does not read the kind, and says so. */
static int is_read(const char *name)
{
    if (hidi_image_readable(name) == HIDI_OK)
        return 1;
    hidi_image image;
    ck_assert_int_eq(hidi_image_read(&image, picture_path(name), 0, HIDI_NO_BACKGROUND, NULL),
                     HIDI_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "this build of hidi does not read"));
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), name));
    return 0;
}

static const char *const picture_files[] = {
    "444.jpg",    "422.jpg",   "420.jpg",      "progressive.jpg", "restart.jpg", "one.jpg",
    "grey.jpg",   "cmyk.jpg",  "turned.jpg",   "rgb.bmp",         "grey.bmp",    "palette.bmp",
    "lossy.webp", "alpha.webp", "lossless.webp", "rgb.tif",       "grey.tif",    "deflate.tif",
    "alpha.tif"};

/* As Pillow reads them, bit for bit (tests/files/pictures/generate.py). */
START_TEST(other_kinds_are_read_as_pillow_does)
{
    const char *name = picture_files[_i];
    hidi_image found, expected;
    char pixels[64];
    unsigned remarks = 99;
    if (!is_read(name))
        return;
    snprintf(pixels, sizeof pixels, "%s.png", name);
    ck_assert_int_eq(hidi_png_read(&expected, picture_path(pixels), 0), HIDI_OK);
    ck_assert_msg(hidi_image_read(&found, picture_path(name), expected.channels,
                                  HIDI_NO_BACKGROUND, &remarks) == HIDI_OK,
                  "%s", hidi_error_message());
    assert_same(&found, &expected);
    ck_assert_uint_eq(remarks, strcmp(name, "turned.jpg") == 0        ? HIDI_IMAGE_TURNED
                               : strncmp(name, "alpha.", 6) == 0 ? HIDI_IMAGE_TRANSPARENT
                                                                 : 0);
    hidi_image_free(&found);
    hidi_image_free(&expected);
}
END_TEST

static size_t picture_bytes(const char *name, unsigned char *out, size_t size)
{
    FILE *in = fopen(picture_path(name), "rb");
    ck_assert_ptr_nonnull(in);
    const size_t n = fread(out, 1, size, in);
    ck_assert(n < size);
    fclose(in);
    return n;
}

/* Wherever the file ends: an error with its name.  `spare`: last bytes that nothing is lost
 * with. */
static void assert_truncation_is_seen(const char *name, size_t spare)
{
    unsigned char bytes[8000];
    char copy[64];
    if (!is_read(name))
        return;
    const size_t n = picture_bytes(name, bytes, sizeof bytes);
    snprintf(copy, sizeof copy, "cut-%s", name);
    for (size_t cut = 0; cut + spare < n; cut++) {
        hidi_image image;
        scratch_write(copy, bytes, cut);
        ck_assert_msg(hidi_image_read(&image, scratch(copy), 0, HIDI_NO_BACKGROUND, NULL) ==
                          HIDI_BAD_FORMAT,
                      "%s cut at %zu of %zu: %s", name, cut, n, hidi_error_message());
        ck_assert_ptr_null(image.pixel);
        ck_assert_ptr_nonnull(strstr(hidi_error_message(), scratch(copy)));
    }
}

START_TEST(truncated_pictures_are_errors)
{
    assert_truncation_is_seen("grey.jpg", 0);
    assert_truncation_is_seen("progressive.jpg", 0);
    assert_truncation_is_seen("grey.bmp", 2); /* a row's padding, and Pillow's own */
    assert_truncation_is_seen("lossy.webp", 1);
    assert_truncation_is_seen("rgb.bmp", 3);
}
END_TEST

/* Bytes [n] at `at` of a file are changed; reading it fails with these words. */
static void assert_change_is_refused(const char *name, size_t at, const char *change, size_t n,
                                     hidi_status status, const char *text)
{
    unsigned char bytes[8000];
    hidi_image image;
    if (!is_read(name))
        return;
    const size_t size = picture_bytes(name, bytes, sizeof bytes);
    memcpy(bytes + at, change, n);
    scratch_write("changed", bytes, size);
    const hidi_status found =
        hidi_image_read(&image, scratch("changed"), 0, HIDI_NO_BACKGROUND, NULL);
    ck_assert_msg(found == status && strstr(hidi_error_message(), text) != NULL,
                  "%s at %zu: %s: '%s' lacks '%s'", name, at, hidi_status_name(found),
                  hidi_error_message(), text);
    ck_assert_ptr_null(image.pixel);
}

START_TEST(pictures_that_lie_are_refused)
{
    unsigned char bytes[8000];
    size_t sof = 0;
    const size_t n = picture_bytes("grey.jpg", bytes, sizeof bytes);
    while (sof + 1 < n && !(bytes[sof] == 0xff && bytes[sof + 1] == 0xc0))
        sof++;
    assert_change_is_refused("grey.jpg", sof + 5, "\xff\xdc\xff\xdc", 4, HIDI_BAD_FORMAT, "2^26");
    assert_change_is_refused("grey.jpg", sof + 4, "\x0c", 1, HIDI_BAD_FORMAT, "precision 12");
    assert_change_is_refused("rgb.bmp", 18, "\xff\xff\x00\x00\xff\xff", 6, HIDI_BAD_FORMAT,
                             "ends too early");
    assert_change_is_refused("rgb.bmp", 18, "\x00\x00\x00\x80", 4, HIDI_BAD_FORMAT, "no pixels");
    assert_change_is_refused("rgb.bmp", 22, "\x00\x00\x00\x80", 4, HIDI_BAD_FORMAT,
                             "ends too early");
    assert_change_is_refused("rgb.bmp", 30, "\x01", 1, HIDI_UNSUPPORTED, "compression 1");
    assert_change_is_refused("rgb.bmp", 10, "\xff\xff\xff\xff", 4, HIDI_BAD_FORMAT,
                             "ends too early");
    assert_change_is_refused("palette.bmp", 46, "\x02", 1, HIDI_BAD_FORMAT, "not in the palette");
    assert_change_is_refused("rgb.bmp", 0, "XX", 2, HIDI_BAD_FORMAT, "not a picture of a kind");
}
END_TEST

START_TEST(content_and_not_the_name_says_the_kind)
{
    unsigned char bytes[8000];
    hidi_image image;
    scratch_write("named.png", bytes, picture_bytes("rgb.bmp", bytes, sizeof bytes));
    ck_assert_int_eq(hidi_image_read(&image, scratch("named.png"), 3, HIDI_NO_BACKGROUND, NULL),
                     HIDI_OK);
    hidi_image_free(&image);
    ck_assert(hidi_image_named("a.JPG") && hidi_image_named("b.gif") && hidi_image_named("x.y.TiFF"));
    ck_assert(!hidi_image_named("jpg") && !hidi_image_named(".png") && !hidi_image_named("a.pn") &&
              !hidi_image_named("a.txt") && !hidi_image_named("a."));
    ck_assert_int_eq(hidi_image_readable("b.gif"), HIDI_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "b.gif: files of this kind are not read"));
    ck_assert_int_eq(hidi_image_read(&image, scratch("nosuch.jpg"), 0, HIDI_NO_BACKGROUND, NULL),
                     HIDI_BAD_FILE);
    ck_assert_int_eq(hidi_image_read(&image, scratch_folder("folder.png"), 0, HIDI_NO_BACKGROUND,
                                     NULL), HIDI_BAD_FILE);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "not a regular file"));
    ck_assert_int_eq(hidi_image_read(&image, scratch("named.png"), 2, HIDI_NO_BACKGROUND, NULL),
                     HIDI_BAD_ARGUMENT);
}
END_TEST

START_TEST(transparent_pixels_take_the_background)
{
    static const struct {
        const char *text;
        uint8_t pixel[6];
    } cases[] = {{"none", {255, 100, 10, 200, 50, 0}},
                 {"", {255, 100, 10, 200, 50, 0}},
                 {"0", {51, 20, 2, 0, 0, 0}},
                 {"255", {255, 224, 206, 255, 255, 255}},
                 {"#0080FF", {51, 122, 206, 0, 128, 255}}};
    hidi_image image;
    long background;
    write_kind("alpha.png", PNG_COLOR_TYPE_RGB_ALPHA, 8, 2,
               (const unsigned char[]){255, 100, 10, 51, 200, 50, 0, 0}, NULL, PNG_INTERLACE_NONE);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned remarks = 0;
        ck_assert_int_eq(hidi_background_parse(cases[i].text, &background), HIDI_OK);
        ck_assert_int_eq(hidi_image_read(&image, scratch("alpha.png"), 0, background, &remarks),
                         HIDI_OK);
        ck_assert_uint_eq(remarks, HIDI_IMAGE_TRANSPARENT);
        ck_assert_mem_eq(image.pixel, cases[i].pixel, 6);
        hidi_image_free(&image);
    }
    /* Grey on a colour becomes colour. */
    write_kind("alpha.png", PNG_COLOR_TYPE_GRAY_ALPHA, 8, 2, (const unsigned char[]){9, 255, 9, 0},
               NULL, PNG_INTERLACE_NONE);
    ck_assert_int_eq(hidi_image_read(&image, scratch("alpha.png"), 0, background, NULL), HIDI_OK);
    ck_assert_int_eq(image.channels, 3);
    ck_assert_mem_eq(image.pixel, ((const uint8_t[]){9, 9, 9, 0, 128, 255}), 6);
    hidi_image_free(&image);
    static const char *const bad[] = {"256", "-1", "#12345", "#1234567", "#00gg00", "white", "0x10",
                                      "1.5", " 7"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(hidi_background_parse(bad[i], &background), HIDI_BAD_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(hidi_error_message(), bad[i]));
    }
}
END_TEST

/* A picture [height, width] of one channel with these pixels, made a square. */
static void assert_square(size_t height, size_t width, const uint8_t *pixel, size_t side, bool crop,
                          long background, const uint8_t *expected)
{
    hidi_image image;
    ck_assert_int_eq(hidi_image_create(&image, width, height, 1, 0), HIDI_OK);
    memcpy(image.pixel, pixel, width * height);
    ck_assert_int_eq(hidi_image_square(&image, side, crop, background), HIDI_OK);
    ck_assert(image.width == side && image.height == side && image.channels == 1);
    ck_assert_mem_eq(image.pixel, expected, side * side);
    hidi_image_free(&image);
}

START_TEST(squares_are_means_over_areas)
{
    /* 2 x 5, and its middle 2 x 2; padded, rows 1 above and 2 below. */
    const uint8_t wide[10] = {10, 20, 30, 40, 50, 60, 70, 80, 90, 100};
    assert_square(2, 5, wide, 2, true, HIDI_NO_BACKGROUND, (const uint8_t[]){20, 30, 70, 80});
    assert_square(2, 5, wide, 1, true, HIDI_NO_BACKGROUND, (const uint8_t[]){50});
    assert_square(5, 2, wide, 2, true, HIDI_NO_BACKGROUND, (const uint8_t[]){30, 40, 50, 60});
    uint8_t padded[25];
    memset(padded, 7, sizeof padded);
    memcpy(padded + 5, wide, 10);
    assert_square(2, 5, wide, 5, false, 0x070707, padded);
    /* 3 to 2: a pixel covers one and a half; (2 a + b) / 3 in both directions */
    assert_square(3, 3, (const uint8_t[]){0, 90, 180, 0, 90, 180, 90, 90, 90}, 2, true,
                  HIDI_NO_BACKGROUND, (const uint8_t[]){30, 150, 70, 110});
    /* 1 x 3 padded to 3 x 3 and made 1: (3 + 6 + 9 + 6 * 255) / 9 */
    assert_square(1, 3, (const uint8_t[]){3, 6, 9}, 1, false, 0xffffff, (const uint8_t[]){172});
    /* 1 to 2 and 2 to 3: pixels repeat, and halves meet in the middle */
    assert_square(1, 1, (const uint8_t[]){99}, 2, true, HIDI_NO_BACKGROUND,
                  (const uint8_t[]){99, 99, 99, 99});
    assert_square(2, 2, (const uint8_t[]){0, 100, 200, 255}, 3, true, HIDI_NO_BACKGROUND,
                  (const uint8_t[]){0, 50, 100, 100, 139, 178, 200, 228, 255});
    hidi_image image;
    fill(&image, 6, 6, 3); /* of that size already: as it was */
    hidi_image same;
    fill(&same, 6, 6, 3);
    ck_assert_int_eq(hidi_image_square(&image, 6, true, HIDI_NO_BACKGROUND), HIDI_OK);
    assert_same(&image, &same);
    ck_assert_int_eq(hidi_image_square(&image, 0, true, HIDI_NO_BACKGROUND), HIDI_BAD_ARGUMENT);
    hidi_image_free(&image);
    hidi_image_free(&same);
}
END_TEST

START_TEST(bad_calls_are_errors)
{
    hidi_image image;
    const size_t big = SIZE_MAX / 2;
    ck_assert_int_eq(hidi_image_create(&image, 4, 4, 2, 0), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_image_create(&image, 0, 4, 1, 0), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_image_create(&image, big, big, 3, 0), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_png_read(&image, scratch("a.png"), 4), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_png_read(&image, scratch("nosuch.png"), 0), HIDI_BAD_FILE);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "nosuch.png"));
    ck_assert_int_eq(hidi_png_read(&image, scratch_folder("folder"), 0), HIDI_BAD_FILE);
    fill(&image, 2, 2, 1);
    ck_assert_int_eq(hidi_png_write(&image, scratch("nosuch/a.png")), HIDI_BAD_FILE);
    hidi_image_free(&image);
    ck_assert_ptr_null(image.pixel);
    hidi_image_free(&image);
}
END_TEST

/* --- pictures of samples -------------------------------------------------------------------- */

START_TEST(grid_puts_samples_row_by_row)
{
    enum { n = 5, C = 3, H = 2, W = 3, columns = 2, zoom = 3, gap = 2 };
    hidi_real x[n * C * H * W];
    hidi_image image;
    for (int i = 0; i < n * C * H * W; i++) /* bytes 0, 2, 4, ... exactly */
        x[i] = (hidi_real)(2 * i / 127.5 - 1.0);
    ck_assert_int_eq(hidi_image_grid(&image, x, n, C, H, W, columns, zoom), HIDI_OK);
    ck_assert_uint_eq(image.width, gap + columns * (W * zoom + gap));
    ck_assert_uint_eq(image.height, gap + 3 * (H * zoom + gap));
    ck_assert_int_eq(image.channels, 3);
    for (size_t i = 0; i < image.height; i++) {
        for (size_t j = 0; j < image.width; j++) {
            const size_t row = i / (H * zoom + gap), column = j / (W * zoom + gap);
            const size_t di = i % (H * zoom + gap), dj = j % (W * zoom + gap);
            const size_t sample = row * columns + column;
            for (size_t c = 0; c < C; c++) {
                const size_t row_in = (di - gap) / zoom, column_in = (dj - gap) / zoom;
                const size_t at = ((sample * C + c) * H + row_in) * W + column_in;
                const int expected = di < gap || dj < gap || sample >= n ? 255 : (int)(2 * at);
                ck_assert_int_eq(image.pixel[(i * image.width + j) * C + c], expected);
            }
        }
    }
    hidi_image_free(&image);
}
END_TEST

START_TEST(grid_clamps)
{
    const hidi_real x[8] = {-1, 1, 0, -3, 3, (hidi_real)INFINITY, (hidi_real)-INFINITY,
                            (hidi_real)NAN};
    const int expected[8] = {0, 255, 128, 0, 255, 255, 0, 0};
    hidi_image image;
    ck_assert_int_eq(hidi_image_grid(&image, x, 1, 1, 1, 8, 1, 1), HIDI_OK);
    ck_assert_uint_eq(image.width, 10);
    ck_assert_uint_eq(image.height, 3);
    for (size_t i = 0; i < 8; i++)
        ck_assert_int_eq(image.pixel[image.width + 1 + i], expected[i]);
    hidi_image_free(&image);
}
END_TEST

START_TEST(grid_refuses_what_it_cannot_show)
{
    const hidi_real x[4] = {0, 0, 0, 0};
    hidi_image image;
    ck_assert_int_eq(hidi_image_grid(&image, x, 1, 2, 1, 2, 1, 1), HIDI_BAD_SHAPE);
    ck_assert_int_eq(hidi_image_grid(&image, x, 0, 1, 2, 2, 1, 1), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_image_grid(&image, x, 1, 1, 2, 2, 0, 1), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_image_grid(&image, x, 1, 1, 2, 2, 1, 0), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_image_grid(&image, x, 1, 1, 2, 2, SIZE_MAX, 1), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_image_grid(&image, x, 1, 1, 2, 2, 1, SIZE_MAX), HIDI_BAD_ARGUMENT);
    ck_assert_ptr_null(image.pixel);
}
END_TEST

START_TEST(heat_is_red_over_grey)
{
    /* 2 x 4 picture, heat 1 x 2: no heat on the left half, full heat on the right. */
    const hidi_real x[8] = {-1, 1, -1, 1, 1, -1, 1, -1};
    const hidi_real heat[2] = {0, (hidi_real)0.01}, cold[2] = {-1, 0};
    hidi_image image;
    ck_assert_int_eq(hidi_image_heat(&image, x, 1, 2, 4, heat, 1, 2, 2), HIDI_OK);
    ck_assert_uint_eq(image.width, 8);
    ck_assert_uint_eq(image.height, 4);
    ck_assert_int_eq(image.channels, 3);
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 8; j++) {
            const uint8_t *p = image.pixel + (i * 8 + j) * 3;
            const int light = x[i / 2 * 4 + j / 2] > 0;
            ck_assert_int_eq(p[0], j < 4 ? 255 * light : light ? 255 : 204);
            ck_assert_int_eq(p[1], j < 4 ? 255 * light : light ? 51 : 0);
            ck_assert_int_eq(p[2], p[1]);
        }
    }
    hidi_image_free(&image);
    ck_assert_int_eq(hidi_image_heat(&image, x, 1, 2, 4, cold, 1, 2, 1), HIDI_OK);
    for (size_t i = 0; i < 8; i++)
        ck_assert_int_eq(image.pixel[3 * i], x[i] > 0 ? 255 : 0);
    hidi_image_free(&image);
    ck_assert_int_eq(hidi_image_heat(&image, x, 1, 2, 4, heat, 1, 3, 1), HIDI_BAD_SHAPE);
    ck_assert_int_eq(hidi_image_heat(&image, x, 1, 2, 4, heat, 0, 2, 1), HIDI_BAD_SHAPE);
    ck_assert_int_eq(hidi_image_heat(&image, x, 2, 2, 2, heat, 1, 2, 1), HIDI_BAD_SHAPE);
    ck_assert_int_eq(hidi_image_heat(&image, x, 1, 2, 4, heat, 1, 2, 0), HIDI_BAD_ARGUMENT);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("image");
    TCase *files = tcase_create("files"), *pictures = tcase_create("pictures");
    scratch_begin();
    tcase_add_test(files, what_is_written_is_read_back);
    tcase_add_test(files, encoding_makes_the_bytes_of_the_file);
    tcase_add_test(files, every_kind_of_png_is_read);
    tcase_add_test(files, truncated_files_are_errors_wherever_they_end);
    tcase_add_test(files, a_changed_bit_is_an_error_wherever_it_is);
    tcase_add_test(files, absurd_dimensions_are_refused);
    tcase_add_loop_test(files, other_kinds_are_read_as_pillow_does, 0,
                        sizeof picture_files / sizeof picture_files[0]);
    tcase_add_test(files, truncated_pictures_are_errors);
    tcase_add_test(files, pictures_that_lie_are_refused);
    tcase_add_test(files, content_and_not_the_name_says_the_kind);
    tcase_add_test(files, transparent_pixels_take_the_background);
    tcase_add_test(files, squares_are_means_over_areas);
    tcase_add_test(files, bad_calls_are_errors);
    tcase_add_test(pictures, grid_puts_samples_row_by_row);
    tcase_add_test(pictures, grid_clamps);
    tcase_add_test(pictures, grid_refuses_what_it_cannot_show);
    tcase_add_test(pictures, heat_is_red_over_grey);
    suite_add_tcase(suite, files);
    suite_add_tcase(suite, pictures);
    return run_suite(suite);
}
