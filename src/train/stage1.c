/* stage1.c */
#include "train/stage1.h"

#include <math.h>
#include <string.h>

#include "model/params_file.h"

/* error: squared, a pixel; *_rms: root mean square a pixel, du/dt's being the tangent's */
static const char *const columns[] = {"loss",     "error",     "u_rms",         "v_rms",
                                      "dudt_rms", "grad_norm", "learning_rate", NULL};

static hidi_status root_mean_square(hidi_tape *tape, const hidi_var *x, const char *name,
                                    double *value)
{
    hidi_var *square = hidi_square(tape, hidi_stop_gradient(tape, x));
    HIDI_TRY(hidi_read_scalar(tape, hidi_mean(tape, square), name, value));
    *value = sqrt(*value);
    return HIDI_OK;
}

static hidi_status log_terms(hidi_stage1_training *s, const hidi_meanflow_terms *terms, double *values)
{
    hidi_var *error = hidi_mean(s->tape, hidi_stop_gradient(s->tape, terms->error));
    const double pixels = (double)hidi_count(hidi_batch_shape(&s->batch)) / (double)s->batch.size;
    HIDI_TRY(root_mean_square(s->tape, terms->v, "the teacher's velocity v", &values[3]));
    HIDI_TRY(root_mean_square(s->tape, terms->u, "the average velocity u", &values[2]));
    HIDI_TRY(root_mean_square(s->tape, terms->dudt, "the tangent du/dt", &values[4]));
    HIDI_TRY(hidi_read_scalar(s->tape, error, "the MeanFlow error", &values[1]));
    values[1] /= pixels;
    return hidi_read_scalar(s->tape, terms->loss, "the MeanFlow loss", &values[0]);
}

static hidi_status step(void *self, long step, double *values)
{
    hidi_stage1_training *s = self;
    const hidi_stage1_options *o = &s->options;
    hidi_meanflow_terms terms;
    hidi_var *t, *r;
    hidi_tape_reset(s->tape);
    hidi_var *x = hidi_batch_images(&s->batch, s->tape, step);
    hidi_var *e = hidi_batch_noise(&s->batch, s->tape, HIDI_STREAM_NOISE, step);
    hidi_batch_intervals(&s->batch, s->tape, &o->interval, step, &t, &r);
    hidi_meanflow_loss(s->tape, s->student, s->teacher, x, e, t, r, s->batch.label, &o->meanflow,
                       &terms);
    HIDI_TRY(hidi_tape_status(s->tape));
    HIDI_TRY(log_terms(s, &terms, values));
    HIDI_TRY(hidi_tape_backward(s->tape, terms.loss, NULL));
    values[6] = hidi_learning_rate(&o->schedule, step);
    HIDI_TRY(hidi_optimizer_step(&s->optimizer, values[6], &values[5]));
    hidi_ema_update(&s->average->params, &s->student->params, o->ema, s->optimizer.updates);
    return HIDI_OK;
}

static hidi_status to_file(void *self, hidi_tensor_file *file)
{
    const hidi_stage1_training *s = self;
    HIDI_TRY(hidi_dit_to_file(s->student, "student.", file));
    HIDI_TRY(hidi_dit_to_file(s->average, "average.", file));
    return hidi_optimizer_to_file(&s->optimizer, "adamw.", file);
}

static hidi_status from_file(void *self, const hidi_tensor_file *file)
{
    hidi_stage1_training *s = self;
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
    c.has_interval = true;
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

hidi_status hidi_stage1_init(hidi_stage1_training *s, const hidi_dit *teacher, const hidi_dataset *data,
                         const hidi_stage1_options *options, const char *settings)
{
    memset(s, 0, sizeof *s);
    s->options = *options;
    s->teacher = teacher;
    s->task = (hidi_task){"stage 1", columns, settings, s, step, to_file, from_file};
    s->tape = hidi_tape_create(teacher->params.backend);
    if (s->tape == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a tape");
    HIDI_TRY(hidi_student_create(&s->student, teacher, &options->student, options->seed));
    HIDI_TRY(hidi_dit_copy(&s->average, s->student));
    HIDI_TRY(hidi_optimizer_init(&s->optimizer, &s->student->params, &options->adamw));
    return hidi_batch_init(&s->batch, data, options->batch, options->seed);
}

void hidi_stage1_free(hidi_stage1_training *s)
{
    hidi_optimizer_free(&s->optimizer);
    hidi_batch_free(&s->batch);
    hidi_tape_destroy(s->tape);
    hidi_dit_destroy(s->average);
    hidi_dit_destroy(s->student);
    memset(s, 0, sizeof *s);
}
