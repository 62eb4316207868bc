/* decoding.c - latents are found in a file of tensors, divided by the scale, and decoded one at a
 * time, so that memory does not depend on how many there are where pictures are written as they
 * come: a folder, or an npz. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/decoding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/stop.h"
#include "io/atomic_file.h"
#include "io/image.h"
#include "io/npz.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"
#include "model/autoencoder.h"

typedef struct decoding {
    const hidi_session *session;
    hidi_tensor_file file;
    const hidi_file_tensor *latents; /* [N, z, h, w] */
    int32_t *label;                  /* [n]; NULL: the file has none */
    hidi_autoencoder *net;
    hidi_tape *tape;
    double scale;
    size_t n, z, h, w;               /* to be decoded; extents of a latent */
    size_t C, H, W;                  /* of an image */
    hidi_progress progress;
} decoding;

/* --- what is needed --------------------------------------------------------------------------- */

hidi_status hidi_open_autoencoder(const hidi_session *session, const char *path, const char *key,
                                  hidi_autoencoder_parts parts, hidi_autoencoder **autoencoder)
{
    hidi_tensor_file file;
    *autoencoder = NULL;
    HIDI_TRY(hidi_tensor_file_open(&file, path, key));
    const bool says_scale = hidi_tensor_file_meta(&file, "hidi.scale") != NULL;
    const hidi_status status =
        hidi_autoencoder_from_file(autoencoder, session->backend, &file, parts);
    hidi_tensor_file_free(&file);
    if (status == HIDI_OK && !says_scale && session->progress != NULL)
        fprintf(session->progress, "%s does not say its scaling factor: SD-VAE's, %g\n", path,
                HIDI_SD_SCALE);
    return status;
}

/* By one of these names, or the only one of rank 4. */
static const hidi_file_tensor *find_latents(const hidi_tensor_file *file)
{
    static const char *const names[] = {"mean", "images", "latents", "samples", "z", "arr_0"};
    const hidi_file_tensor *only = NULL;
    size_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const hidi_file_tensor *tensor = hidi_tensor_file_find(file, names[i]);
        if (tensor != NULL && tensor->rank == 4)
            return tensor;
    }
    for (size_t i = 0; i < file->n_tensors; i++)
        if (file->tensor[i].rank == 4 && n++ == 0)
            only = &file->tensor[i];
    return n == 1 ? only : NULL;
}

/* As many labels as latents, called labels or label. */
static hidi_status read_labels(decoding *d)
{
    const hidi_file_tensor *tensor = hidi_tensor_file_find(&d->file, "labels");
    if (tensor == NULL)
        tensor = hidi_tensor_file_find(&d->file, "label");
    if (tensor == NULL || tensor->rank != 1 || tensor->count != d->latents->dim[0])
        return HIDI_OK;
    d->label = malloc(tensor->count * sizeof *d->label);
    return d->label == NULL ? hidi_error(HIDI_NO_MEMORY, "out of memory for labels")
                            : hidi_error_prefix(hidi_file_tensor_int(tensor, d->label), "%s",
                                                d->file.path);
}

