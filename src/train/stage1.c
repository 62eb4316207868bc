/* Stage 1: trajectory distillation   [HD names it; formulas base: MeanFlow, arXiv 2505.13447]
 *
 *     v     = v_w^teacher(z_t, t, y)
 *     u, du = jvp(u_theta(., r, ., y); (z_t, t); (v, 1))
 *     u_tgt = stopgrad(v - (t - r) du)
 *     L     = mean( d / stopgrad(d + c)^p ),   d = sum over pixels of (u - u_tgt)^2
 *
 * The loss is hidi_meanflow_loss; here it is given its draws, logged, and followed downhill. */
#include "train/stage1.h"

#include <math.h>
#include <stdlib.h>

#include "model/params_file.h"
#include "train/options.h"
#include "train/terms.h"

struct hidi_stage1 {
    hidi_stage1_options options;
    const hidi_dit *teacher; /* borrowed, frozen                 */
    hidi_dit *student;       /* the weights that are trained     */
    hidi_dit *average;       /* their moving average: the result */
    hidi_optimizer optimizer;
    hidi_task task;
};

/* error: d per pixel; *_rms: root mean square of a pixel */
enum { LOSS, ERROR, U_RMS, V_RMS, DUDT_RMS, GRAD_NORM, RATE };
static const char *const columns[] = {"loss",     "error",     "u_rms",         "v_rms",
                                      "dudt_rms", "grad_norm", "learning_rate", NULL};

static hidi_var *mean_square(hidi_tape *tape, const hidi_var *x)
{
    return hidi_mean(tape, hidi_square(tape, hidi_stop_gradient(tape, x)));
}

/* The squares' means: their roots are taken once they are those of the whole batch. */
static hidi_status read_terms(hidi_worker *worker, const hidi_meanflow_terms *m, double *terms)
{
    hidi_tape *tape = worker->tape;
    const hidi_term list[] = {
        {mean_square(tape, m->v), "the teacher's velocity v", V_RMS},
        {mean_square(tape, m->u), "the average velocity u", U_RMS},
        {mean_square(tape, m->dudt), "the tangent du/dt", DUDT_RMS},
        {hidi_mean(tape, hidi_stop_gradient(tape, m->error)), "the MeanFlow error", ERROR},
        {m->loss, "the MeanFlow loss", LOSS},
    };
    HIDI_TRY(hidi_read_terms(tape, list, sizeof list / sizeof list[0], terms));
    terms[ERROR] /= (double)hidi_count(hidi_batch_shape(&worker->batch)) /
                    (double)worker->batch.size; /* pixels of a sample */
    return HIDI_OK;
}

static hidi_status accumulate(void *self, hidi_worker *worker, double *terms)
{
    const hidi_stage1 *s = self;
    const hidi_stage1_options *o = &s->options;
    hidi_tape *tape = worker->tape;
    hidi_batch *batch = &worker->batch;
    hidi_meanflow_terms m;
    hidi_var *t, *r;
    hidi_var *x = hidi_batch_images(batch, tape);
    hidi_var *e = hidi_batch_noise(batch, tape, HIDI_STREAM_NOISE);
    hidi_batch_intervals(batch, tape, &o->interval, &t, &r);
    hidi_meanflow_target target = hidi_batch_target(batch, tape, &o->meanflow, s->average);
    target.share = hidi_tangent_share(&o->meanflow, batch->step);
    hidi_var *loss = hidi_meanflow_loss(tape, s->student, s->teacher, x, e, t, r, &batch->y,
                                        &o->meanflow, &target, &m);
    HIDI_TRY(read_terms(worker, &m, terms));
    return hidi_worker_backward(worker, loss);
}

static hidi_status update(void *self, long step, double *values)
{
    hidi_stage1 *s = self;
    const hidi_stage1_options *o = &s->options;
    for (int i = U_RMS; i <= DUDT_RMS; i++)
        values[i] = sqrt(values[i]);
    values[RATE] = hidi_learning_rate(&o->schedule, step);
    HIDI_TRY(hidi_optimizer_step(&s->optimizer, values[RATE], &values[GRAD_NORM]));
    hidi_ema_update(&s->average->params, &s->student->params, o->ema, s->optimizer.updates);
    return HIDI_OK;
}

static hidi_status to_file(void *self, hidi_tensor_file *file)
{
    const hidi_stage1 *s = self;
    HIDI_TRY(hidi_dit_to_file(s->student, "student.", file));
    HIDI_TRY(hidi_dit_to_file(s->average, "average.", file));
    return hidi_optimizer_to_file(&s->optimizer, "adamw.", file);
}

static hidi_status from_file(void *self, const hidi_tensor_file *file)
{
    hidi_stage1 *s = self;
    hidi_params *student = &s->student->params, *average = &s->average->params;
    HIDI_TRY(hidi_params_from_file(student, student->value, "student.", file));
    HIDI_TRY(hidi_params_from_file(average, average->value, "average.", file));
    return hidi_optimizer_from_file(&s->optimizer, "adamw.", file);
}

