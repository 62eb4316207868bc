/* stage2.c */
#include "train/stage2.h"

#include <math.h>
#include <string.h>

#include "method/adversarial.h"
#include "method/flow.h"
#include "model/params_file.h"

enum {
    FAKE_LOSS, DM_LOSS, ADV_LOSS, TD_LOSS, D_LOSS, R1_LOSS, D_REAL, D_FAKE,
    GRAD_NORM, FAKE_GRAD_NORM, HEAD_GRAD_NORM, RATE
};
static const char *const columns[] = {"fake_loss", "dm_loss",        "adv_loss",       "td_loss",
                                      "d_loss",    "r1_loss",        "d_real",         "d_fake",
                                      "grad_norm", "fake_grad_norm", "head_grad_norm", "learning_rate",
                                      NULL};

/* D at the adversary's own noise level: t and noise from the given streams, plus `perturbation`
 * (NULL: none). */
static hidi_var *discriminate(hidi_stage2_training *s, hidi_var *x, bool frozen, hidi_stream noise,
                              hidi_stream time, long step, hidi_var *perturbation)
{
    hidi_head_output output;
    const bool frozen_backbone = frozen || s->options.backbone == HIDI_BACKBONE_TEACHER;
    const hidi_dit *backbone =
        s->options.backbone == HIDI_BACKBONE_TEACHER ? s->teacher : s->fake;
    hidi_var *e = hidi_batch_noise(&s->batch, s->tape, noise, step);
    hidi_var *t = hidi_batch_times(&s->batch, s->tape, &s->options.adversary_time, time, step);
    hidi_var *z = hidi_noised(s->tape, x, e, t);
    if (perturbation != NULL)
        z = hidi_add(s->tape, z, perturbation);
    hidi_heads_forward(s->tape, s->heads, frozen, backbone, frozen_backbone, z, t, s->batch.label,
                       &output);
    return output.logits;
}

/* L_G = L_dm + lambda_adv L_adv (+ lambda_td L_MeanFlow) */
static hidi_var *generator_loss(hidi_stage2_training *s, hidi_var *x_gen, hidi_var *x, long step,
                                double *values)
{
    const hidi_stage2_options *o = &s->options;
    hidi_tape *tape = s->tape;
    hidi_dmd_terms dmd;
    hidi_var *e2 = hidi_batch_noise(&s->batch, tape, HIDI_STREAM_MATCHING_NOISE, step);
    hidi_var *t = hidi_batch_times(&s->batch, tape, &o->time, HIDI_STREAM_MATCHING_TIME, step);
    hidi_var *loss = hidi_dmd_loss(tape, x_gen, s->teacher, s->fake, o->guidance, t, e2,
                                   s->batch.label, &dmd);
    if (hidi_read_scalar(tape, loss, "the distribution matching loss", &values[DM_LOSS]) != HIDI_OK)
        return hidi_tape_fail(tape, HIDI_NOT_FINITE);
    if (s->heads != NULL) {
        hidi_var *d = discriminate(s, x_gen, true, HIDI_STREAM_ADVERSARY_NOISE,
                                   HIDI_STREAM_ADVERSARY_TIME, step, NULL);
        hidi_var *adv = hidi_generator_loss(tape, (hidi_adversarial)o->adversarial, d);
        if (hidi_read_scalar(tape, adv, "the adversarial loss", &values[ADV_LOSS]) != HIDI_OK)
            return hidi_tape_fail(tape, HIDI_NOT_FINITE);
        loss = hidi_add(tape, loss, hidi_scale(tape, adv, (hidi_real)o->adversary_weight));
    }
    if (o->td_weight > 0) {
        hidi_meanflow_terms td;
        hidi_var *td_t, *td_r;
        hidi_var *e = hidi_batch_noise(&s->batch, tape, HIDI_STREAM_RETAINED_NOISE, step);
        hidi_batch_intervals(&s->batch, tape, &o->interval, step, &td_t, &td_r);
        hidi_meanflow_loss(tape, s->student, s->teacher, x, e, td_t, td_r, s->batch.label,
                           &o->meanflow, &td);
        if (hidi_read_scalar(tape, td.loss, "the MeanFlow loss", &values[TD_LOSS]) != HIDI_OK)
            return hidi_tape_fail(tape, HIDI_NOT_FINITE);
        loss = hidi_add(tape, loss, hidi_scale(tape, td.loss, (hidi_real)o->td_weight));
    }
    return loss;
}

static hidi_status log_mean(hidi_tape *tape, const hidi_var *x, const char *name, double *value)
{
    HIDI_TRY(hidi_tape_status(tape));
    return hidi_read_scalar(tape, hidi_mean(tape, hidi_stop_gradient(tape, x)), name, value);
}

