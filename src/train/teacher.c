/* The teacher: flow matching [base: SiT, arXiv 2401.08740]
 *
 *     L = mean || v_theta(z_t, t, y) - (e - x) ||^2,   z_t = (1 - t) x + t e
 *
 * y is the null class in a share of the batch (label dropout), for guidance later; the moving
 * average of theta is the result. */
#include "train/teacher.h"

#include <stdlib.h>

#include "method/flow.h"
#include "model/params_file.h"
#include "train/options.h"
#include "train/terms.h"

struct hidi_teacher {
    hidi_teacher_options options;
    hidi_dit *net;     /* the weights that are trained     */
    hidi_dit *average; /* their moving average: the result */
    hidi_optimizer optimizer;
    hidi_task task;
};

enum { LOSS, GRAD_NORM, RATE };
static const char *const columns[] = {"loss", "grad_norm", "learning_rate", NULL};

static hidi_status accumulate(void *self, hidi_worker *worker, double *terms)
{
    const hidi_teacher *s = self;
    const hidi_teacher_options *o = &s->options;
    hidi_tape *tape = worker->tape;
    hidi_batch *batch = &worker->batch;
    hidi_var *x = hidi_batch_images(batch, tape);
    hidi_var *e = hidi_batch_noise(batch, tape, HIDI_STREAM_NOISE);
    hidi_var *t = hidi_batch_times(batch, tape, &o->time, HIDI_STREAM_TIME);
    hidi_batch_drop_labels(batch, o->label_dropout);
    hidi_var *loss = hidi_flow_loss(tape, s->net, x, e, t, &batch->y);

    const hidi_term term = {loss, "the flow matching loss", LOSS};
    HIDI_TRY(hidi_read_terms(tape, &term, 1, terms));
    return hidi_worker_backward(worker, loss);
}

static hidi_status update(void *self, long step, double *values)
{
    hidi_teacher *s = self;
    const hidi_teacher_options *o = &s->options;
    values[RATE] = hidi_learning_rate(&o->schedule, step);
    HIDI_TRY(hidi_optimizer_step(&s->optimizer, values[RATE], &values[GRAD_NORM]));
    hidi_ema_update(&s->average->params, &s->net->params, o->ema, s->optimizer.updates);
    return HIDI_OK;
}

static hidi_status to_file(void *self, hidi_tensor_file *file)
{
    const hidi_teacher *s = self;
    HIDI_TRY(hidi_dit_to_file(s->net, "net.", file));
    HIDI_TRY(hidi_dit_to_file(s->average, "average.", file));
    return hidi_optimizer_to_file(&s->optimizer, "adamw.", file);
}

static hidi_status from_file(void *self, const hidi_tensor_file *file)
{
    hidi_teacher *s = self;
    hidi_params *net = &s->net->params, *average = &s->average->params;
    HIDI_TRY(hidi_params_from_file(net, net->value, "net.", file));
    HIDI_TRY(hidi_params_from_file(average, average->value, "average.", file));
    return hidi_optimizer_from_file(&s->optimizer, "adamw.", file);
}

hidi_teacher_options hidi_teacher_defaults(void)
{
    return (hidi_teacher_options){
        .batch = 64,
        .micro_batch = HIDI_MICRO_BATCH,
        .seed = 1,
        .label_dropout = 0.1,
        .ema = 0.999,
        .time = {.density = HIDI_TIME_UNIFORM, .least = 0, .most = 1, .mean = 0, .deviation = 1},
        .adamw = hidi_adamw_defaults(),
        .schedule = {.rate = 1e-3, .warmup = 500, .decay = HIDI_DECAY_COSINE, .final = 0.05,
                     .steps = 20000}};
}

static hidi_status check(const hidi_teacher_options *o)
{
    HIDI_TRY(hidi_batch_sizes_check(o->batch, o->micro_batch));
    HIDI_TRY(hidi_require_share("label_dropout", o->label_dropout));
    HIDI_TRY(hidi_ema_check(o->ema));
    HIDI_TRY(hidi_error_prefix(hidi_time_check(&o->time), "time"));
    HIDI_TRY(hidi_error_prefix(hidi_adamw_check(&o->adamw), "adamw"));
    return hidi_error_prefix(hidi_schedule_check(&o->schedule), "schedule");
}

hidi_status hidi_teacher_check(const hidi_teacher_options *options)
{
    return hidi_error_prefix(check(options), "teacher");
}

static hidi_status begin(hidi_teacher *s, const hidi_dataset *data, const char *settings)
{
    const hidi_teacher_options *o = &s->options;
    s->task = (hidi_task){.label = "teacher", .columns = columns, .settings = settings,
                          .data = data, .seed = o->seed, .batch = o->batch,
                          .micro_batch = o->micro_batch, .trained = {&s->net->params}, .self = s,
                          .accumulate = accumulate, .update = update, .to_file = to_file,
                          .from_file = from_file};
    HIDI_TRY(hidi_dit_copy(&s->average, s->net));
    return hidi_optimizer_init(&s->optimizer, &s->net->params, &o->adamw);
}

hidi_status hidi_teacher_create(hidi_teacher **training, hidi_dit *net, const hidi_dataset *data,
                                const hidi_teacher_options *options, const char *settings)
{
    hidi_teacher *s = *training = calloc(1, sizeof *s);
    if (s == NULL) {
        hidi_dit_destroy(net);
        return hidi_error(HIDI_NO_MEMORY, "no memory for the training of a teacher");
    }
    s->options = *options;
    s->net = net;
    hidi_status status = hidi_teacher_check(options);
    if (status == HIDI_OK)
        status = begin(s, data, settings);
    if (status != HIDI_OK) {
        hidi_teacher_destroy(s);
        *training = NULL;
    }
    return status;
}

void hidi_teacher_destroy(hidi_teacher *s)
{
    if (s == NULL)
        return;
    hidi_optimizer_free(&s->optimizer);
    hidi_dit_destroy(s->average);
    hidi_dit_destroy(s->net);
    free(s);
}

const hidi_task *hidi_teacher_task(const hidi_teacher *s)
{
    return &s->task;
}

const hidi_dit *hidi_teacher_net(const hidi_teacher *s)
{
    return s->net;
}

const hidi_dit *hidi_teacher_result(const hidi_teacher *s)
{
    return s->average;
}

hidi_dit *hidi_teacher_take_result(hidi_teacher *s)
{
    hidi_dit *result = s->average;
    s->average = NULL;
    return result;
}