hidi_dit_config hidi_student_config(const hidi_dit_config *teacher, const hidi_student_options *o)
{
    hidi_dit_config c = *teacher;
    c.width = o->width ? o->width : teacher->width;
    c.depth = o->depth ? o->depth : teacher->depth;
    c.heads = o->heads ? o->heads : teacher->heads;
    c.mlp_width = (teacher->mlp_width * c.width + teacher->width / 2) / teacher->width;
    c.has_interval = true;
    c.bf16 = false;
    c.prediction = o->start == HIDI_START_TEACHER ? c.prediction : HIDI_VELOCITY;
    return c;
}

hidi_status hidi_student_create(hidi_dit **student, const hidi_dit *teacher,
                                const hidi_student_options *o, uint64_t seed)
{
    const hidi_dit_config *t = &teacher->config, c = hidi_student_config(t, o);
    if (o->start == HIDI_START_TEACHER) {
        if (c.width == t->width && c.heads == t->heads)
            return hidi_dit_student_of_depth(student, teacher, c.depth, seed);
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "a student of width %zu, %zu heads cannot start from the weights of a "
                          "teacher of %zu, %zu: student.start=random",
                          c.width, c.heads, t->width, t->heads);
    }
    HIDI_TRY(hidi_dit_create(student, teacher->params.backend, &c));
    return hidi_dit_initialise(*student, seed);
}

hidi_stage1_options hidi_stage1_defaults(void)
{
    return (hidi_stage1_options){
        .batch = 64,
        .micro_batch = HIDI_MICRO_BATCH,
        .seed = 2,
        .ema = 0.99,
        .interval = {.sampler = HIDI_INTERVAL_COVER, .same = 0.25, .from_zero = 0.6, .mean = -0.4,
                     .deviation = 1},
        .meanflow = {.guidance = 1.5, .p = 1, .c = 1, .difference = 0.05, .bound = 1},
        .adamw = hidi_adamw_defaults(),
        .schedule = {.rate = 1e-3, .warmup = 100, .decay = HIDI_DECAY_COSINE, .final = 0.05,
                     .steps = 1500},
        .student = {.start = HIDI_START_TEACHER}};
}

static hidi_status check(const hidi_stage1_options *o)
{
    HIDI_TRY(hidi_batch_sizes_check(o->batch, o->micro_batch));
    HIDI_TRY(hidi_ema_check(o->ema));
    HIDI_TRY(hidi_error_prefix(hidi_interval_check(&o->interval), "interval"));
    HIDI_TRY(hidi_error_prefix(hidi_meanflow_check(&o->meanflow), "meanflow"));
    HIDI_TRY(hidi_error_prefix(hidi_adamw_check(&o->adamw), "adamw"));
    HIDI_TRY(hidi_error_prefix(hidi_schedule_check(&o->schedule), "schedule"));
    return hidi_error_prefix(
        hidi_require_choice("start", o->student.start, HIDI_STUDENT_STARTS), "student");
}

hidi_status hidi_stage1_check(const hidi_stage1_options *options)
{
    return hidi_error_prefix(check(options), "stage 1");
}

static hidi_status begin(hidi_stage1 *s, const hidi_dataset *data, const char *settings)
{
    const hidi_stage1_options *o = &s->options;
    HIDI_TRY(hidi_student_create(&s->student, s->teacher, &o->student, o->seed));
    HIDI_TRY(hidi_dit_copy(&s->average, s->student));
    s->task = (hidi_task){.label = "stage 1", .columns = columns, .settings = settings,
                          .data = data, .seed = o->seed, .batch = o->batch,
                          .micro_batch = o->micro_batch, .trained = {&s->student->params},
                          .self = s, .accumulate = accumulate, .update = update,
                          .to_file = to_file, .from_file = from_file};
    return hidi_optimizer_init(&s->optimizer, &s->student->params, &o->adamw);
}

hidi_status hidi_stage1_create(hidi_stage1 **training, const hidi_dit *teacher,
                               const hidi_dataset *data, const hidi_stage1_options *options,
                               const char *settings)
{
    *training = NULL;
    HIDI_TRY(hidi_stage1_check(options));
    hidi_stage1 *s = *training = calloc(1, sizeof *s);
    if (s == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for the training of stage 1");
    s->options = *options;
    s->teacher = teacher;
    const hidi_status status = begin(s, data, settings);
    if (status != HIDI_OK) {
        hidi_stage1_destroy(s);
        *training = NULL;
    }
    return status;
}

void hidi_stage1_destroy(hidi_stage1 *s)
{
    if (s == NULL)
        return;
    hidi_optimizer_free(&s->optimizer);
    hidi_dit_destroy(s->average);
    hidi_dit_destroy(s->student);
    free(s);
}

const hidi_task *hidi_stage1_task(const hidi_stage1 *s)
{
    return &s->task;
}

const hidi_dit *hidi_stage1_student(const hidi_stage1 *s)
{
    return s->student;
}

const hidi_dit *hidi_stage1_result(const hidi_stage1 *s)
{
    return s->average;
}

hidi_dit *hidi_stage1_take_result(hidi_stage1 *s)
{
    hidi_dit *result = s->average;
    s->average = NULL;
    return result;
}