/* The heads' loss on real images x and generated ones x_g (without gradient), plus R1's. */
static hidi_var *head_loss(hidi_stage2_training *s, hidi_var *x_g, hidi_var *x, long step,
                           double *values)
{
    const hidi_stage2_options *o = &s->options;
    hidi_tape *tape = s->tape;
    hidi_var *d_fake = discriminate(s, x_g, false, HIDI_STREAM_HEADS_FAKE_NOISE,
                                    HIDI_STREAM_HEADS_FAKE_TIME, step, NULL);
    hidi_var *d_real = discriminate(s, x, false, HIDI_STREAM_HEADS_REAL_NOISE,
                                    HIDI_STREAM_HEADS_REAL_TIME, step, NULL);
    hidi_var *loss = hidi_discriminator_loss(tape, (hidi_adversarial)o->adversarial, d_fake, d_real);
    if (hidi_read_scalar(tape, loss, "the discriminator's loss", &values[D_LOSS]) != HIDI_OK ||
        log_mean(tape, d_real, "D(real)", &values[D_REAL]) != HIDI_OK ||
        log_mean(tape, d_fake, "D(fake)", &values[D_FAKE]) != HIDI_OK)
        return hidi_tape_fail(tape, HIDI_NOT_FINITE);
    if (o->r1_weight > 0) {
        hidi_var *n = hidi_batch_noise(&s->batch, tape, HIDI_STREAM_R1_NOISE, step);
        n = hidi_scale(tape, n, (hidi_real)o->r1_sigma);
        hidi_var *d = discriminate(s, x, false, HIDI_STREAM_HEADS_REAL_NOISE,
                                   HIDI_STREAM_HEADS_REAL_TIME, step, n);
        hidi_var *r1 = hidi_approximate_r1(tape, d_real, d);
        if (hidi_read_scalar(tape, r1, "approximate R1", &values[R1_LOSS]) != HIDI_OK)
            return hidi_tape_fail(tape, HIDI_NOT_FINITE);
        loss = hidi_add(tape, loss, hidi_scale(tape, r1, (hidi_real)o->r1_weight));
    }
    return loss;
}

/* The fake score learns the velocity of G's samples. */
static hidi_var *fake_loss(hidi_stage2_training *s, hidi_var *x_g, long step, double *values)
{
    hidi_var *e = hidi_batch_noise(&s->batch, s->tape, HIDI_STREAM_FAKE_SCORE_NOISE, step);
    hidi_var *t = hidi_batch_times(&s->batch, s->tape, &s->options.time,
                                   HIDI_STREAM_FAKE_SCORE_TIME, step);
    hidi_var *loss = hidi_flow_loss(s->tape, s->fake, x_g, e, t, s->batch.label);
    if (hidi_read_scalar(s->tape, loss, "the fake score's loss", &values[FAKE_LOSS]) != HIDI_OK)
        return hidi_tape_fail(s->tape, HIDI_NOT_FINITE);
    return loss;
}

static hidi_status update(hidi_stage2_training *s, bool generator_steps, double rate, double *values)
{
    const hidi_stage2_options *o = &s->options;
    values[RATE] = rate;
    HIDI_TRY(hidi_optimizer_step(&s->fake_optimizer, rate * o->fake_rate, &values[FAKE_GRAD_NORM]));
    if (s->heads != NULL)
        HIDI_TRY(hidi_optimizer_step(&s->head_optimizer, rate * o->head_rate,
                                     &values[HEAD_GRAD_NORM]));
    if (!generator_steps)
        return HIDI_OK;
    HIDI_TRY(hidi_optimizer_step(&s->student_optimizer, rate, &values[GRAD_NORM]));
    hidi_ema_update(&s->average->params, &s->student->params, o->ema, s->student_optimizer.updates);
    return HIDI_OK;
}

/* One iteration.  Generator, fake score and heads share one tape and one backward pass: each loss
 * reaches its own parameters alone, since the others are frozen or behind a stop-gradient in it. */
static hidi_status step(void *self, long step, double *values)
{
    hidi_stage2_training *s = self;
    hidi_tape *tape = s->tape;
    const bool generator_steps = step % s->options.generator_every == 0;
    for (int i = 0; columns[i] != NULL; i++)
        values[i] = NAN;
    hidi_tape_reset(tape);

    hidi_var *x = hidi_batch_images(&s->batch, tape, step);
    hidi_var *e = hidi_batch_noise(&s->batch, tape, HIDI_STREAM_NOISE, step);
    hidi_var *x_gen = hidi_generate(tape, s->student, !generator_steps, e, s->batch.label);
    hidi_var *x_g = x_gen ? hidi_stop_gradient(tape, x_gen) : NULL;

    hidi_var *loss = fake_loss(s, x_g, step, values);
    if (s->heads != NULL)
        loss = hidi_add(tape, loss, head_loss(s, x_g, x, step, values));
    if (generator_steps)
        loss = hidi_add(tape, loss, generator_loss(s, x_gen, x, step, values));
    HIDI_TRY(hidi_tape_status(tape));
    HIDI_TRY(hidi_tape_backward(tape, loss, NULL));
    return update(s, generator_steps, hidi_learning_rate(&s->options.schedule, step), values);
}

