/* teacher.c */
#include "train/teacher.h"

#include <math.h>
#include <string.h>

#include "method/flow.h"
#include "model/params_file.h"

static const char *const columns[] = {"loss", "grad_norm", "learning_rate", NULL};

static hidi_status step(void *self, long step, double *values)
{
    hidi_teacher_training *s = self;
    const hidi_teacher_options *o = &s->options;
    hidi_tape_reset(s->tape);
    hidi_var *x = hidi_batch_images(&s->batch, s->tape, step);
    hidi_var *e = hidi_batch_noise(&s->batch, s->tape, HIDI_STREAM_NOISE, step);
    hidi_var *t = hidi_batch_times(&s->batch, s->tape, &o->time, HIDI_STREAM_TIME, step);
    hidi_batch_drop_labels(&s->batch, o->label_dropout, step);
    hidi_var *loss = hidi_flow_loss(s->tape, s->net, x, e, t, s->batch.label);
    HIDI_TRY(hidi_read_scalar(s->tape, loss, "the flow matching loss", &values[0]));
    HIDI_TRY(hidi_tape_backward(s->tape, loss, NULL));
    values[2] = hidi_learning_rate(&o->schedule, step);
    HIDI_TRY(hidi_optimizer_step(&s->optimizer, values[2], &values[1]));
    hidi_ema_update(&s->average->params, &s->net->params, o->ema, s->optimizer.updates);
    return HIDI_OK;
}

static hidi_status to_file(void *self, hidi_tensor_file *file)
{
    const hidi_teacher_training *s = self;
    HIDI_TRY(hidi_dit_to_file(s->net, "net.", file));
    HIDI_TRY(hidi_dit_to_file(s->average, "average.", file));
    return hidi_optimizer_to_file(&s->optimizer, "adamw.", file);
}

static hidi_status from_file(void *self, const hidi_tensor_file *file)
{
    hidi_teacher_training *s = self;
    HIDI_TRY(hidi_params_from_file(&s->net->params, s->net->params.value, "net.", file));
    HIDI_TRY(hidi_params_from_file(&s->average->params, s->average->params.value, "average.", file));
    return hidi_optimizer_from_file(&s->optimizer, "adamw.", file);
}

hidi_status hidi_teacher_init(hidi_teacher_training *s, hidi_dit *net, const hidi_dataset *data,
                              const hidi_teacher_options *options, const char *settings)
{
    memset(s, 0, sizeof *s);
    s->options = *options;
    s->net = net;
    s->task = (hidi_task){"teacher", columns, settings, s, step, to_file, from_file};
    s->tape = hidi_tape_create(net->params.backend);
    if (s->tape == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a tape");
    HIDI_TRY(hidi_dit_copy(&s->average, net));
    HIDI_TRY(hidi_optimizer_init(&s->optimizer, &net->params, &options->adamw));
    return hidi_batch_init(&s->batch, data, options->batch, options->seed);
}

void hidi_teacher_free(hidi_teacher_training *s)
{
    hidi_optimizer_free(&s->optimizer);
    hidi_batch_free(&s->batch);
    hidi_tape_destroy(s->tape);
    hidi_dit_destroy(s->average);
    hidi_dit_destroy(s->net);
    memset(s, 0, sizeof *s);
}
