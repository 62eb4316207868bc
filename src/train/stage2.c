/* Stage 2: distribution matching with an adversary
 * [HD names it; formulas: DMD2, arXiv 2405.14867]
 *
 *     x_g    = G(e, y) = e - u_theta(e, 0, 1, y)
 *     L_G    = L_dm + lambda_adv L_adv + lambda_td L_MeanFlow          (in every k-th iteration)
 *     L_fake = mean || v_fake(z_t, t, y) - (e' - x_g) ||^2,            z_t = (1 - t) x_g + t e'
 *     L_D    = softplus(D(x_g)) + softplus(-D(x)) + lambda_R1 (D(x) - D(x + sigma n))^2
 *
 * An iteration puts the three on one tape and goes backward once, from L_fake + w_D L_D + L_G.
 * Each reaches its own parameters alone, since the others are frozen or behind a stop-gradient in
 * it; but where the heads read the fake score's features, L_D trains these as well, which is what
 * w_D is for. */
#include "train/stage2.h"

#include <math.h>
#include <stdlib.h>

#include "method/dmd.h"
#include "method/flow.h"
#include "model/params_file.h"
#include "train/options.h"
#include "train/stage1.h"
#include "train/terms.h"

struct hidi_stage2 {
    hidi_stage2_options options;
    const hidi_dit *teacher; /* borrowed, frozen                    */
    hidi_dit *student;       /* the generator                       */
    hidi_dit *average;       /* its moving average: the result      */
    hidi_dit *fake;          /* the velocity of G's samples         */
    hidi_adversary adversary;
    hidi_optimizer student_optimizer, fake_optimizer;
    hidi_task task;
};

/* --- the losses ------------------------------------------------------------------------------- */

/* What an iteration's losses are made of: scalars; NULL: not part of this iteration. */
typedef struct losses {
    hidi_var *dm, *adversarial, *td; /* of L_G                             */
    hidi_var *fake;                  /* L_fake                             */
    hidi_adversary_terms heads;      /* of L_D                             */
    hidi_var *total;                 /* where the backward pass starts     */
} losses;

/* Where noise e' and time t of a noised sample come from: every use has streams of its own. */
typedef struct level {
    hidi_stream noise, time;
} level;

static const level matching = {HIDI_STREAM_MATCHING_NOISE, HIDI_STREAM_MATCHING_TIME};
static const level fake_score = {HIDI_STREAM_FAKE_SCORE_NOISE, HIDI_STREAM_FAKE_SCORE_TIME};

/* What the losses of some samples of an iteration are computed with. */
typedef struct pass {
    const hidi_stage2 *s;
    hidi_tape *tape;
    hidi_batch *batch;
} pass;

/* e' ~ N(0, I) [B, C, H, W], t [B] */
static void draw(const pass *p, const level *l, const hidi_time_options *time, hidi_var **e,
                 hidi_var **t)
{
    *e = hidi_batch_noise(p->batch, p->tape, l->noise);
    *t = hidi_batch_times(p->batch, p->tape, time, l->time);
}

/* a + weight b */
static hidi_var *plus(hidi_tape *tape, hidi_var *a, double weight, hidi_var *b)
{
    return hidi_add(tape, a, hidi_scale(tape, b, (hidi_real)weight));
}

/* L_MeanFlow on real images x: stage 1's loss, kept beside stage 2's. */
static hidi_var *retained_loss(const pass *p, hidi_var *x)
{
    const hidi_stage2 *s = p->s;
    hidi_meanflow_terms meanflow;
    hidi_var *t, *r;
    hidi_var *e = hidi_batch_noise(p->batch, p->tape, HIDI_STREAM_RETAINED_NOISE);
    hidi_batch_intervals(p->batch, p->tape, &s->options.interval, &t, &r);
    const hidi_meanflow_options *o = &s->options.meanflow;
    const hidi_meanflow_target target = hidi_batch_target(p->batch, p->tape, o, s->average);
    return hidi_meanflow_loss(p->tape, s->student, s->teacher, x, e, t, r, &p->batch->y, o,
                              &target, &meanflow);
}

