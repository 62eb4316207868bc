/* picture_file.c - pictures of any kind: the first bytes of a file say which it is, whatever its
 * name; grey, colour and transparency; and squares of one size.
 *
 * A pixel c with opacity a in 0 .. 255 over a background b is (a c + (255 - a) b) / 255, rounded.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/picture_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MOST_PIXELS ((size_t)1 << 26)
#define MOST_BYTES ((size_t)1 << 28) /* of a file */

#ifdef HAVE_JPEG
#define JPEG hidi_jpeg_decode
#define JPEG_NAME ", JPEG"
#else
#define JPEG NULL
#define JPEG_NAME ""
#endif
#ifdef HAVE_WEBP
#define WEBP hidi_webp_decode
#define WEBP_NAME ", WebP"
#else
#define WEBP NULL
#define WEBP_NAME ""
#endif
#ifdef HAVE_TIFF
#define TIFF hidi_tiff_decode
#define TIFF_NAME ", TIFF"
#else
#define TIFF NULL
#define TIFF_NAME ""
#endif

/* --- kinds of files --------------------------------------------------------------------------- */

/* A kind of file that is known; decode NULL: this build does not read it, for lack of a library. */
typedef struct file_kind {
    const char *name, *package, *endings;
    hidi_picture_decoder *decode;
} file_kind;

enum { PNG_KIND, JPEG_KIND, WEBP_KIND, TIFF_KIND, BMP_KIND, OTHER_KIND };
static const file_kind kinds[] = {
    {"PNG", "libpng-dev", "png", NULL}, /* hidi_png_decode */
    {"JPEG", "libjpeg-dev", "jpg jpeg jpe jfif", JPEG},
    {"WebP", "libwebp-dev", "webp", WEBP},
    {"TIFF", "libtiff-dev", "tif tiff", TIFF},
    {"BMP", "", "bmp", hidi_bmp_decode},
    /* Known by name, so that they are not left out without a word. */
    {"", "", "gif ppm pgm pnm avif heic heif jp2 jxl", NULL}};

const char *hidi_image_kinds(void)
{
    return "PNG" JPEG_NAME WEBP_NAME TIFF_NAME ", BMP";
}

/* Is this one of the words of a list? */
static bool is_word(const char *list, const char *word)
{
    const size_t n = strlen(word);
    while (*list != '\0') {
        const size_t m = strcspn(list, " ");
        if (m == n && strncasecmp(list, word, n) == 0)
            return true;
        list += m + (list[m] == ' ');
    }
    return false;
}

/* By its ending; -1: not a picture. */
static int kind_of_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name || dot[-1] == '/')
        return -1;
    for (int kind = 0; kind <= OTHER_KIND; kind++)
        if (is_word(kinds[kind].endings, dot + 1))
            return kind;
    return -1;
}

bool hidi_image_named(const char *name)
{
    return kind_of_name(name) >= 0;
}

static hidi_status check_kind(int kind, const char *path)
{
    if (kind == PNG_KIND || kinds[kind].decode != NULL)
        return HIDI_OK;
    if (kind == OTHER_KIND)
        return hidi_error(HIDI_UNSUPPORTED, "%s: files of this kind are not read; convert it to PNG",
                          path);
    return hidi_error(HIDI_UNSUPPORTED,
                      "%s: this build of hidi does not read %s files: ./configure found no library "
                      "(on Debian, %s)", path, kinds[kind].name, kinds[kind].package);
}

hidi_status hidi_image_readable(const char *path)
{
    const int kind = kind_of_name(path);
    return kind < 0 ? hidi_error(HIDI_UNSUPPORTED, "%s: not a picture", path)
                    : check_kind(kind, path);
}

