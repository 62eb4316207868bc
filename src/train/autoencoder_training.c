/* The autoencoder learns to give back what it is given, through latents of a lower resolution
 * (method/autoencoder_loss.c):
 *
 *     L = mean |x - D(z)| + w KL / N,   z = mean + exp(l / 2) e,   (mean, l) = E(x)
 *
 * and, from some step on, against an adversary that tells D(z) from x (train/adversary.h):
 *
 *     L + lambda_adv L_adv(D(z)),   L_D(D(z), x) for the heads
 *
 * The moving average of the weights is the result.  At the end its latents are measured: a
 * diffusion model is to see them with a standard deviation of 1. */
#include "train/autoencoder_training.h"

#include <math.h>
#include <stdlib.h>

#include "method/autoencoder_loss.h"
#include "model/params_file.h"
#include "train/options.h"
#include "train/terms.h"

struct hidi_autoencoder_training {
    hidi_autoencoder_options options;
    hidi_autoencoder *net;     /* the weights that are trained     */
    hidi_autoencoder *average; /* their moving average: the result */
    hidi_shape latent;         /* [z, h, w] of one image           */
    hidi_optimizer optimizer;
    hidi_adversary adversary;
    hidi_task task;
};

enum {
    LOSS, ERROR, KL, GRAD_NORM, RATE,
    ADV_LOSS, D_LOSS, R1_LOSS, D_REAL, D_FAKE, HEAD_GRAD_NORM /* of an adversary */
};
static const char *const columns[] = {"loss", "error", "kl", "grad_norm", "learning_rate", NULL};
static const char *const columns_with_adversary[] = {
    "loss",   "error",   "kl",     "grad_norm", "learning_rate",  "adv_loss",
    "d_loss", "r1_loss", "d_real", "d_fake",    "head_grad_norm", NULL};

static bool has_adversary(const hidi_autoencoder_training *s, long step)
{
    return s->adversary.heads != NULL && step >= s->options.adversary_start;
}

/* What the adversary adds to the loss: its opponent's part, and its own, which reach only the one
 * and the other. */
static hidi_status add_adversary(const hidi_autoencoder_training *s, hidi_worker *worker,
                                 hidi_var *x, hidi_var *image, hidi_var **loss, double *terms)
{
    hidi_tape *tape = worker->tape;
    hidi_adversary_terms t;
    hidi_var *deceived = hidi_adversary_deceived(&s->adversary, tape, &worker->batch, image);
    hidi_var *heads = hidi_adversary_loss(&s->adversary, tape, &worker->batch,
                                          hidi_stop_gradient(tape, image), x, &t);
    hidi_var *weighted = hidi_scale(tape, deceived, (hidi_real)s->options.adversary.weight);
    *loss = hidi_add(tape, *loss, hidi_add(tape, weighted, heads));
    const hidi_term logged[] = {{deceived, "the adversarial loss", ADV_LOSS},
                                {t.discriminator, "the discriminator's loss", D_LOSS},
                                {t.r1, "approximate R1", R1_LOSS},
                                {t.d_real, "D(real)", D_REAL},
                                {t.d_fake, "D(fake)", D_FAKE}};
    return hidi_read_terms(tape, logged, sizeof logged / sizeof logged[0], terms);
}

static hidi_status accumulate(void *self, hidi_worker *worker, double *terms)
{
    const hidi_autoencoder_training *s = self;
    hidi_tape *tape = worker->tape;
    hidi_batch *batch = &worker->batch;
    hidi_autoencoder_terms t;
    hidi_var *x = hidi_batch_images(batch, tape);
    hidi_var *e = hidi_batch_noise_of(batch, tape, HIDI_STREAM_LATENT, s->latent);
    hidi_var *loss = hidi_autoencoder_loss(tape, s->net, x, e, s->options.kl_weight, &t);

    const hidi_term logged[] = {{loss, "the autoencoder's loss", LOSS},
                                {t.error, "the error of reconstruction", ERROR},
                                {t.kl, "the divergence of the latents", KL}};
    HIDI_TRY(hidi_read_terms(tape, logged, 3, terms));
    if (has_adversary(s, batch->step))
        HIDI_TRY(add_adversary(s, worker, x, t.image, &loss, terms));
    return hidi_worker_backward(worker, loss);
}