/* L_G = L_dm + lambda_adv L_adv + lambda_td L_MeanFlow, from x_gen = G(e, y) with its gradient */
static hidi_var *generator_loss(const pass *p, hidi_var *x_gen, hidi_var *x, losses *L)
{
    const hidi_stage2 *s = p->s;
    const hidi_stage2_options *o = &s->options;
    hidi_dmd_terms dmd;
    hidi_var *e, *t;
    draw(p, &matching, &o->time, &e, &t);
    hidi_var *loss = L->dm = hidi_dmd_loss(p->tape, x_gen, s->teacher, s->fake, o->guidance, t, e,
                                           &p->batch->y, &dmd);
    if (s->adversary.heads != NULL) {
        L->adversarial = hidi_adversary_deceived(&s->adversary, p->tape, p->batch, x_gen);
        loss = plus(p->tape, loss, o->adversary.weight, L->adversarial);
    }
    if (o->td_weight > 0) {
        L->td = retained_loss(p, x);
        loss = plus(p->tape, loss, o->td_weight, L->td);
    }
    return loss;
}

/* L_fake = mean || v_fake(z_t, t, y) - (e' - x_g) ||^2: flow matching on G's samples */
static hidi_var *fake_score_loss(const pass *p, hidi_var *x_g, losses *L)
{
    hidi_var *e, *t;
    draw(p, &fake_score, &p->s->options.time, &e, &t);
    return L->fake = hidi_flow_loss(p->tape, p->s->fake, x_g, e, t, &p->batch->y);
}

/* --- an iteration ----------------------------------------------------------------------------- */

enum {
    FAKE_LOSS, DM_LOSS, ADV_LOSS, TD_LOSS, D_LOSS, R1_LOSS, D_REAL, D_FAKE,
    GRAD_NORM, FAKE_GRAD_NORM, HEAD_GRAD_NORM, RATE
};
static const char *const columns[] = {"fake_loss", "dm_loss",        "adv_loss",       "td_loss",
                                      "d_loss",    "r1_loss",        "d_real",         "d_fake",
                                      "grad_norm", "fake_grad_norm", "head_grad_norm",
                                      "learning_rate", NULL};

static hidi_status read_terms(hidi_tape *tape, const losses *L, double *values)
{
    const hidi_term terms[] = {
        {L->fake, "the fake score's loss", FAKE_LOSS},
        {L->heads.discriminator, "the discriminator's loss", D_LOSS},
        {L->heads.d_real, "D(real)", D_REAL},
        {L->heads.d_fake, "D(fake)", D_FAKE},
        {L->heads.r1, "approximate R1", R1_LOSS},
        {L->dm, "the distribution matching loss", DM_LOSS},
        {L->adversarial, "the adversarial loss", ADV_LOSS},
        {L->td, "the MeanFlow loss", TD_LOSS},
    };
    return hidi_read_terms(tape, terms, sizeof terms / sizeof terms[0], values);
}

/* Two time scales: fake score and heads learn in every iteration, the generator when it is its
 * turn. */
static bool generator_steps(const hidi_stage2 *s, long step)
{
    return step % s->options.generator_every == 0;
}

static hidi_status accumulate(void *self, hidi_worker *worker, double *terms)
{
    const hidi_stage2 *s = self;
    const pass p = {s, worker->tape, &worker->batch};
    const bool with_generator = generator_steps(s, p.batch->step);
    losses L = {0};

    hidi_var *x = hidi_batch_images(p.batch, p.tape);
    hidi_var *e = hidi_batch_noise(p.batch, p.tape, HIDI_STREAM_NOISE);
    hidi_var *x_gen = hidi_generate(p.tape, s->student, !with_generator, e, &p.batch->y);
    hidi_var *x_g = hidi_stop_gradient(p.tape, x_gen);

    L.total = fake_score_loss(&p, x_g, &L);
    if (s->adversary.heads != NULL)
        L.total = plus(p.tape, L.total, s->options.discriminator_weight,
                       hidi_adversary_loss(&s->adversary, p.tape, p.batch, x_g, x, &L.heads));
    if (with_generator)
        L.total = hidi_add(p.tape, L.total, generator_loss(&p, x_gen, x, &L));

    HIDI_TRY(read_terms(p.tape, &L, terms));
    return hidi_worker_backward(worker, L.total);
}