/* By its first bytes b [n]. */
static int kind_of_bytes(const uint8_t *b, size_t n)
{
    if (n >= 8 && memcmp(b, "\x89PNG\r\n\x1a\n", 8) == 0)
        return PNG_KIND;
    if (n >= 3 && memcmp(b, "\xff\xd8\xff", 3) == 0)
        return JPEG_KIND;
    if (n >= 12 && memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBP", 4) == 0)
        return WEBP_KIND;
    if (n >= 4 && (memcmp(b, "II*\0", 4) == 0 || memcmp(b, "MM\0*", 4) == 0))
        return TIFF_KIND;
    if (n >= 2 && memcmp(b, "BM", 2) == 0)
        return BMP_KIND;
    return -1;
}

/* --- reading ---------------------------------------------------------------------------------- */

hidi_status hidi_picture_room(hidi_picture *picture, const char *path, size_t width, size_t height,
                              int channels)
{
    if (width == 0 || height == 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: a picture of %zu x %zu pixels", path, height,
                          width);
    if (width > MOST_PIXELS / height)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %zu x %zu pixels are more than 2^26", path, height,
                          width);
    picture->pixel = malloc(width * height * (size_t)channels);
    if (picture->pixel == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    picture->width = width;
    picture->height = height;
    picture->channels = channels;
    return HIDI_OK;
}

/* All of a file of n bytes that is open at its beginning; the caller frees it. */
static hidi_status read_whole(FILE *in, const char *path, size_t n, uint8_t **bytes)
{
    if (n > MOST_BYTES)
        return hidi_error(HIDI_UNSUPPORTED, "%s: %zu bytes; pictures of up to %zu are read", path, n,
                          MOST_BYTES);
    *bytes = malloc(n);
    if (*bytes == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    if (fread(*bytes, 1, n, in) != n)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", path,
                          ferror(in) ? strerror(errno) : "it became shorter while it was read");
    return HIDI_OK;
}

static hidi_status decode_open(hidi_picture *picture, const char *path, FILE *in, size_t n)
{
    uint8_t head[12], *bytes = NULL;
    const size_t got = fread(head, 1, sizeof head, in);
    if (ferror(in))
        return hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    const int kind = kind_of_bytes(head, got);
    if (kind == PNG_KIND)
        return hidi_png_decode(picture, path);
    if (kind < 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: not a picture of a kind that is read (%s)", path,
                          hidi_image_kinds());
    HIDI_TRY(check_kind(kind, path));
    rewind(in);
    hidi_status status = read_whole(in, path, n, &bytes);
    if (status == HIDI_OK)
        status = kinds[kind].decode(picture, path, bytes, n);
    free(bytes);
    return status;
}

static hidi_status decode(hidi_picture *picture, const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode)) /* a pipe might never end */
        return hidi_error(HIDI_BAD_FILE, "%s: not a regular file", path);
    FILE *in = fopen(path, "rb");
    if (in == NULL)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    const hidi_status status = decode_open(picture, path, in, (size_t)about.st_size);
    fclose(in);
    return status;
}

hidi_status hidi_image_read(hidi_image *image, const char *path, int channels, long background,
                            unsigned *remarks)
{
    hidi_picture picture = {0};
    memset(image, 0, sizeof *image);
    if (channels != 0 && channels != 1 && channels != 3)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: a picture has 1 or 3 channels, expected %d", path,
                          channels);
    hidi_status status = decode(&picture, path);
    if (status == HIDI_OK)
        status = hidi_picture_convert(image, &picture, channels, background);
    if (status == HIDI_OK && remarks != NULL) {
        *remarks = picture.orientation > 1 ? HIDI_IMAGE_TURNED : 0;
        if (picture.channels % 2 == 0)
            for (size_t i = 1; i <= picture.width * picture.height; i++)
                if (picture.pixel[i * (size_t)picture.channels - 1] != 255) {
                    *remarks |= HIDI_IMAGE_TRANSPARENT;
                    break;
                }
    }
    free(picture.pixel);
    return status;
}

/* --- colours ---------------------------------------------------------------------------------- */

static uint8_t over(unsigned colour, unsigned opacity, unsigned background)
{
    return (uint8_t)((opacity * colour + (255u - opacity) * background + 127u) / 255u);
}

static bool is_grey(long colour)
{
    return colour >> 16 == (colour >> 8 & 255) && colour >> 16 == (colour & 255);
}

/* One pixel of 1 to 4 channels to grey or RGB. */
static void convert_pixel(const uint8_t *in, int in_channels, uint8_t *out, int out_channels,
                          long background)
{
    const int colours = in_channels >= 3 ? 3 : 1;
    unsigned rgb[3];
    for (int c = 0; c < 3; c++) {
        rgb[c] = in[c % colours];
        if (background >= 0 && in_channels > colours)
            rgb[c] = over(rgb[c], in[colours], (unsigned)(background >> (16 - 8 * c)) & 255u);
    }
    if (out_channels == 3)
        for (int c = 0; c < 3; c++)
            out[c] = (uint8_t)rgb[c];
    else /* Rec. 601 luma; of a grey pixel, itself */
        out[0] = (uint8_t)((299u * rgb[0] + 587u * rgb[1] + 114u * rgb[2] + 500u) / 1000u);
}

hidi_status hidi_picture_convert(hidi_image *image, const hidi_picture *picture, int channels,
                                 long background)
{
    const size_t from = (size_t)picture->channels;
    if (channels == 0)
        channels = from >= 3 || (from == 2 && background >= 0 && !is_grey(background)) ? 3 : 1;
    HIDI_TRY(hidi_image_create(image, picture->width, picture->height, channels, 0));
    image->deep_grey = picture->deep_grey;
    for (size_t i = 0; i < image->width * image->height; i++)
        convert_pixel(picture->pixel + i * from, (int)from, image->pixel + i * (size_t)channels,
                      channels, background);
    return HIDI_OK;
}

