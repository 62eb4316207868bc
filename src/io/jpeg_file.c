/* jpeg_file.c - reading JPEG files with libjpeg, with its own defaults: the exact inverse DCT in
 * integers and smooth upsampling of chroma, which is how Pillow has it, bit for bit.
 *
 * CMYK is what Adobe writes, inverted ink, and becomes RGB as in Pillow's convert("RGB"): with
 * k' the inverted black, red is k' - (255 - c') k' / 255, where c' is the inverted cyan.
 *
 * libjpeg reports an error by a call that must not return; ours jumps back to the one setjmp, and
 * everything that was allocated hangs on a structure of the caller, outside its frame.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/picture_file.h"

#ifdef HAVE_JPEG
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum { MOST_SCANS = 500 }; /* of a progressive file: each may go over all pixels */

typedef struct jpeg_job {
    struct jpeg_decompress_struct decoder;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    const char *path;
    hidi_picture *picture;
    uint8_t *row;       /* [width, 4] of a CMYK picture                            */
    hidi_status status; /* of a failure that is not in libjpeg, with its message; */
    char reason[JMSG_LENGTH_MAX]; /* else libjpeg's reason                         */
} jpeg_job;

static void on_error(j_common_ptr info)
{
    jpeg_job *job = info->client_data;
    info->err->format_message(info, job->reason);
    longjmp(job->back, 1);
}

/* A warning means that data are missing or damaged, and libjpeg goes on with grey.  Three do not:
 * bytes between segments and unknown versions of headers lose nothing. */
static void on_message(j_common_ptr info, int level)
{
    const int code = info->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_JFIF_MAJOR &&
        code != JWRN_ADOBE_XFORM)
        on_error(info);
}

static void on_progress(j_common_ptr info)
{
    jpeg_job *job = info->client_data;
    if (job->decoder.input_scan_number > MOST_SCANS) {
        snprintf(job->reason, sizeof job->reason, "more than %d scans", MOST_SCANS);
        longjmp(job->back, 1);
    }
}

/* A 16 or 32-bit number of an EXIF block in its byte order. */
static unsigned long exif_number(const uint8_t *b, int bytes, bool big)
{
    unsigned long value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | b[big ? i : bytes - 1 - i];
    return value;
}

/* The entry 0x0112 of the first directory of an APP1 segment b [n]; 0: there is none. */
static int exif_orientation(const uint8_t *b, size_t n)
{
    if (n < 14 || memcmp(b, "Exif\0", 6) != 0)
        return 0;
    b += 6;
    n -= 6;
    const bool big = b[0] == 'M';
    const unsigned long at = exif_number(b + 4, 4, big);
    if (at > n - 2)
        return 0;
    const size_t entries = (size_t)exif_number(b + at, 2, big);
    for (size_t i = 0; i < entries && at + 2 + 12 * (i + 1) <= n; i++) {
        const uint8_t *entry = b + at + 2 + 12 * i;
        if (exif_number(entry, 2, big) == 0x0112)
            return (int)exif_number(entry + 8, 2, big);
    }
    return 0;
}

static uint8_t ink_to_light(unsigned ink, unsigned light)
{
    const unsigned t = ink * light + 128u;
    const unsigned dimmed = ((t >> 8) + t) >> 8; /* ink light / 255, rounded */
    return (uint8_t)(light > dimmed ? light - dimmed : 0);
}

/* Pixels [n, 4] as the file has them to RGB. */
static void from_cmyk(const uint8_t *in, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            out[3 * i + c] = ink_to_light(255u - in[4 * i + c], in[4 * i + 3]);
}

/* The form that pixels are wanted in; 0 channels: none that is known. */
static int choose_colours(struct jpeg_decompress_struct *decoder)
{
    switch (decoder->jpeg_color_space) {
    case JCS_GRAYSCALE:
        decoder->out_color_space = JCS_GRAYSCALE;
        return 1;
    case JCS_RGB:
    case JCS_YCbCr:
        decoder->out_color_space = JCS_RGB;
        return 3;
    case JCS_CMYK:
    case JCS_YCCK:
        decoder->out_color_space = JCS_CMYK;
        return 4;
    default:
        return 0;
    }
}

static hidi_status make_room(jpeg_job *job)
{
    const struct jpeg_decompress_struct *decoder = &job->decoder;
    const int channels = choose_colours(&job->decoder);
    if (channels == 0)
        return hidi_error(HIDI_UNSUPPORTED, "%s: a JPEG file of %d components", job->path,
                          decoder->num_components);
    HIDI_TRY(hidi_picture_room(job->picture, job->path, decoder->image_width,
                               decoder->image_height, channels == 1 ? 1 : 3));
    job->row = malloc(4 * (size_t)decoder->image_width);
    if (job->row == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", job->path);
    return HIDI_OK;
}

/* 0 on failure.  The only frame that libjpeg's errors jump to. */
static int read_pixels(jpeg_job *job, const uint8_t *bytes, size_t n)
{
    struct jpeg_decompress_struct *decoder = &job->decoder;
    if (setjmp(job->back))
        return 0;
    jpeg_create_decompress(decoder);
    decoder->progress = &job->progress;
    decoder->mem->max_memory_to_use = 1L << 30;
    jpeg_mem_src(decoder, bytes, (unsigned long)n);
    jpeg_save_markers(decoder, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(decoder, TRUE);
    job->status = make_room(job);
    if (job->status != HIDI_OK)
        return 0;
    for (jpeg_saved_marker_ptr m = decoder->marker_list; m != NULL; m = m->next)
        if (job->picture->orientation == 0)
            job->picture->orientation = exif_orientation(m->data, m->data_length);
    jpeg_start_decompress(decoder);
    while (decoder->output_scanline < decoder->output_height) {
        uint8_t *out = job->picture->pixel + (size_t)decoder->output_scanline *
                           job->picture->width * (size_t)job->picture->channels;
        JSAMPROW row = decoder->out_color_space == JCS_CMYK ? job->row : out;
        jpeg_read_scanlines(decoder, &row, 1);
        if (row != out)
            from_cmyk(row, out, job->picture->width);
    }
    jpeg_finish_decompress(decoder);
    return 1;
}

hidi_status hidi_jpeg_decode(hidi_picture *picture, const char *path, const uint8_t *bytes,
                             size_t n)
{
    jpeg_job job;
    memset(&job, 0, sizeof job);
    job.path = path;
    job.picture = picture;
    job.decoder.err = jpeg_std_error(&job.errors);
    job.decoder.client_data = &job;
    job.errors.error_exit = on_error;
    job.errors.emit_message = on_message;
    job.progress.progress_monitor = on_progress;
    hidi_status status = HIDI_OK;
    if (!read_pixels(&job, bytes, n))
        status = job.status != HIDI_OK
                     ? job.status
                     : hidi_error(HIDI_BAD_FORMAT, "%s: not a readable JPEG file: %s", path,
                                  job.reason);
    jpeg_destroy_decompress(&job.decoder);
    free(job.row);
    return status;
}
#endif