static hidi_status update(void *self, long step, double *values)
{
    hidi_stage2 *s = self;
    const hidi_stage2_options *o = &s->options;
    const double rate = values[RATE] = hidi_learning_rate(&o->schedule, step);
    HIDI_TRY(hidi_optimizer_step(&s->fake_optimizer, rate * o->fake_rate, &values[FAKE_GRAD_NORM]));
    if (s->adversary.heads != NULL)
        HIDI_TRY(hidi_adversary_step(&s->adversary, rate, &values[HEAD_GRAD_NORM]));
    if (!generator_steps(s, step))
        return HIDI_OK;
    HIDI_TRY(hidi_optimizer_step(&s->student_optimizer, rate, &values[GRAD_NORM]));
    hidi_ema_update(&s->average->params, &s->student->params, o->ema, s->student_optimizer.updates);
    return HIDI_OK;
}

/* --- its options ------------------------------------------------------------------------------ */

hidi_stage2_options hidi_stage2_defaults(void)
{
    const hidi_stage1_options stage1 = hidi_stage1_defaults();
    return (hidi_stage2_options){
        .batch = 64,
        .micro_batch = HIDI_MICRO_BATCH,
        .seed = 3,
        .ema = 0.99,
        .guidance = 1.25,
        .generator_every = 2,
        .time = {.density = HIDI_TIME_UNIFORM, .least = 0.35, .most = 0.98, .mean = 0,
                 .deviation = 1},
        .adversary = hidi_adversary_defaults(0.005, 10),
        .discriminator_weight = 1,
        .backbone = HIDI_BACKBONE_TEACHER,
        .td_weight = 0.05,
        .interval = stage1.interval,
        .meanflow = stage1.meanflow,
        .adamw = hidi_adamw_defaults(),
        .schedule = {.rate = 1e-4, .warmup = 20, .decay = HIDI_DECAY_COSINE, .final = 0.05,
                     .steps = 600},
        .fake_rate = 2};
}

static hidi_status check(const hidi_stage2_options *o)
{
    HIDI_TRY(hidi_batch_sizes_check(o->batch, o->micro_batch));
    HIDI_TRY(hidi_ema_check(o->ema));
    HIDI_TRY(hidi_require(isfinite(o->guidance), "guidance", o->guidance, "a finite number"));
    HIDI_TRY(hidi_require(o->generator_every >= 1, "generator_every", (double)o->generator_every,
                          "1 or more"));
    HIDI_TRY(hidi_error_prefix(hidi_time_check(&o->time), "time"));
    HIDI_TRY(hidi_adversary_check(&o->adversary));
    HIDI_TRY(hidi_require_not_negative("discriminator_weight", o->discriminator_weight));
    HIDI_TRY(hidi_require(o->adversary.weight == 0 || o->discriminator_weight > 0,
                          "discriminator_weight", o->discriminator_weight,
                          "more than 0, where adversary_weight is not 0"));
    HIDI_TRY(hidi_require_choice("backbone", o->backbone, HIDI_BACKBONES));
    HIDI_TRY(hidi_require_not_negative("td_weight", o->td_weight));
    HIDI_TRY(hidi_error_prefix(hidi_interval_check(&o->interval), "interval"));
    HIDI_TRY(hidi_error_prefix(hidi_meanflow_check(&o->meanflow), "meanflow"));
    HIDI_TRY(hidi_error_prefix(hidi_adamw_check(&o->adamw), "adamw"));
    HIDI_TRY(hidi_error_prefix(hidi_schedule_check(&o->schedule), "schedule"));
    return hidi_require_not_negative("fake_rate", o->fake_rate);
}

hidi_status hidi_stage2_check(const hidi_stage2_options *options)
{
    return hidi_error_prefix(check(options), "stage 2");
}

/* --- the training ----------------------------------------------------------------------------- */

static hidi_status to_file(void *self, hidi_tensor_file *file)
{
    const hidi_stage2 *s = self;
    HIDI_TRY(hidi_dit_to_file(s->student, "student.", file));
    HIDI_TRY(hidi_dit_to_file(s->average, "average.", file));
    HIDI_TRY(hidi_dit_to_file(s->fake, "fake.", file));
    HIDI_TRY(hidi_optimizer_to_file(&s->student_optimizer, "student_adamw.", file));
    HIDI_TRY(hidi_optimizer_to_file(&s->fake_optimizer, "fake_adamw.", file));
    return hidi_adversary_to_file(&s->adversary, file);
}