hidi_status hidi_background_parse(const char *text, long *background)
{
    unsigned red, green, blue;
    int end = 0;
    *background = HIDI_NO_BACKGROUND;
    if (text[0] == '\0' || strcmp(text, "none") == 0)
        return HIDI_OK;
    if (strlen(text) == 7 && strspn(text + 1, "0123456789abcdefABCDEF") == 6 &&
        sscanf(text, "#%2x%2x%2x", &red, &green, &blue) == 3) {
        *background = (long)(red << 16 | green << 8 | blue);
        return HIDI_OK;
    }
    if (strlen(text) <= 3 && strspn(text, "0123456789") == strlen(text) &&
        sscanf(text, "%u%n", &red, &end) == 1 && red <= 255) {
        *background = (long)(red << 16 | red << 8 | red);
        return HIDI_OK;
    }
    return hidi_error(HIDI_BAD_ARGUMENT,
                      "background '%s': expected none, a grey level from 0 to 255, or #rrggbb", text);
}

/* --- squares ---------------------------------------------------------------------------------- */

/* Pixel (i, j) of the square is the mean over the area that it covers of a window [side, side]
 * whose corner is at (top, left) of the picture; outside the picture the window has the
 * background. */
typedef struct window {
    const hidi_image *image;
    long top, left;
    size_t side;
    uint8_t background[3];
} window;

static const uint8_t *window_pixel(const window *w, size_t row, size_t column)
{
    const long i = (long)row + w->top, j = (long)column + w->left;
    const hidi_image *image = w->image;
    if (i < 0 || j < 0 || (size_t)i >= image->height || (size_t)j >= image->width)
        return w->background;
    return image->pixel + ((size_t)i * image->width + (size_t)j) * (size_t)image->channels;
}

/* The length of [k, k + 1] inside [low, high]. */
static double overlap(size_t k, double low, double high)
{
    const double from = (double)k > low ? (double)k : low;
    const double to = (double)(k + 1) < high ? (double)(k + 1) : high;
    return to > from ? to - from : 0;
}

/* sum [side, C] += weight * (integrals of a row of the window over the columns of the square) */
static void add_row(const window *w, size_t row, double weight, size_t side, double *sum)
{
    const size_t C = (size_t)w->image->channels;
    const double scale = (double)w->side / (double)side;
    for (size_t j = 0; j < side; j++) {
        const double low = (double)j * scale, high = (double)(j + 1) * scale;
        for (size_t k = (size_t)low; k < w->side && (double)k < high; k++) {
            const double part = weight * overlap(k, low, high);
            const uint8_t *pixel = window_pixel(w, row, k);
            for (size_t c = 0; c < C; c++)
                sum[j * C + c] += part * pixel[c];
        }
    }
}

static void area_means(const window *w, size_t side, double *sum, uint8_t *out)
{
    const size_t n = side * (size_t)w->image->channels;
    const double scale = (double)w->side / (double)side;
    for (size_t i = 0; i < side; i++) {
        const double low = (double)i * scale, high = (double)(i + 1) * scale;
        memset(sum, 0, n * sizeof *sum);
        for (size_t k = (size_t)low; k < w->side && (double)k < high; k++)
            add_row(w, k, overlap(k, low, high), side, sum);
        for (size_t j = 0; j < n; j++) {
            const double mean = sum[j] / (scale * scale);
            *out++ = (uint8_t)((mean < 255 ? mean : 255) + 0.5);
        }
    }
}

/* The part of the picture that becomes the square, or, padded, what it is a part of.  Where halves
 * do not come out even, the smaller one is above and to the left. */
static window window_of(const hidi_image *image, bool crop, long background)
{
    const long height = (long)image->height, width = (long)image->width;
    const long side = crop == (height < width) ? height : width;
    window w = {image, crop ? (height - side) / 2 : -((side - height) / 2),
                crop ? (width - side) / 2 : -((side - width) / 2), (size_t)side, {0, 0, 0}};
    for (int c = 0; background >= 0 && c < 3; c++)
        w.background[c] = (uint8_t)(background >> (16 - 8 * c) & 255);
    return w;
}

hidi_status hidi_image_square(hidi_image *image, size_t side, bool crop, long background)
{
    hidi_image square;
    const window w = window_of(image, crop, background);
    HIDI_TRY(hidi_image_create(&square, side, side, image->channels, 0));
    double *sum = malloc(side * (size_t)image->channels * sizeof *sum);
    if (sum == NULL) {
        hidi_image_free(&square);
        return hidi_error(HIDI_NO_MEMORY, "out of memory for a picture");
    }
    area_means(&w, side, sum, square.pixel);
    free(sum);
    hidi_image_free(image);
    *image = square;
    return HIDI_OK;
}