static hidi_status open_latents(decoding *d, const hidi_decode_request *request)
{
    char text[128];
    HIDI_TRY(hidi_tensor_file_open(&d->file, request->latents, NULL));
    d->latents = find_latents(&d->file);
    if (d->latents == NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s: no latents [N, z, h, w] (mean, images, latents, "
                                           "samples, z, arr_0, or the only tensor of rank 4)",
                          request->latents);
    const size_t *dim = d->latents->dim;
    d->z = dim[1], d->h = dim[2], d->w = dim[3];
    if (d->z != d->net->config.latent_channels || dim[0] < 1 || d->h < 1 || d->w < 1 ||
        d->h > 4096 || d->w > 4096)
        return hidi_error(HIDI_BAD_SHAPE, "%s: %s is %s, expected [N, %zu, h, w]", request->latents,
                          d->latents->name, hidi_file_tensor_text(d->latents, text, sizeof text),
                          d->net->config.latent_channels);
    d->n = request->count > 0 && (size_t)request->count < dim[0] ? (size_t)request->count : dim[0];
    const size_t factor = hidi_autoencoder_factor(&d->net->config);
    d->C = d->net->config.image_channels, d->H = factor * d->h, d->W = factor * d->w;
    const char *format = hidi_tensor_file_meta(&d->file, "format");
    const bool is_plain = format != NULL && strcmp(format, "hidi-latents") == 0;
    d->scale = request->scale > 0 ? request->scale : is_plain ? 1 : d->net->config.scale;
    return read_labels(d);
}

/* --- decoding --------------------------------------------------------------------------------- */

/* Image i into x [C, H, W]. */
static hidi_status decode_one(decoding *d, size_t i, hidi_real *x)
{
    const size_t n = d->z * d->h * d->w;
    HIDI_TRY(hidi_check_stop());
    hidi_real *z = malloc(n * sizeof *z);
    if (z == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for a latent");
    hidi_file_tensor_part(d->latents, i * n, n, z);
    for (size_t k = 0; k < n; k++)
        z[k] = (hidi_real)((double)z[k] / d->scale);
    hidi_tape_reset(d->tape);
    hidi_var *in = hidi_constant(d->tape, hidi_shape4(1, d->z, d->h, d->w), z);
    free(z);
    hidi_var *image = hidi_decode(d->tape, d->net, true, in);
    HIDI_TRY(hidi_tape_status(d->tape));
    HIDI_TRY(hidi_read(d->tape, image, x));
    for (size_t k = 0; k < d->C * d->H * d->W; k++)
        if (!isfinite(x[k]))
            return hidi_error(HIDI_NOT_FINITE, "%s: the image of latent %zu holds %g",
                              d->file.path, i, (double)x[k]);
    hidi_progress_update(&d->progress, (long)i + 1, NULL);
    return HIDI_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* x [C, H, W], which is rounded, as bytes [H, W, C]. */
static void to_bytes(const decoding *d, hidi_real *x, unsigned char *pixel)
{
    const size_t area = d->H * d->W;
    hidi_round_to_bytes(x, d->C * area);
    for (size_t p = 0; p < area; p++)
        for (size_t c = 0; c < d->C; c++)
            pixel[p * d->C + c] = (uint8_t)(((double)x[c * area + p] + 1) * 127.5 + 0.5);
}

static hidi_status write_folder(decoding *d, hidi_real *x)
{
    char path[HIDI_PATH], name[32];
    hidi_image image;
    HIDI_TRY(hidi_make_folder(d->session->out));
    HIDI_TRY(hidi_image_create(&image, d->W, d->H, (int)d->C, 0));
    hidi_status status = HIDI_OK;
    for (size_t i = 0; i < d->n && status == HIDI_OK; i++) {
        snprintf(name, sizeof name, "%06zu.png", i);
        status = decode_one(d, i, x);
        if (status != HIDI_OK)
            break;
        to_bytes(d, x, image.pixel);
        status = hidi_png_write(&image, hidi_path(path, sizeof path, d->session->out, name));
    }
    hidi_image_free(&image);
    return status;
}

typedef struct rows {
    decoding *d;
    hidi_real *x;
} rows;

static hidi_status fill_rows(void *context, size_t first, size_t n, unsigned char *out)
{
    const rows *r = context;
    decoding *d = r->d;
    for (size_t i = 0; i < n; i++) {
        HIDI_TRY(decode_one(d, first + i, r->x));
        to_bytes(d, r->x, out + i * d->C * d->H * d->W);
    }
    return HIDI_OK;
}

static hidi_status write_npz(decoding *d, hidi_real *x)
{
    const size_t dim[] = {d->n, d->H, d->W, d->C};
    rows r = {d, x};
    hidi_tensor_file labels;
    hidi_tensor_file_init(&labels);
    hidi_status status = HIDI_OK;
    if (d->label != NULL)
        status = hidi_tensor_file_add(&labels, "arr_1", HIDI_I32, 1, &d->n, d->label);
    if (status == HIDI_OK)
        status = hidi_npz_write_rows(d->session->out, "arr_0", HIDI_U8, 4, dim, fill_rows, &r,
                                     &labels);
    hidi_tensor_file_free(&labels);
    return status;
}

static hidi_status write_tensors(decoding *d, const hidi_real *all)
{
    const size_t dim[] = {d->n, d->C, d->H, d->W};
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    hidi_status status = hidi_tensor_file_add_real(&file, "images", 4, dim, all);
    if (status == HIDI_OK && d->label != NULL)
        status = hidi_tensor_file_add(&file, "labels", HIDI_I32, 1, &d->n, d->label);
    if (status == HIDI_OK)
        status = hidi_safetensors_write(&file, d->session->out);
    hidi_tensor_file_free(&file);
    return status;
}

static hidi_status write_grid(const decoding *d, const hidi_real *all, size_t columns)
{
    hidi_image image;
    HIDI_TRY(hidi_image_grid(&image, all, d->n, d->C, d->H, d->W, columns, 1));
    const hidi_status status = hidi_png_write(&image, d->session->out);
    hidi_image_free(&image);
    return status;
}

/* The forms that need all images at once. */
static hidi_status write_together(decoding *d, hidi_sample_form form, size_t columns)
{
    const size_t size = d->C * d->H * d->W;
    hidi_real *all = malloc(d->n * size * sizeof *all);
    hidi_status status = all == NULL ? hidi_error(HIDI_NO_MEMORY, "out of memory for %zu images; a "
                                                                  "folder takes them one by one",
                                                  d->n)
                                     : HIDI_OK;
    for (size_t i = 0; i < d->n && status == HIDI_OK; i++)
        status = decode_one(d, i, all + i * size);
    if (status == HIDI_OK)
        status = form == HIDI_SAMPLES_GRID ? write_grid(d, all, columns) : write_tensors(d, all);
    free(all);
    return status;
}

static hidi_status write_one_by_one(decoding *d, hidi_sample_form form)
{
    hidi_real *x = malloc(d->C * d->H * d->W * sizeof *x);
    if (x == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for an image");
    const hidi_status status = form == HIDI_SAMPLES_FOLDER ? write_folder(d, x) : write_npz(d, x);
    free(x);
    return status;
}

/* --- all of it -------------------------------------------------------------------------------- */

static hidi_status run(decoding *d, const hidi_decode_request *request)
{
    const hidi_session *session = d->session;
    hidi_sample_form form;
    HIDI_TRY(hidi_sample_form_of(session->out, &form));
    HIDI_TRY(hidi_open_autoencoder(session, request->autoencoder, request->key, HIDI_DECODER,
                                   &d->net));
    HIDI_TRY(open_latents(d, request));
    if (form != HIDI_SAMPLES_SAFETENSORS && d->C != 1 && d->C != 3)
        return hidi_error(HIDI_UNSUPPORTED, "images of %zu channels are no pictures: --out "
                                            "NAME.safetensors", d->C);
    d->tape = hidi_tape_create(session->backend);
    if (d->tape == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a tape");
    hidi_stop_flag();
    hidi_progress_begin(&d->progress, session->progress, "decode", 0, (long)d->n);
    HIDI_TRY(form == HIDI_SAMPLES_FOLDER || form == HIDI_SAMPLES_NPZ
                 ? write_one_by_one(d, form)
                 : write_together(d, form, (size_t)request->columns));
    hidi_progress_end(&d->progress, NULL);
    return HIDI_OK;
}

hidi_status hidi_decode_file(const hidi_session *session, const hidi_decode_request *request)
{
    decoding d = {.session = session};
    hidi_tensor_file_init(&d.file);
    const hidi_status status = run(&d, request);
    hidi_tape_destroy(d.tape);
    hidi_autoencoder_destroy(d.net);
    hidi_tensor_file_free(&d.file);
    free(d.label);
    return status;
}