static hidi_status read_params(hidi_params *params, const char *prefix,
                               const hidi_tensor_file *file)
{
    return hidi_params_from_file(params, params->value, prefix, file);
}

static hidi_status from_file(void *self, const hidi_tensor_file *file)
{
    hidi_stage2 *s = self;
    HIDI_TRY(read_params(&s->student->params, "student.", file));
    HIDI_TRY(read_params(&s->average->params, "average.", file));
    HIDI_TRY(read_params(&s->fake->params, "fake.", file));
    HIDI_TRY(hidi_optimizer_from_file(&s->student_optimizer, "student_adamw.", file));
    HIDI_TRY(hidi_optimizer_from_file(&s->fake_optimizer, "fake_adamw.", file));
    return hidi_adversary_from_file(&s->adversary, file);
}

static hidi_status begin(hidi_stage2 *s, const hidi_dit *student, const hidi_dataset *data,
                         const char *settings)
{
    const hidi_stage2_options *o = &s->options;
    HIDI_TRY(hidi_dit_copy(&s->student, student));
    HIDI_TRY(hidi_dit_copy(&s->average, student));
    HIDI_TRY(hidi_dit_copy(&s->fake, s->teacher));
    HIDI_TRY(hidi_optimizer_init(&s->student_optimizer, &s->student->params, &o->adamw));
    HIDI_TRY(hidi_optimizer_init(&s->fake_optimizer, &s->fake->params, &o->adamw));
    const bool reads_fake = o->backbone == HIDI_BACKBONE_FAKE;
    HIDI_TRY(hidi_adversary_init(&s->adversary, &o->adversary, reads_fake ? s->fake : s->teacher,
                                 reads_fake, &o->adamw, o->seed));
    hidi_heads *heads = s->adversary.heads;
    s->task = (hidi_task){.label = "stage 2", .columns = columns, .settings = settings,
                          .data = data, .seed = o->seed, .batch = o->batch,
                          .micro_batch = o->micro_batch,
                          .trained = {&s->fake->params, &s->student->params,
                                      heads != NULL ? &heads->params : NULL},
                          .self = s, .accumulate = accumulate, .update = update,
                          .to_file = to_file, .from_file = from_file};
    return HIDI_OK;
}

hidi_status hidi_stage2_create(hidi_stage2 **training, const hidi_dit *student,
                               const hidi_dit *teacher, const hidi_dataset *data,
                               const hidi_stage2_options *options, const char *settings)
{
    *training = NULL;
    HIDI_TRY(hidi_stage2_check(options));
    hidi_stage2 *s = *training = calloc(1, sizeof *s);
    if (s == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for the training of stage 2");
    s->options = *options;
    s->teacher = teacher;
    const hidi_status status = begin(s, student, data, settings);
    if (status != HIDI_OK) {
        hidi_stage2_destroy(s);
        *training = NULL;
    }
    return status;
}

void hidi_stage2_destroy(hidi_stage2 *s)
{
    if (s == NULL)
        return;
    hidi_optimizer_free(&s->student_optimizer);
    hidi_optimizer_free(&s->fake_optimizer);
    hidi_adversary_free(&s->adversary);
    hidi_dit_destroy(s->fake);
    hidi_dit_destroy(s->average);
    hidi_dit_destroy(s->student);
    free(s);
}

const hidi_task *hidi_stage2_task(const hidi_stage2 *s)
{
    return &s->task;
}

const hidi_dit *hidi_stage2_student(const hidi_stage2 *s)
{
    return s->student;
}

const hidi_dit *hidi_stage2_result(const hidi_stage2 *s)
{
    return s->average;
}

const hidi_dit *hidi_stage2_fake(const hidi_stage2 *s)
{
    return s->fake;
}

const hidi_heads *hidi_stage2_heads(const hidi_stage2 *s)
{
    return s->adversary.heads;
}

hidi_dit *hidi_stage2_take_result(hidi_stage2 *s)
{
    hidi_dit *result = s->average;
    s->average = NULL;
    return result;
}
