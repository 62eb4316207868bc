/* study_plots.c - a study as curves, one for each variant, and as rows of samples that start from
 * the same noise. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/study_results.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/image.h"
#include "lab/log_plot.h"

/* --- plots ------------------------------------------------------------------------------------ */

enum { MOST_POINTS = 256 };

/* A plot with a curve for each variant that has one. */
typedef struct figure {
    hidi_series *series; /* [variants] */
    size_t n;
} figure;

static hidi_status figure_init(figure *f, const hidi_plan *plan)
{
    f->n = 0;
    f->series = calloc((size_t)plan->study->n, sizeof *f->series);
    return f->series ? HIDI_OK : hidi_error(HIDI_NO_MEMORY, "out of memory");
}

static void figure_free(figure *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free((double *)f->series[i].x);
        free((double *)f->series[i].y);
    }
    free(f->series);
}

static hidi_status add_curve(figure *f, const char *label, const double *x, const double *y,
                             size_t n)
{
    double *xs = malloc(n * sizeof *xs), *ys = malloc(n * sizeof *ys);
    if (xs == NULL || ys == NULL) {
        free(xs);
        free(ys);
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    }
    memcpy(xs, x, n * sizeof *x);
    memcpy(ys, y, n * sizeof *y);
    f->series[f->n++] = (hidi_series){label, xs, ys, n};
    return HIDI_OK;
}

/* Distance against the number of updates (over the training) or of sampling steps. */
static hidi_status distance_curve(figure *f, const hidi_plan *plan, const hidi_variant *v,
                                  const char *against, bool from_end, size_t first, size_t stride,
                                  size_t most)
{
    hidi_seed_column x, y;
    double xs[MOST_POINTS], ys[MOST_POINTS];
    size_t n = 0;
    HIDI_TRY(hidi_seed_column_read(&x, plan, v, ".csv", against));
    hidi_status status = hidi_seed_column_read(&y, plan, v, ".csv", "distance");
    if (status != HIDI_OK) {
        hidi_seed_column_free(&x);
        return status;
    }
    for (size_t row = first; n < most && n < MOST_POINTS; row += stride, n++) {
        const hidi_seed_mean mx = hidi_seed_column_mean(&x, row, from_end);
        const hidi_seed_mean my = hidi_seed_column_mean(&y, row, from_end);
        if (mx.n == 0)
            break;
        xs[n] = mx.mean;
        ys[n] = my.mean;
    }
    hidi_seed_column_free(&x);
    hidi_seed_column_free(&y);
    return n > 0 ? add_curve(f, v->name, xs, ys, n) : HIDI_OK;
}

static hidi_status spectrum_curve(figure *f, const hidi_plan *plan, const hidi_variant *v)
{
    double x[MOST_POINTS], y[MOST_POINTS];
    const size_t times = v->n_steps > 0 ? (size_t)v->n_steps : 1;
    size_t n = 0;
    for (; n < MOST_POINTS; n++) {
        char name[32];
        hidi_seed_column c;
        snprintf(name, sizeof name, "power_%zu", n + 1);
        if (hidi_seed_column_read(&c, plan, v, ".csv", name) != HIDI_OK)
            break; /* no frequency beyond */
        y[n] = hidi_seed_column_mean(&c, times - 1, true).mean;
        x[n] = (double)(n + 1);
        hidi_seed_column_free(&c);
    }
    return n > 0 ? add_curve(f, v->name, x, y, n) : HIDI_OK;
}

static hidi_status draw(const hidi_plan *plan, const figure *f, const char *name, const char *title,
                        const char *x, const char *y, bool log_x, bool log_y, FILE *page)
{
    char path[HIDI_PATH];
    if (f->n == 0)
        return HIDI_OK;
    const hidi_plot plot = {.title = title,
                            .x_label = x,
                            .y_label = y,
                            .log_x = log_x,
                            .log_y = log_y,
                            .smooth = 1,
                            .series = f->series,
                            .n_series = f->n};
    HIDI_TRY(hidi_write_plot(&plot, hidi_path(path, sizeof path, plan->out, name)));
    fprintf(page, "\n![%s](%s)\n", title, name);
    return HIDI_OK;
}

