/* latent_set.c - what hidi encode does with a folder of pictures, for any data set. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/latent_set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/processes.h"
#include "core/stop.h"
#include "io/number.h"
#include "io/safetensors.h"
#include "lab/classes.h"
#include "lab/pipeline.h"
#include "lab/run_stage.h"

enum { BATCH = 64 };

/* --- making the file -------------------------------------------------------------------------- */

typedef struct latent_set {
    const hidi_dataset *data;
    const hidi_autoencoder *net;
    hidi_tape *tape;
    size_t n, count;           /* latents; numbers of one                            */
    hidi_real *x, *moments;    /* [BATCH, C, H, W], [BATCH, 2 count]                 */
    uint16_t *mean, *logvar;   /* [n, count] halves                                  */
    int32_t *label;            /* [n]                                                */
} latent_set;

static hidi_status begin(latent_set *l)
{
    const hidi_dataset *data = l->data;
    const size_t f = hidi_autoencoder_factor(&l->net->config);
    const size_t pixels = data->channels * data->height * data->width;
    l->count = l->net->config.latent_channels * (data->height / f) * (data->width / f);
    l->tape = hidi_tape_create(l->net->params.backend);
    l->x = malloc(BATCH * pixels * sizeof *l->x);
    l->moments = malloc(BATCH * 2 * l->count * sizeof *l->moments);
    l->mean = calloc(l->n, l->count * sizeof *l->mean);
    l->logvar = calloc(l->n, l->count * sizeof *l->logvar);
    l->label = calloc(l->n, sizeof *l->label);
    return l->tape && l->x && l->moments && l->mean && l->logvar && l->label
               ? HIDI_OK
               : hidi_error(HIDI_NO_MEMORY, "no memory for %zu latents", l->n);
}

static void end(latent_set *l)
{
    hidi_tape_destroy(l->tape);
    free(l->x);
    free(l->moments);
    free(l->mean);
    free(l->logvar);
    free(l->label);
}

static hidi_status put(latent_set *l, size_t i, const hidi_real *moments)
{
    for (size_t k = 0; k < l->count; k++) {
        const double mean = (double)moments[k], logvar = (double)moments[l->count + k];
        if (!isfinite(mean) || !isfinite(logvar))
            return hidi_error(HIDI_NOT_FINITE, "the latent of image %zu is not finite", i);
        l->mean[i * l->count + k] = hidi_to_half(fmax(-65504, fmin(mean, 65504)));
        l->logvar[i * l->count + k] = hidi_to_half(fmax(-30, fmin(logvar, 20)));
    }
    return HIDI_OK;
}

static hidi_status encode(latent_set *l, FILE *out)
{
    const hidi_dataset *data = l->data;
    hidi_progress progress;
    hidi_progress_begin(&progress, out, "latents", 0, (long)l->n);
    for (size_t first = 0; first < l->n; first += BATCH) {
        const size_t some = l->n - first < BATCH ? l->n - first : BATCH;
        HIDI_TRY(hidi_processes_check_stop());
        hidi_dataset_range(data, HIDI_TRAIN, first, some, l->x, l->label + first);
        HIDI_TRY(hidi_autoencoder_moments(l->net, l->tape, l->x, some, data->height, data->width,
                                          l->moments));
        for (size_t i = 0; i < some; i++)
            HIDI_TRY(put(l, first + i, l->moments + i * 2 * l->count));
        hidi_progress_update(&progress, (long)(first + some), NULL);
    }
    hidi_progress_end(&progress, NULL);
    return HIDI_OK;
}

static hidi_status to_file(const latent_set *l, hidi_tensor_file *file)
{
    const size_t f = hidi_autoencoder_factor(&l->net->config);
    const size_t dim[] = {l->n, l->net->config.latent_channels, l->data->height / f,
                          l->data->width / f};
    char text[HIDI_NUMBER_TEXT];
    HIDI_TRY(hidi_tensor_file_add(file, "label", HIDI_I32, 1, dim, l->label));
    HIDI_TRY(hidi_tensor_file_add(file, "mean", HIDI_F16, 4, dim, l->mean));
    HIDI_TRY(hidi_tensor_file_add(file, "logvar", HIDI_F16, 4, dim, l->logvar));
    HIDI_TRY(hidi_tensor_file_add_meta(file, "format", "hidi-latents"));
    HIDI_TRY(hidi_tensor_file_add_meta(file, "hidi.split", "train"));
    hidi_print_double(text, sizeof text, "%.9g", l->net->config.scale);
    HIDI_TRY(hidi_tensor_file_add_meta(file, "hidi.scale", text));
    return hidi_classes_to_file(l->data, file);
}