static hidi_status update(void *self, long step, double *values)
{
    hidi_autoencoder_training *s = self;
    const hidi_autoencoder_options *o = &s->options;
    values[RATE] = hidi_learning_rate(&o->schedule, step);
    HIDI_TRY(hidi_optimizer_step(&s->optimizer, values[RATE], &values[GRAD_NORM]));
    if (has_adversary(s, step))
        HIDI_TRY(hidi_adversary_step(&s->adversary, values[RATE], &values[HEAD_GRAD_NORM]));
    hidi_ema_update(&s->average->params, &s->net->params, o->ema, s->optimizer.updates);
    return HIDI_OK;
}

static hidi_status to_file(void *self, hidi_tensor_file *file)
{
    const hidi_autoencoder_training *s = self;
    const hidi_params *net = &s->net->params, *average = &s->average->params;
    HIDI_TRY(hidi_params_to_file(net, net->value, "net.", file));
    HIDI_TRY(hidi_params_to_file(average, average->value, "average.", file));
    HIDI_TRY(hidi_optimizer_to_file(&s->optimizer, "adamw.", file));
    return hidi_adversary_to_file(&s->adversary, file);
}

static hidi_status from_file(void *self, const hidi_tensor_file *file)
{
    hidi_autoencoder_training *s = self;
    hidi_params *net = &s->net->params, *average = &s->average->params;
    HIDI_TRY(hidi_params_from_file(net, net->value, "net.", file));
    HIDI_TRY(hidi_params_from_file(average, average->value, "average.", file));
    HIDI_TRY(hidi_optimizer_from_file(&s->optimizer, "adamw.", file));
    return hidi_adversary_from_file(&s->adversary, file);
}

hidi_autoencoder_options hidi_autoencoder_defaults(void)
{
    return (hidi_autoencoder_options){
        .batch = 16,
        .micro_batch = HIDI_MICRO_BATCH,
        .seed = 1,
        .net = {.image_channels = 3, .latent_channels = 4, .levels = 3, .width = {32, 48, 64},
                .blocks = 1, .groups = 16, .has_quant = true, .has_post_quant = true, .scale = 1},
        .kl_weight = 1e-6,
        .ema = 0.995,
        .adversary = hidi_adversary_defaults(0, 1),
        .adversary_start = 0,
        .adamw = hidi_adamw_defaults(),
        .schedule = {.rate = 1e-3, .warmup = 200, .decay = HIDI_DECAY_COSINE, .final = 0.05,
                     .steps = 6000}};
}

static hidi_status check(const hidi_autoencoder_options *o)
{
    HIDI_TRY(hidi_batch_sizes_check(o->batch, o->micro_batch));
    HIDI_TRY(hidi_require_not_negative("kl_weight", o->kl_weight));
    HIDI_TRY(hidi_ema_check(o->ema));
    HIDI_TRY(hidi_adversary_check(&o->adversary));
    HIDI_TRY(hidi_require_not_negative("adversary_start", (double)o->adversary_start));
    HIDI_TRY(hidi_error_prefix(hidi_adamw_check(&o->adamw), "adamw"));
    return hidi_error_prefix(hidi_schedule_check(&o->schedule), "schedule");
}

hidi_status hidi_autoencoder_check(const hidi_autoencoder_options *options)
{
    HIDI_TRY(hidi_autoencoder_config_check(&options->net)); /* which says of what, too */
    return hidi_error_prefix(check(options), "autoencoder");
}

/* The latents' extents, if there are any for these images. */
static hidi_status find_latent(hidi_autoencoder_training *s, const hidi_dataset *data)
{
    const hidi_autoencoder_config *c = &s->options.net;
    const size_t factor = hidi_autoencoder_factor(c), H = data->height, W = data->width;
    if (H % factor != 0 || W % factor != 0)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "autoencoder: images of %zux%zu are not multiples of %zu pixels, a "
                          "latent's", H, W, factor);
    s->latent = hidi_shape3(c->latent_channels, H / factor, W / factor);
    if (hidi_count(s->latent) > data->channels * H * W)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "autoencoder: latents of %zu channels are larger than the images",
                          c->latent_channels);
    return HIDI_OK;
}

