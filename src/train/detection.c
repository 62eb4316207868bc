/* detection.c - many heads, one pass of the backbone:
 *
 *     z_t  = (1 - t) x + t e,   x real, or with k of its N tokens damaged
 *     L_j  = mean of 2 softplus(-D_j(z_t)) or, damaged, 2 softplus(D_j(z_t))
 *     L    = sum_j L_j: no parameter belongs to two heads, so that each is trained by its own L_j
 */
#include "train/detection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "method/flow.h"
#include "model/params_file.h"
#include "train/options.h"
#include "train/terms.h"

struct hidi_detection {
    hidi_detection_options options;
    const hidi_dit *backbone; /* borrowed, frozen */
    hidi_heads *heads[HIDI_MAX_TRAINED];
    hidi_optimizer optimizer[HIDI_MAX_TRAINED];
    const char *columns[HIDI_MAX_TRAINED + 3]; /* the mean loss, each head's, the rate, NULL */
    hidi_task task;
};

/* Real images; every second one damaged. */
static hidi_status draw_images(const hidi_detection *s, hidi_worker *worker, hidi_var **x)
{
    hidi_batch *batch = &worker->batch;
    const hidi_dit_config *c = &s->backbone->config;
    const size_t pixels = c->channels * c->image_size * c->image_size;
    hidi_batch_draw_images(batch);
    for (size_t i = 0; i < batch->size; i++) {
        const size_t sample = batch->first + i;
        const hidi_random random = {s->options.seed, HIDI_STREAM_DEFECT,
                                    (uint64_t)batch->step * batch->total + sample};
        if (sample % 2 == 1)
            HIDI_TRY(hidi_damage_image(batch->image + i * pixels, c->channels, c->image_size,
                                       c->patch, s->options.damaged,
                                       (hidi_defect)s->options.defect, random, NULL));
    }
    *x = hidi_constant(worker->tape, hidi_batch_shape(batch), batch->image);
    return hidi_tape_status(worker->tape);
}

/* -1 for a real image, 1 for a damaged one: [size] */
static hidi_var *signs(hidi_worker *worker)
{
    hidi_batch *batch = &worker->batch;
    for (size_t i = 0; i < batch->size; i++)
        batch->r[i] = (batch->first + i) % 2 == 1 ? 1 : -1;
    return hidi_constant(worker->tape, hidi_shape1(batch->size), batch->r);
}

static hidi_status accumulate(void *self, hidi_worker *worker, double *terms)
{
    const hidi_detection *s = self;
    const hidi_detection_options *o = &s->options;
    hidi_tape *tape = worker->tape;
    hidi_batch *batch = &worker->batch;
    const size_t side = s->backbone->config.image_size / s->backbone->config.patch;
    hidi_term list[HIDI_MAX_TRAINED + 1];
    hidi_taps taps;
    hidi_var *x, *sum = NULL;
    HIDI_TRY(draw_images(s, worker, &x));
    hidi_var *e = hidi_batch_noise(batch, tape, HIDI_STREAM_NOISE);
    hidi_var *t = hidi_batch_times(batch, tape, &o->time, HIDI_STREAM_TIME);
    hidi_var *z = hidi_noised(tape, x, e, t), *sign = signs(worker);
    HIDI_TRY(hidi_heads_tokens(tape, &o->heads[0], s->backbone, true, z, t, &batch->y, &taps));
    for (int i = 0; i < o->n; i++) {
        hidi_head_output output;
        HIDI_TRY(hidi_heads_on_tokens(tape, s->heads[i], false, &taps, side, &output));
        hidi_var *wrong = hidi_scale_samples(tape, output.logits, sign);
        hidi_var *loss = hidi_scale(tape, hidi_mean(tape, hidi_softplus(tape, wrong)), 2);
        list[i] = (hidi_term){loss, o->name[i], 1 + i};
        sum = i ? hidi_add(tape, sum, loss) : loss;
    }
    list[o->n] = (hidi_term){hidi_scale(tape, sum, (hidi_real)1 / (hidi_real)o->n),
                             "the mean loss", 0};
    HIDI_TRY(hidi_read_terms(tape, list, o->n + 1, terms));
    return hidi_worker_backward(worker, sum);
}

static hidi_status update(void *self, long step, double *values)
{
    hidi_detection *s = self;
    const int n = s->options.n;
    double norm;
    values[n + 1] = hidi_learning_rate(&s->options.schedule, step);
    for (int i = 0; i < n; i++)
        HIDI_TRY(hidi_optimizer_step(&s->optimizer[i], values[n + 1], &norm));
    return HIDI_OK;
}

/* The parts of head i in a checkpoint: "3.", "3.adamw.". */
typedef struct prefixes {
    char weights[16], adamw[24];
} prefixes;

static prefixes prefixes_of(int i)
{
    prefixes p;
    snprintf(p.weights, sizeof p.weights, "%d.", i);
    snprintf(p.adamw, sizeof p.adamw, "%d.adamw.", i);
    return p;
}