static hidi_status draw_training(const hidi_plan *plan, FILE *page)
{
    figure f;
    hidi_status status = figure_init(&f, plan);
    for (int i = 0; i < plan->study->n && status == HIDI_OK; i++) {
        const hidi_variant *v = &plan->study->variant[i];
        if (v->snapshots)
            status = distance_curve(&f, plan, v, "cost", false, 0,
                                    v->n_steps > 0 ? (size_t)v->n_steps : 1, MOST_POINTS);
    }
    if (status == HIDI_OK)
        status = draw(plan, &f, "training.svg", "Distance over training",
                      "training, in steps of stage 1", "distance", false, true, page);
    figure_free(&f);
    return status;
}

static hidi_status draw_steps(const hidi_plan *plan, FILE *page)
{
    figure f;
    hidi_status status = figure_init(&f, plan);
    for (int i = 0; i < plan->study->n && status == HIDI_OK; i++) {
        const hidi_variant *v = &plan->study->variant[i];
        if (v->n_steps > 1)
            status = distance_curve(&f, plan, v, "sampling_steps", true, 0, 1, (size_t)v->n_steps);
    }
    if (status == HIDI_OK)
        status = draw(plan, &f, "steps.svg", "Distance by the number of sampling steps",
                      "sampling steps", "distance", true, true, page);
    figure_free(&f);
    return status;
}

static hidi_status draw_spectrum(const hidi_plan *plan, FILE *page)
{
    figure f;
    hidi_status status = figure_init(&f, plan);
    for (int i = 0; i < plan->study->n && status == HIDI_OK; i++)
        status = spectrum_curve(&f, plan, &plan->study->variant[i]);
    if (status == HIDI_OK)
        status = draw(plan, &f, "spectrum.svg", "Power of the samples relative to real images",
                      "radius in cycles per image", "power / real power", false, false, page);
    figure_free(&f);
    return status;
}

/* --- pictures --------------------------------------------------------------------------------- */

/* The rows of pictures of the first seed, one under the other. */
static hidi_status stack_pictures(const hidi_plan *plan, hidi_image *all, FILE *page)
{
    char path[HIDI_PATH];
    size_t rows = 0;
    for (int i = 0; i < plan->n; i++) {
        const hidi_study_task *task = &plan->task[i];
        hidi_image one;
        if (task->kind != HIDI_DO_MEASURE ||
            access(hidi_task_file(path, sizeof path, task, ".png"), F_OK) != 0)
            continue;
        HIDI_TRY(hidi_png_read(&one, path, 3));
        const size_t bytes = one.width * one.height * 3;
        uint8_t *more = NULL;
        if (all->pixel == NULL || all->width == one.width)
            more = realloc(all->pixel, all->width * all->height * 3 + bytes);
        if (more != NULL) {
            memcpy(more + all->width * all->height * 3, one.pixel, bytes);
            *all = (hidi_image){one.width, all->height + one.height, 3, more, 0};
        }
        hidi_image_free(&one);
        if (more == NULL)
            return hidi_error(HIDI_BAD_FORMAT, "%s: its width differs from the others'", path);
        fprintf(page, "%s%s",
                rows++ ? "; "
                       : "\nFrom top to bottom, the same noise and class in each column: ",
                task->variant->name);
    }
    if (rows > 0)
        fprintf(page, ".\n\n![Samples](samples.png)\n");
    return HIDI_OK;
}

static hidi_status write_pictures(const hidi_plan *plan, FILE *page)
{
    char path[HIDI_PATH];
    hidi_image all = {0, 0, 3, NULL, 0};
    hidi_status status = stack_pictures(plan, &all, page);
    if (status == HIDI_OK && all.pixel != NULL)
        status = hidi_png_write(&all, hidi_path(path, sizeof path, plan->out, "samples.png"));
    free(all.pixel);
    return status;
}

hidi_status hidi_study_draw(const hidi_plan *plan, FILE *page)
{
    HIDI_TRY(draw_training(plan, page));
    HIDI_TRY(draw_steps(plan, page));
    HIDI_TRY(draw_spectrum(plan, page));
    return write_pictures(plan, page);
}