static hidi_status begin(hidi_autoencoder_training *s, const hidi_backend *backend,
                         const hidi_dataset *data, const hidi_dit *critic, const char *settings)
{
    const hidi_autoencoder_options *o = &s->options;
    if (o->adversary.weight > 0 && critic == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "autoencoder: an adversary reads the features of a "
                                             "teacher, and there is none");
    s->options.net.image_channels = data->channels;
    HIDI_TRY(find_latent(s, data));
    HIDI_TRY(hidi_autoencoder_create(&s->net, backend, &o->net, HIDI_ENCODER_AND_DECODER));
    HIDI_TRY(hidi_autoencoder_create(&s->average, backend, &o->net, HIDI_ENCODER_AND_DECODER));
    HIDI_TRY(hidi_autoencoder_initialise(s->net, o->seed));
    HIDI_TRY(hidi_params_copy(&s->average->params, &s->net->params));
    HIDI_TRY(hidi_adversary_init(&s->adversary, &o->adversary, critic, false, &o->adamw, o->seed));
    hidi_heads *heads = s->adversary.heads;
    s->task = (hidi_task){.label = "autoencoder",
                          .columns = heads != NULL ? columns_with_adversary : columns,
                          .settings = settings, .data = data, .seed = o->seed, .batch = o->batch,
                          .micro_batch = o->micro_batch,
                          .trained = {&s->net->params, heads != NULL ? &heads->params : NULL},
                          .self = s, .accumulate = accumulate, .update = update,
                          .to_file = to_file, .from_file = from_file};
    return hidi_optimizer_init(&s->optimizer, &s->net->params, &o->adamw);
}

hidi_status hidi_autoencoder_training_create(hidi_autoencoder_training **training,
                                             const hidi_backend *backend, const hidi_dataset *data,
                                             const hidi_autoencoder_options *options,
                                             const hidi_dit *critic, const char *settings)
{
    *training = NULL;
    HIDI_TRY(hidi_autoencoder_check(options));
    hidi_autoencoder_training *s = calloc(1, sizeof *s);
    if (s == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for the training of an autoencoder");
    s->options = *options;
    const hidi_status status = begin(s, backend, data, critic, settings);
    if (status == HIDI_OK)
        *training = s;
    else
        hidi_autoencoder_training_destroy(s);
    return status;
}

void hidi_autoencoder_training_destroy(hidi_autoencoder_training *s)
{
    if (s == NULL)
        return;
    hidi_adversary_free(&s->adversary);
    hidi_optimizer_free(&s->optimizer);
    hidi_autoencoder_destroy(s->average);
    hidi_autoencoder_destroy(s->net);
    free(s);
}

const hidi_task *hidi_autoencoder_training_task(const hidi_autoencoder_training *s)
{
    return &s->task;
}

const hidi_autoencoder *hidi_autoencoder_training_result(const hidi_autoencoder_training *s)
{
    return s->average;
}

hidi_autoencoder *hidi_autoencoder_training_take_result(hidi_autoencoder_training *s)
{
    hidi_autoencoder *result = s->average;
    s->average = NULL;
    return result;
}

/* --- after the training ----------------------------------------------------------------------- */

enum { PIECE = 64, SCALE_IMAGES = 1024 }; /* images at one time; that the scale is found on */

/* Sums over what has been looked at. */
typedef struct sums {
    double n, z, zz; /* numbers of latents: how many, their sum, that of their squares */
    double pixels, error, squared;
} sums;

/* Images on their way through the network. */
typedef struct piece {
    const hidi_autoencoder_training *s;
    hidi_tape *tape;
    hidi_real *x, *moments, *y; /* [PIECE, C, H, W], [PIECE, 2 z, h, w], what comes back */
    int32_t *label;             /* [PIECE] */
} piece;

static void free_piece(piece *p)
{
    hidi_tape_destroy(p->tape);
    free(p->x);
    free(p->moments);
    free(p->y);
    free(p->label);
}

static hidi_status new_piece(piece *p, const hidi_autoencoder_training *s)
{
    const hidi_dataset *data = s->task.data;
    const size_t pixels = data->channels * data->height * data->width;
    *p = (piece){.s = s, .tape = hidi_tape_create(s->net->params.backend),
                 .x = malloc(PIECE * pixels * sizeof *p->x),
                 .moments = malloc(PIECE * 2 * hidi_count(s->latent) * sizeof *p->moments),
                 .y = malloc(PIECE * pixels * sizeof *p->y),
                 .label = malloc(PIECE * sizeof *p->label)};
    if (p->tape != NULL && p->x != NULL && p->moments != NULL && p->y != NULL && p->label != NULL)
        return HIDI_OK;
    free_piece(p);
    return hidi_error(HIDI_NO_MEMORY, "autoencoder: out of memory");
}

/* z = mean + exp(l / 2) e of training images. */
static hidi_status add_latents(piece *p, size_t first, size_t n, sums *sum)
{
    const size_t count = hidi_count(p->s->latent);
    const hidi_random random = {p->s->options.seed, HIDI_STREAM_SAMPLE, 0};
    const hidi_dataset *data = p->s->task.data;
    hidi_dataset_range(data, HIDI_TRAIN, first, n, p->x, p->label);
    HIDI_TRY(hidi_autoencoder_moments(p->s->average, p->tape, p->x, n, data->height, data->width,
                                      p->moments));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < count; k++) {
            const hidi_real *at = p->moments + 2 * count * i + k;
            hidi_real e;
            hidi_normal(random, (first + i) * count + k, &e, 1);
            const double z = (double)at[0] + exp((double)at[count] / 2) * (double)e;
            sum->z += z;
            sum->zz += z * z;
        }
    sum->n += (double)(n * count);
    return HIDI_OK;
}