static hidi_status to_file(void *self, hidi_tensor_file *file)
{
    const hidi_detection *s = self;
    for (int i = 0; i < s->options.n; i++) {
        const prefixes p = prefixes_of(i);
        HIDI_TRY(hidi_heads_to_file(s->heads[i], p.weights, file));
        HIDI_TRY(hidi_optimizer_to_file(&s->optimizer[i], p.adamw, file));
    }
    return HIDI_OK;
}

static hidi_status from_file(void *self, const hidi_tensor_file *file)
{
    hidi_detection *s = self;
    for (int i = 0; i < s->options.n; i++) {
        hidi_params *params = &s->heads[i]->params;
        const prefixes p = prefixes_of(i);
        HIDI_TRY(hidi_params_from_file(params, params->value, p.weights, file));
        HIDI_TRY(hidi_optimizer_from_file(&s->optimizer[i], p.adamw, file));
    }
    return HIDI_OK;
}

static hidi_status check(const hidi_detection_options *o)
{
    HIDI_TRY(hidi_batch_sizes_check(o->batch, o->micro_batch));
    HIDI_TRY(hidi_require_choice("defect", o->defect, HIDI_DEFECT_KINDS));
    HIDI_TRY(hidi_require(o->damaged >= 1, "damaged", (double)o->damaged, "1 or more tokens"));
    HIDI_TRY(hidi_error_prefix(hidi_time_check(&o->time), "time"));
    HIDI_TRY(hidi_error_prefix(hidi_adamw_check(&o->adamw), "adamw"));
    HIDI_TRY(hidi_error_prefix(hidi_schedule_check(&o->schedule), "schedule"));
    HIDI_TRY(hidi_require(o->n >= 1 && o->n <= HIDI_MAX_TRAINED, "n", o->n, "1 to 12 heads"));
    for (int i = 0; i < o->n; i++) {
        const hidi_heads_config *c = &o->heads[i];
        HIDI_TRY(hidi_error_prefix(hidi_heads_check(c), "heads %d", i));
        if (c->n != o->heads[0].n || memcmp(c->block, o->heads[0].block, sizeof c->block) != 0)
            return hidi_error(HIDI_BAD_ARGUMENT, "heads %d do not read the blocks that heads 0 read",
                              i);
    }
    return HIDI_OK;
}

hidi_status hidi_detection_check(const hidi_detection_options *options)
{
    return hidi_error_prefix(check(options), "detection");
}

static hidi_status begin(hidi_detection *s, const hidi_dataset *data, const char *settings)
{
    const hidi_detection_options *o = &s->options;
    const hidi_dit_config *c = &s->backbone->config;
    const size_t side = c->image_size / c->patch, N = side * side;
    if (o->damaged > N)
        return hidi_error(HIDI_BAD_ARGUMENT, "detection: %zu damaged tokens of %zu", o->damaged, N);
    s->columns[0] = "loss";
    s->columns[o->n + 1] = "learning_rate";
    s->task = (hidi_task){.label = "detect", .columns = s->columns, .settings = settings,
                          .data = data, .seed = o->seed, .batch = o->batch,
                          .micro_batch = o->micro_batch, .self = s, .accumulate = accumulate,
                          .update = update, .to_file = to_file, .from_file = from_file};
    for (int i = 0; i < o->n; i++) {
        hidi_heads_config config = o->heads[i];
        config.width = c->width;
        s->options.heads[i] = config;
        HIDI_TRY(hidi_heads_create(&s->heads[i], s->backbone->params.backend, &config));
        HIDI_TRY(hidi_heads_initialise(s->heads[i], o->seed));
        HIDI_TRY(hidi_optimizer_init(&s->optimizer[i], &s->heads[i]->params, &o->adamw));
        s->task.trained[i] = &s->heads[i]->params;
        s->columns[i + 1] = o->name[i];
    }
    return HIDI_OK;
}

hidi_status hidi_detection_create(hidi_detection **training, const hidi_dit *backbone,
                                  const hidi_dataset *data, const hidi_detection_options *options,
                                  const char *settings)
{
    *training = NULL;
    HIDI_TRY(hidi_detection_check(options));
    hidi_detection *s = *training = calloc(1, sizeof *s);
    if (s == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for the training of discriminators");
    s->options = *options;
    s->backbone = backbone;
    const hidi_status status = begin(s, data, settings);
    if (status != HIDI_OK) {
        hidi_detection_destroy(s);
        *training = NULL;
    }
    return status;
}

void hidi_detection_destroy(hidi_detection *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < s->options.n; i++) {
        hidi_optimizer_free(&s->optimizer[i]);
        hidi_heads_destroy(s->heads[i]);
    }
    free(s);
}

const hidi_task *hidi_detection_task(const hidi_detection *s)
{
    return &s->task;
}

const hidi_heads *hidi_detection_heads(const hidi_detection *s, int i)
{
    return s->heads[i];
}