static hidi_status to_file(void *self, hidi_tensor_file *file)
{
    const hidi_stage2_training *s = self;
    HIDI_TRY(hidi_dit_to_file(s->student, "student.", file));
    HIDI_TRY(hidi_dit_to_file(s->average, "average.", file));
    HIDI_TRY(hidi_dit_to_file(s->fake, "fake.", file));
    HIDI_TRY(hidi_optimizer_to_file(&s->student_optimizer, "student_adamw.", file));
    HIDI_TRY(hidi_optimizer_to_file(&s->fake_optimizer, "fake_adamw.", file));
    if (s->heads == NULL)
        return HIDI_OK;
    HIDI_TRY(hidi_heads_to_file(s->heads, "discriminator.", file));
    return hidi_optimizer_to_file(&s->head_optimizer, "discriminator_adamw.", file);
}

static hidi_status read_params(hidi_params *params, const char *prefix, const hidi_tensor_file *file)
{
    return hidi_params_from_file(params, params->value, prefix, file);
}

static hidi_status from_file(void *self, const hidi_tensor_file *file)
{
    hidi_stage2_training *s = self;
    HIDI_TRY(read_params(&s->student->params, "student.", file));
    HIDI_TRY(read_params(&s->average->params, "average.", file));
    HIDI_TRY(read_params(&s->fake->params, "fake.", file));
    HIDI_TRY(hidi_optimizer_from_file(&s->student_optimizer, "student_adamw.", file));
    HIDI_TRY(hidi_optimizer_from_file(&s->fake_optimizer, "fake_adamw.", file));
    if (s->heads == NULL)
        return HIDI_OK;
    HIDI_TRY(read_params(&s->heads->params, "discriminator.", file));
    return hidi_optimizer_from_file(&s->head_optimizer, "discriminator_adamw.", file);
}

static hidi_status init_heads(hidi_stage2_training *s)
{
    hidi_heads_config config = s->options.heads;
    config.width = s->teacher->config.width;
    if (config.block[config.n - 1] >= (int)s->teacher->config.depth)
        return hidi_error(HIDI_BAD_ARGUMENT, "heads read after block %d, but the teacher has blocks 0 "
                                             "to %zu",
                          config.block[config.n - 1], s->teacher->config.depth - 1);
    HIDI_TRY(hidi_heads_create(&s->heads, s->teacher->params.backend, &config));
    HIDI_TRY(hidi_heads_initialise(s->heads, s->options.seed));
    return hidi_optimizer_init(&s->head_optimizer, &s->heads->params, &s->options.adamw);
}

hidi_status hidi_stage2_init(hidi_stage2_training *s, const hidi_dit *student, const hidi_dit *teacher,
                         const hidi_dataset *data, const hidi_stage2_options *options,
                         const char *settings)
{
    memset(s, 0, sizeof *s);
    s->options = *options;
    s->teacher = teacher;
    s->task = (hidi_task){"stage 2", columns, settings, s, step, to_file, from_file};
    s->tape = hidi_tape_create(teacher->params.backend);
    if (s->tape == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a tape");
    HIDI_TRY(hidi_dit_copy(&s->student, student));
    HIDI_TRY(hidi_dit_copy(&s->average, student));
    HIDI_TRY(hidi_dit_copy(&s->fake, teacher));
    HIDI_TRY(hidi_optimizer_init(&s->student_optimizer, &s->student->params, &options->adamw));
    HIDI_TRY(hidi_optimizer_init(&s->fake_optimizer, &s->fake->params, &options->adamw));
    if (options->adversary_weight > 0)
        HIDI_TRY(init_heads(s));
    return hidi_batch_init(&s->batch, data, options->batch, options->seed);
}

void hidi_stage2_free(hidi_stage2_training *s)
{
    hidi_optimizer_free(&s->student_optimizer);
    hidi_optimizer_free(&s->fake_optimizer);
    hidi_optimizer_free(&s->head_optimizer);
    hidi_batch_free(&s->batch);
    hidi_tape_destroy(s->tape);
    hidi_heads_destroy(s->heads);
    hidi_dit_destroy(s->fake);
    hidi_dit_destroy(s->average);
    hidi_dit_destroy(s->student);
    memset(s, 0, sizeof *s);
}
