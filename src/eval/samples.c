/* samples.c - sample number i is a function of the network, the seed and i: its noise is draw i of
 * the seed, its class i modulo the number of classes.  The network sees sampler.batch of them at a
 * time; what a reader does not take at once waits for its next call. */
#include "eval/samples.h"

#include <stdlib.h>
#include <string.h>

#include "io/image.h"
#include "model/caption.h"

typedef struct samples_state {
    hidi_samples samples;
    int32_t label;     /* the class of all, if samples.label points here */
    hidi_tape *tape;
    hidi_real *x;      /* [room, C of the network, H, W] the latest: a batch, or some */
    hidi_real *image;  /* [room, C, H, W] their images: x, or what the decoder makes of it */
    size_t C, side;    /* of images */
    int32_t *y;        /* [room] */
    size_t drawn, given; /* images in it, and how many of them are given out */
} samples_state;

/* Images of the n that are drawn, a batch at a time, as one process would decode them. */
static hidi_status decode(const samples_state *state, size_t n)
{
    const hidi_samples *s = &state->samples;
    const size_t size = s->net->config.image_size, batch = s->sampler.batch;
    const size_t n_in = s->net->config.channels * size * size;
    const size_t n_out = state->C * state->side * state->side;
    for (size_t i = 0; s->decoder != NULL && i < n; i += batch)
        HIDI_TRY(hidi_autoencoder_images(s->decoder, state->tape, state->x + i * n_in,
                                         n - i < batch ? n - i : batch, size, size,
                                         state->image + i * n_out));
    return HIDI_OK;
}

/* The batch that begins with the next image to be given, or that and the next ones, if processes
 * share them out. */
static hidi_status draw_batch(hidi_image_source *source, samples_state *state)
{
    const hidi_samples *s = &state->samples;
    const size_t n =
        hidi_sample_at_once(&s->sampler, s->net, (size_t)(source->count - source->first));
    hidi_sample_inputs(s->seed, &s->net->config, (size_t)source->first, n, state->x, state->y);
    for (size_t i = 0; s->captions != NULL && i < n; i++)
        state->y[i] = hidi_captions_asked(s->captions, source->first + i);
    for (size_t i = 0; s->label != NULL && i < n; i++)
        state->y[i] = *s->label;
    const hidi_condition y = {.number = state->y, .captions = s->captions};
    hidi_sampler sampler = s->sampler;
    sampler.seed = s->seed;
    sampler.first = source->first;
    const double started = hidi_seconds();
    HIDI_TRY(hidi_sample(&sampler, s->net, state->tape, state->x, &y, n, NULL));
    HIDI_TRY(decode(state, n));
    source->seconds += hidi_seconds() - started;
    for (size_t i = 0; s->captions != NULL && s->captions->class_of != NULL && i < n; i++)
        state->y[i] = s->captions->class_of[state->y[i]];
    state->drawn = n;
    state->given = 0;
    return HIDI_OK;
}

static hidi_status samples_next(hidi_image_source *source, size_t most, hidi_image_batch *batch)
{
    samples_state *state = source->state;
    const size_t pixels = state->side * state->side;
    if (state->given == state->drawn)
        HIDI_TRY(draw_batch(source, state));
    const size_t drawn = state->drawn - state->given, size = state->samples.sampler.batch;
    const size_t in_batch = size - state->given % size, left = drawn < in_batch ? drawn : in_batch;
    const size_t n = hidi_image_source_fit(source, state->side, state->side,
                                           left < most ? left : most);
    batch->height = batch->width = state->side;
    HIDI_TRY(hidi_image_source_room(source, batch, n));
    hidi_image_source_spread(state->image + state->given * state->C * pixels, n, pixels,
                             state->C, batch->images, source->channels);
    if (state->samples.eight_bits)
        hidi_round_to_bytes(batch->images, n * source->channels * pixels);
    batch->labels = state->y + state->given;
    state->given += n;
    return HIDI_OK;
}

