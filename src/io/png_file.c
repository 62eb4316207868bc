/* png_file.c - reading and writing PNG files with libpng.
 *
 * libpng reports an error by a call that must not return.  Ours keeps the reason and jumps back to
 * the one setjmp in reading or writing; everything that was allocated by then hangs on a structure
 * of the caller, outside the frame of the setjmp, so that nothing is lost or clobbered.
 */
#include "io/image.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stop.h"
#include "io/atomic_file.h"

typedef struct png_job {
    png_structp png;
    png_infop info;
    FILE *in;                             /* reading                                          */
    size_t offset;                        /* bytes read so far                                */
    png_uint_32 width, height;
    int deep_grey;                        /* 16 bits, grey and nothing else                   */
    int file_channels;                    /* 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha     */
    uint8_t *pixel;                       /* [height, width, file_channels], as libpng has it */
    png_bytep *row;
    const hidi_image *image;              /* writing                                          */
    unsigned char *data;
    size_t bytes, capacity;
    hidi_status status;                   /* of a failure, with its reason                    */
    char reason[160];
} png_job;

static void on_error(png_structp png, png_const_charp reason)
{
    png_job *job = png_get_error_ptr(png);
    snprintf(job->reason, sizeof job->reason, "%s", reason);
    png_longjmp(png, 1);
}

/* An error that is not the format's. */
static void fail(png_job *job, hidi_status status, const char *reason)
{
    job->status = status;
    png_error(job->png, reason);
}

static void on_warning(png_structp png, png_const_charp reason)
{
    (void)png;
    (void)reason;
}

static void read_bytes(png_structp png, png_bytep out, png_size_t bytes)
{
    png_job *job = png_get_io_ptr(png);
    errno = 0;
    const size_t got = fread(out, 1, bytes, job->in);
    job->offset += got;
    if (got == bytes)
        return;
    if (ferror(job->in))
        fail(job, HIDI_BAD_FILE, strerror(errno));
    png_error(png, "the file ends too early");
}

/* Asks libpng for 8 bits and 1 to 4 channels, whatever the file has. */
static void set_transforms(png_job *job)
{
    png_set_expand(job->png); /* palettes to RGB, few bits to 8, a transparent colour to alpha */
    png_set_strip_16(job->png);
    png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
    job->file_channels = png_get_channels(job->png, job->info);
}

/* All of the file into job->pixel; 0 on failure, with the reason.  The only frame that libpng's
 * errors jump to while reading. */
static int read_pixels(png_job *job)
{
    if (setjmp(png_jmpbuf(job->png)))
        return 0;
    png_set_read_fn(job->png, job, read_bytes);
    png_set_user_limits(job->png, 1 << 15, 1 << 15);
    png_read_info(job->png, job->info);
    job->width = png_get_image_width(job->png, job->info);
    job->height = png_get_image_height(job->png, job->info);
    if ((size_t)job->width > ((size_t)1 << 28) / job->height)
        png_error(job->png, "more than 2^28 pixels");
    job->deep_grey = png_get_bit_depth(job->png, job->info) == 16 &&
                     png_get_color_type(job->png, job->info) == PNG_COLOR_TYPE_GRAY;
    set_transforms(job);
    const size_t row_bytes = png_get_rowbytes(job->png, job->info);
    job->pixel = malloc(row_bytes * job->height);
    job->row = malloc(job->height * sizeof *job->row);
    if (job->pixel == NULL || job->row == NULL)
        fail(job, HIDI_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < job->height; i++)
        job->row[i] = job->pixel + i * row_bytes;
    png_read_image(job->png, job->row);
    png_read_end(job->png, NULL);
    return 1;
}

/* One pixel of 1 to 4 channels to grey or RGB. */
static void convert_pixel(const uint8_t *in, int in_channels, uint8_t *out, int out_channels)
{
    const int colours = in_channels >= 3 ? 3 : 1;
    const unsigned r = in[0], g = in[1 % colours], b = in[2 % colours];
    if (out_channels == 3) {
        out[0] = (uint8_t)r;
        out[1] = (uint8_t)g;
        out[2] = (uint8_t)b;
    } else { /* Rec. 601 luma; of a grey pixel, itself */
        out[0] = (uint8_t)((299u * r + 587u * g + 114u * b + 500u) / 1000u);
    }
}