static hidi_status add_errors(piece *p, size_t first, size_t n, sums *sum)
{
    const hidi_dataset *data = p->s->task.data;
    hidi_dataset_range(data, HIDI_TEST, first, n, p->x, p->label);
    HIDI_TRY(hidi_autoencoder_reconstruct(p->s->average, p->tape, p->x, n, data->height,
                                          data->width, p->moments, p->y));
    const size_t numbers = n * data->channels * data->height * data->width;
    for (size_t i = 0; i < numbers; i++) {
        const double d = (double)p->x[i] - (double)p->y[i];
        sum->error += fabs(d);
        sum->squared += d * d;
    }
    sum->pixels += (double)numbers;
    return HIDI_OK;
}

static hidi_status measure(piece *p, size_t n, sums *sum)
{
    const uint64_t there = p->s->task.data->count[HIDI_TRAIN];
    const size_t train = there != 0 && there < SCALE_IMAGES ? (size_t)there : SCALE_IMAGES;
    for (size_t i = 0; i < train; i += PIECE)
        HIDI_TRY(add_latents(p, i, train - i < PIECE ? train - i : PIECE, sum));
    for (size_t i = 0; i < n; i += PIECE)
        HIDI_TRY(add_errors(p, i, n - i < PIECE ? n - i : PIECE, sum));
    return HIDI_OK;
}

hidi_status hidi_autoencoder_training_finish(hidi_autoencoder_training *s, size_t n,
                                             hidi_reconstruction *reconstruction)
{
    piece p;
    sums sum = {0};
    HIDI_TRY(new_piece(&p, s));
    const hidi_status status = measure(&p, n, &sum);
    free_piece(&p);
    HIDI_TRY(status);
    const double mean = sum.z / sum.n, variance = sum.zz / sum.n - mean * mean;
    if (!(variance > 0) || !isfinite(variance))
        return hidi_error(HIDI_NOT_FINITE, "autoencoder: the latents' variance is %g", variance);
    s->average->config.scale = 1 / sqrt(variance);
    *reconstruction = (hidi_reconstruction){.error = sum.error / sum.pixels,
                                            .squared = sum.squared / sum.pixels, .images = n};
    return HIDI_OK;
}