static hidi_status make(const hidi_run_stage *stage, latent_set *l)
{
    hidi_tensor_file file;
    HIDI_TRY(begin(l));
    HIDI_TRY(encode(l, stage->session->progress));
    hidi_tensor_file_init(&file);
    const hidi_status status = to_file(l, &file);
    if (status == HIDI_OK)
        return hidi_stage_write(stage, &file, stage->file, NAN);
    hidi_tensor_file_free(&file);
    return status;
}

hidi_status hidi_make_latents(const hidi_session *session, const hidi_dataset *data,
                              const hidi_autoencoder *autoencoder, const char *dir,
                              hidi_dataset **latents)
{
    hidi_run_stage stage;
    hidi_tensor_file file;
    bool found;
    const uint64_t all = data->count[HIDI_TRAIN];
    latent_set l = {.data = data, .net = autoencoder,
                    .n = all > 0 ? (size_t)all : (size_t)session->settings.vae.images};
    *latents = NULL;
    HIDI_TRY(hidi_stage_begin(&stage, session, data, dir, HIDI_RUN_LATENTS));
    hidi_status status = hidi_stage_weights(&stage, "autoencoder", &autoencoder->params);
    if (status == HIDI_OK)
        status = hidi_stage_read(&stage, &file, &found);
    if (status == HIDI_OK && found)
        hidi_tensor_file_free(&file);
    else if (status == HIDI_OK)
        status = make(&stage, &l);
    end(&l);
    if (status == HIDI_OK)
        status = hidi_processes_agree(HIDI_OK); /* the first has written it */
    if (status == HIDI_OK)
        status = hidi_dataset_open_latents(latents, stage.file, 0,
                                           session->settings.data.latents == HIDI_LATENTS_DRAWN,
                                           (uint64_t)session->settings.run.seed);
    hidi_stage_end(&stage, status);
    return status;
}

/* --- reconstructions -------------------------------------------------------------------------- */

typedef struct reconstructions {
    const hidi_dataset *data;
    hidi_split split;
    const hidi_autoencoder *net;
    hidi_tape *tape;
    hidi_real *x, *moments; /* [BATCH, C, H, W], [BATCH, 2 z, h, w] */
    int32_t label[BATCH];
} reconstructions;

static hidi_status next(hidi_image_source *source, size_t most, hidi_image_batch *batch)
{
    reconstructions *r = source->state;
    const hidi_dataset *data = r->data;
    const uint64_t left = source->count - source->first;
    size_t n = most < BATCH ? most : BATCH;
    n = hidi_image_source_fit(source, data->height, data->width, left < n ? (size_t)left : n);
    batch->height = data->height;
    batch->width = data->width;
    HIDI_TRY(hidi_image_source_room(source, batch, n));
    hidi_dataset_range(data, r->split, source->first, n, r->x, r->label);
    HIDI_TRY(hidi_autoencoder_reconstruct(r->net, r->tape, r->x, n, data->height, data->width,
                                          r->moments, r->x));
    hidi_image_source_spread(r->x, n, data->height * data->width, data->channels, batch->images,
                             source->channels);
    batch->labels = r->label;
    return HIDI_OK;
}

static void close_source(hidi_image_source *source)
{
    reconstructions *r = source->state;
    hidi_tape_destroy(r->tape);
    free(r->x);
    free(r->moments);
    free(r);
}

hidi_status hidi_reconstructions(hidi_image_source *source, const hidi_dataset *data,
                                 hidi_split split, size_t count, const hidi_autoencoder *net)
{
    reconstructions *r = calloc(1, sizeof *r);
    const size_t pixels = data->channels * data->height * data->width;
    const size_t f = hidi_autoencoder_factor(&net->config);
    const size_t latent = net->config.latent_channels * (data->height / f) * (data->width / f);
    memset(source, 0, sizeof *source);
    if (r == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for reconstructions");
    *r = (reconstructions){.data = data, .split = split, .net = net,
                           .tape = hidi_tape_create(net->params.backend),
                           .x = malloc(BATCH * pixels * sizeof *r->x),
                           .moments = malloc(BATCH * 2 * latent * sizeof *r->moments)};
    *source = (hidi_image_source){.channels = data->channels, .height = data->height,
                                  .width = data->width, .count = count, .kind = "data set",
                                  .next = next, .close = close_source, .state = r};
    if (r->tape != NULL && r->x != NULL && r->moments != NULL)
        return HIDI_OK;
    hidi_image_source_close(source);
    return hidi_error(HIDI_NO_MEMORY, "no memory for reconstructions");
}