static void samples_close(hidi_image_source *source)
{
    samples_state *state = source->state;
    hidi_tape_destroy(state->tape);
    if (state->image != state->x)
        free(state->image);
    free(state->x);
    free(state->y);
    free(state);
}

static hidi_status check(const hidi_samples *s)
{
    const hidi_dit_config *c = &s->net->config;
    const size_t C = s->decoder != NULL ? s->decoder->config.image_channels : c->channels;
    if (s->decoder != NULL && s->decoder->config.latent_channels != c->channels)
        return hidi_error(HIDI_BAD_SHAPE, "makes latents of %zu channels, but the decoder is for %zu",
                          c->channels, s->decoder->config.latent_channels);
    if (s->channels != 0 && s->channels != C && C != 1)
        return hidi_error(HIDI_BAD_SHAPE, "makes images of %zu channels, expected %zu", C,
                          s->channels);
    if ((c->caption_length > 0) != (s->captions != NULL))
        return hidi_error(HIDI_BAD_ARGUMENT, "%s captions", s->captions ? "takes no" : "needs");
    if (s->captions != NULL)
        HIDI_TRY(hidi_caption_check(c, &(hidi_condition){.captions = s->captions}, 0));
    const size_t most = s->captions != NULL ? s->captions->n : c->n_classes;
    if (s->label != NULL && (*s->label < 0 || (size_t)*s->label >= most))
        return hidi_error(HIDI_BAD_ARGUMENT, "class %ld: there are classes 0 to %zu",
                          (long)*s->label, c->n_classes - 1);
    if (s->sampler.batch < 1)
        return hidi_error(HIDI_BAD_ARGUMENT, "sampling needs a batch of at least 1");
    return HIDI_OK;
}

hidi_status hidi_image_source_samples(hidi_image_source *source, const hidi_samples *samples)
{
    const hidi_dit_config *c = &samples->net->config;
    memset(source, 0, sizeof *source);
    HIDI_TRY(check(samples));
    const size_t count = samples->count ? samples->count : 1;
    const size_t room = hidi_sample_at_once(&samples->sampler, samples->net, count);
    const size_t pixels = c->channels * c->image_size * c->image_size;
    samples_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for %zu samples", room);
    const hidi_autoencoder *decoder = samples->decoder;
    state->C = decoder != NULL ? decoder->config.image_channels : c->channels;
    state->side = decoder != NULL ? c->image_size * hidi_autoencoder_factor(&decoder->config)
                                  : c->image_size;
    *source = (hidi_image_source){.channels = samples->channels ? samples->channels : state->C,
                                  .height = state->side,
                                  .width = state->side,
                                  .count = samples->count,
                                  .kind = "model",
                                  .evaluations = hidi_sampler_evaluations(&samples->sampler),
                                  .next = samples_next,
                                  .close = samples_close,
                                  .state = state};
    state->samples = *samples;
    if (samples->label != NULL) {
        state->label = *samples->label;
        state->samples.label = &state->label;
    }
    state->tape = hidi_tape_create(samples->net->params.backend);
    state->y = malloc(room * sizeof *state->y);
    if (room <= SIZE_MAX / sizeof *state->x / pixels)
        state->x = malloc(room * pixels * sizeof *state->x);
    state->image = decoder == NULL ? state->x
                                   : calloc(room, state->C * state->side * state->side *
                                                       sizeof *state->image);
    if (state->tape != NULL && state->y != NULL && state->x != NULL && state->image != NULL)
        return HIDI_OK;
    hidi_image_source_close(source);
    return hidi_error(HIDI_NO_MEMORY, "no memory for %zu samples", room);
}

hidi_status hidi_samples_draw(const hidi_samples *samples, hidi_progress *progress,
                              hidi_real **images, int32_t **labels)
{
    hidi_image_source source;
    *images = NULL;
    if (labels != NULL)
        *labels = NULL;
    HIDI_TRY(hidi_image_source_samples(&source, samples));
    hidi_status status = hidi_image_source_all(&source, progress, images, labels);
    hidi_image_source_close(&source);
    return status;
}