static hidi_status convert(hidi_image *image, const png_job *job, int channels)
{
    if (channels == 0)
        channels = job->file_channels >= 3 ? 3 : 1;
    HIDI_TRY(hidi_image_create(image, job->width, job->height, channels, 0));
    image->deep_grey = job->deep_grey;
    for (size_t i = 0; i < image->width * image->height; i++)
        convert_pixel(job->pixel + i * (size_t)job->file_channels, job->file_channels,
                      image->pixel + i * (size_t)channels, channels);
    return HIDI_OK;
}

hidi_status hidi_png_read(hidi_image *image, const char *path, int channels)
{
    memset(image, 0, sizeof *image);
    if (channels != 0 && channels != 1 && channels != 3)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: a picture has 1 or 3 channels, expected %d", path,
                          channels);
    png_job job = {0};
    job.status = HIDI_BAD_FORMAT;
    job.in = fopen(path, "rb");
    if (job.in == NULL)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    hidi_status status = HIDI_OK;
    job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    if (job.png != NULL)
        job.info = png_create_info_struct(job.png);
    if (job.info == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "%s: libpng cannot be started", path);
    else if (read_pixels(&job))
        status = convert(image, &job, channels);
    else
        status = hidi_error(job.status, "%s: not a readable PNG file: %s (at byte %zu)", path,
                            job.reason, job.offset);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    free(job.pixel);
    free(job.row);
    fclose(job.in);
    return status;
}

/* --- writing -------------------------------------------------------------------------------- */

static void append_bytes(png_structp png, png_bytep in, png_size_t bytes)
{
    png_job *job = png_get_io_ptr(png);
    if (bytes > job->capacity - job->bytes) {
        const size_t capacity = 2 * job->capacity + bytes;
        unsigned char *data = realloc(job->data, capacity);
        if (data == NULL)
            fail(job, HIDI_NO_MEMORY, "out of memory");
        job->data = data;
        job->capacity = capacity;
    }
    memcpy(job->data + job->bytes, in, bytes);
    job->bytes += bytes;
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

/* The only frame that libpng's errors jump to while writing. */
static int write_pixels(png_job *job)
{
    const hidi_image *image = job->image;
    if (setjmp(png_jmpbuf(job->png)))
        return 0;
    png_set_write_fn(job->png, job, append_bytes, flush_nothing);
    png_set_IHDR(job->png, job->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(job->png, job->info);
    for (size_t i = 0; i < image->height; i++) {
        if (hidi_check_stop() != HIDI_OK)
            fail(job, HIDI_INTERRUPTED, hidi_error_message());
        png_write_row(job->png, image->pixel + i * image->width * (size_t)image->channels);
    }
    png_write_end(job->png, NULL);
    return 1;
}

hidi_status hidi_png_encode(const hidi_image *image, unsigned char **data, size_t *bytes)
{
    *data = NULL;
    *bytes = 0;
    if (image->width > PNG_UINT_31_MAX || image->height > PNG_UINT_31_MAX)
        return hidi_error(HIDI_BAD_ARGUMENT, "a picture of %zu x %zu is too large for a PNG file",
                          image->width, image->height);
    png_job job = {0};
    job.image = image;
    job.status = HIDI_BAD_ARGUMENT;
    job.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    if (job.png != NULL)
        job.info = png_create_info_struct(job.png);
    hidi_status status = HIDI_OK;
    if (job.info == NULL) {
        status = hidi_error(HIDI_NO_MEMORY, "libpng cannot be started");
    } else if (write_pixels(&job)) {
        *data = job.data;
        *bytes = job.bytes;
        job.data = NULL;
    } else {
        status = hidi_error(job.status, "a PNG file cannot be made: %s", job.reason);
    }
    png_destroy_write_struct(&job.png, &job.info);
    free(job.data);
    return status;
}

hidi_status hidi_png_write(const hidi_image *image, const char *path)
{
    unsigned char *data = NULL;
    size_t bytes = 0;
    hidi_atomic_file file;
    hidi_status status = hidi_png_encode(image, &data, &bytes);
    if (status != HIDI_OK)
        return hidi_error_prefix(status, "%s", path);
    status = hidi_atomic_open(&file, path);
    if (status == HIDI_OK) {
        errno = 0;
        if (fwrite(data, 1, bytes, file.out) == bytes) {
            status = hidi_atomic_commit(&file);
        } else {
            status = hidi_error(HIDI_BAD_FILE, "%s: cannot write it: %s", path, strerror(errno));
            hidi_atomic_abandon(&file);
        }
    }
    free(data);
    return status;
}
