/* tiff_file.c - reading the first page of TIFF files with libtiff: 8-bit grey and RGB, in strips.
 *
 * Other forms (tiles, planes, palettes, 16 bits, YCbCr, turned pages) are refused by name instead
 * of being guessed at.  The reason of an error is kept with each file, so that threads do not meet.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/picture_file.h"

#ifdef HAVE_TIFF
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tiffio.h>

typedef struct tiff_job {
    const uint8_t *bytes;
    size_t n, at;
    char reason[200];
} tiff_job;

/* The file is in memory: what libtiff calls in place of read, lseek, close and fstat. */
static tmsize_t read_bytes(thandle_t handle, void *out, tmsize_t n)
{
    tiff_job *job = handle;
    const size_t left = job->at < job->n ? job->n - job->at : 0;
    const size_t take = n > 0 ? ((size_t)n < left ? (size_t)n : left) : 0;
    memcpy(out, job->bytes + (take > 0 ? job->at : 0), take);
    job->at += take;
    return (tmsize_t)take;
}

static tmsize_t write_nothing(thandle_t handle, void *in, tmsize_t n)
{
    (void)handle, (void)in, (void)n;
    return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int from)
{
    tiff_job *job = handle;
    const toff_t base = from == SEEK_CUR ? job->at : from == SEEK_END ? job->n : 0;
    job->at = (size_t)(base + offset);
    return job->at;
}

static int close_nothing(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size(thandle_t handle)
{
    return ((tiff_job *)handle)->n;
}

static int on_error(TIFF *tiff, void *data, const char *module, const char *format, va_list args)
{
    tiff_job *job = data;
    (void)tiff, (void)module;
    if (job->reason[0] == '\0')
        vsnprintf(job->reason, sizeof job->reason, format, args);
    return 1; /* nothing is printed */
}

static int on_warning(TIFF *tiff, void *data, const char *module, const char *format, va_list args)
{
    (void)tiff, (void)data, (void)module, (void)format, (void)args;
    return 1;
}

/* What is said of pixels; a tag that is missing has its default. */
typedef struct form {
    uint32_t width, height;
    uint16_t bits, samples, planar, photometric, orientation, kind, alpha;
} form;

static form read_form(TIFF *tiff)
{
    form f = {0};
    uint16_t extras = 0, *extra = NULL;
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &f.width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &f.height);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &f.photometric);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &f.bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &f.samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &f.planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &f.orientation);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &f.kind);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extras, &extra);
    f.alpha = extras == 1 && extra != NULL ? extra[0] : EXTRASAMPLE_UNSPECIFIED;
    return f;
}

static bool is_supported(TIFF *tiff, const form *f)
{
    const bool grey = f->photometric == PHOTOMETRIC_MINISBLACK ||
                      f->photometric == PHOTOMETRIC_MINISWHITE;
    const int colours = grey ? 1 : 3;
    const bool alpha = f->samples == colours + 1 && f->alpha == EXTRASAMPLE_UNASSALPHA;
    return f->bits == 8 && f->kind == SAMPLEFORMAT_UINT && f->orientation == ORIENTATION_TOPLEFT &&
           (grey || f->photometric == PHOTOMETRIC_RGB) && (f->samples == colours || alpha) &&
           (f->planar == PLANARCONFIG_CONTIG || f->samples == 1) && !TIFFIsTiled(tiff);
}

static hidi_status tiff_error(const tiff_job *job, const char *path)
{
    return hidi_error(HIDI_BAD_FORMAT, "%s: not a readable TIFF file: %s", path,
                      job->reason[0] != '\0' ? job->reason : "damaged data");
}

static hidi_status read_pixels(hidi_picture *picture, const char *path, TIFF *tiff, tiff_job *job)
{
    const form f = read_form(tiff);
    if (!is_supported(tiff, &f))
        return hidi_error(HIDI_UNSUPPORTED,
                          "%s: a TIFF file of %u x %u bits, photometric %u, orientation %u%s; read "
                          "are 8-bit grey and RGB in strips, upright", path, f.samples, f.bits,
                          f.photometric, f.orientation, TIFFIsTiled(tiff) ? ", in tiles" : "");
    HIDI_TRY(hidi_picture_room(picture, path, f.width, f.height, f.samples));
    const size_t row = picture->width * f.samples;
    if (TIFFScanlineSize(tiff) != (tmsize_t)row)
        return tiff_error(job, path);
    for (uint32_t i = 0; i < f.height; i++)
        if (TIFFReadScanline(tiff, picture->pixel + i * row, i, 0) < 0)
            return tiff_error(job, path);
    for (size_t k = 0; f.photometric == PHOTOMETRIC_MINISWHITE && k < picture->height * row;
         k += f.samples)
        picture->pixel[k] = (uint8_t)(255 - picture->pixel[k]);
    return HIDI_OK;
}

hidi_status hidi_tiff_decode(hidi_picture *picture, const char *path, const uint8_t *bytes,
                             size_t n)
{
    tiff_job job = {.bytes = bytes, .n = n};
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &job);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, &job);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)1 << 29);
    TIFF *tiff = TIFFClientOpenExt(path, "rm", &job, read_bytes, write_nothing, seek, close_nothing,
                                   size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    if (tiff == NULL)
        return tiff_error(&job, path);
    const hidi_status status = read_pixels(picture, path, tiff, &job);
    TIFFClose(tiff);
    return status;
}
#endif
