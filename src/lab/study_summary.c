/* study_summary.c - the results of a study: one table of all rows, and a page with means. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/log_plot.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/image.h"
#include "eval/defects.h"

/* --- all rows --------------------------------------------------------------------------------- */

/* Appends a file's rows; its header too if it is the first. */
static hidi_status append_rows(const char *path, FILE *out, char **header)
{
    unsigned char *data;
    HIDI_TRY(hidi_read_file(path, &data, NULL));
    char *text = (char *)data, *rows = text + strcspn(text, "\n");
    rows += *rows != '\0';
    const size_t length = (size_t)(rows - text);
    hidi_status status = HIDI_OK;
    if (*header == NULL) {
        *header = calloc(length + 1, 1);
        if (*header == NULL)
            status = hidi_error(HIDI_NO_MEMORY, "out of memory");
        else
            fputs(memcpy(*header, text, length), out);
    }
    if (status == HIDI_OK && (strlen(*header) != length || strncmp(*header, text, length) != 0))
        status = hidi_error(HIDI_BAD_FORMAT, "%s: other columns than the study's", path);
    if (status == HIDI_OK)
        fputs(rows, out);
    free(data);
    return status;
}

/* One file from those of the measurements with this ending; nothing if there are none. */
static hidi_status collect(const hidi_plan *plan, const char *ending, const char *name)
{
    char path[HIDI_PATH], *header = NULL;
    hidi_atomic_file file;
    HIDI_TRY(hidi_atomic_open(&file, hidi_path(path, sizeof path, plan->out, name)));
    hidi_status status = HIDI_OK;
    for (int i = 0; i < plan->n && status == HIDI_OK; i++) {
        if (plan->task[i].kind != HIDI_DO_MEASURE || plan->task[i].state != HIDI_DONE)
            continue;
        hidi_task_file(path, sizeof path, &plan->task[i], ending);
        if (access(path, F_OK) == 0)
            status = append_rows(path, file.out, &header);
    }
    const bool any = header != NULL;
    free(header);
    if (status == HIDI_OK && any)
        return hidi_atomic_commit(&file);
    hidi_atomic_abandon(&file);
    return status;
}

hidi_status hidi_study_collect(const hidi_plan *plan)
{
    HIDI_TRY(collect(plan, ".csv", "results.csv"));
    return collect(plan, "-defects.csv", "defects.csv");
}

/* --- means over seeds ------------------------------------------------------------------------- */

typedef struct mean {
    double mean, deviation; /* deviation: of the sample, NaN below two */
    int n;                  /* finite values                           */
} mean;

static mean mean_of(const double *x, int n)
{
    mean m = {0, 0, 0};
    for (int i = 0; i < n; i++)
        if (isfinite(x[i])) {
            m.mean += x[i];
            m.n++;
        }
    m.mean = m.n > 0 ? m.mean / m.n : (double)NAN;
    for (int i = 0; i < n; i++)
        if (isfinite(x[i]))
            m.deviation += (x[i] - m.mean) * (x[i] - m.mean);
    m.deviation = m.n > 1 ? sqrt(m.deviation / (m.n - 1)) : (double)NAN;
    return m;
}

/* One column of a variant's rows: [seed][row], and how many rows each seed has. */
typedef struct column {
    double *value[HIDI_STUDY_SEEDS];
    size_t rows[HIDI_STUDY_SEEDS];
    int n; /* seeds */
} column;

static void column_free(column *c)
{
    for (int s = 0; s < c->n; s++)
        free(c->value[s]);
}

static hidi_status column_read(column *c, const hidi_plan *plan, const hidi_variant *v,
                               const char *ending, const char *name)
{
    char path[HIDI_PATH];
    c->n = 0;
    for (int i = 0; i < plan->n; i++) {
        const hidi_study_task *task = &plan->task[i];
        if (task->kind != HIDI_DO_MEASURE || task->variant != v)
            continue;
        hidi_task_file(path, sizeof path, task, ending);
        if (access(path, F_OK) != 0)
            continue;
        c->value[c->n] = NULL;
        c->n++;
        hidi_status status = hidi_csv_read(path, name, &c->value[c->n - 1], &c->rows[c->n - 1]);
        if (status != HIDI_OK) {
            column_free(c);
            return status;
        }
    }
    return HIDI_OK;
}

/* Over seeds, of the row that is number `row` from the end (0: the last), or from the beginning. */
static mean column_mean(const column *c, size_t row, bool from_end)
{
    double x[HIDI_STUDY_SEEDS] = {0};
    for (int s = 0; s < c->n; s++)
        x[s] = row < c->rows[s] ? c->value[s][from_end ? c->rows[s] - 1 - row : row] : (double)NAN;
    return mean_of(x, c->n);
}

static hidi_status read_mean(const hidi_plan *plan, const hidi_variant *v, const char *name,
                             size_t row, bool from_end, mean *m)
{
    column c;
    HIDI_TRY(column_read(&c, plan, v, ".csv", name));
    *m = column_mean(&c, row, from_end);
    column_free(&c);
    return HIDI_OK;
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct {
    const char *name, *title;
    int decimals;
} columns[] = {
    {"evaluations", "NFE", 0},          {"updates", "updates", 0},
    {"cost", "cost", 0},    {"distance", "distance", 2},
    {"precision", "precision", 3},      {"recall", "recall", 3},
    {"high_frequency", "high freq", 3}, {"asked_class", "asked class", 3},
    {"class_variation", "class TV", 3}, {"rarest_class", "rarest", 2}};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static void print_mean(FILE *out, const mean *m, int decimals)
{
    if (m->n == 0)
        fputs(" | ", out);
    else if (m->n == 1 || (decimals == 0 && m->deviation == 0))
        fprintf(out, " | %.*f", decimals, m->mean);
    else
        fprintf(out, " | %.*f ± %.*f", decimals, m->mean, decimals, m->deviation);
}

/* The last rows, one for each number of sampling steps. */
static hidi_status print_variant(const hidi_plan *plan, const hidi_variant *v, FILE *out)
{
    const int times = v->n_steps > 0 ? v->n_steps : 1;
    mean m, steps;
    for (int i = 0; i < times; i++) {
        const size_t row = (size_t)(times - 1 - i);
        HIDI_TRY(read_mean(plan, v, "sampling_steps", row, true, &steps));
        fprintf(out, "| %s", v->name);
        if (times > 1)
            fprintf(out, ", %.0f step%s", steps.mean, steps.mean > 1 ? "s" : "");
        for (int k = 0; k < COLUMNS; k++) {
            HIDI_TRY(read_mean(plan, v, columns[k].name, row, true, &m));
            print_mean(out, &m, columns[k].decimals);
        }
        HIDI_TRY(read_mean(plan, v, "diverged", row, true, &m));
        fprintf(out, " | %d | %.0f |\n", m.n, m.n > 0 ? m.mean * m.n : 0.0);
    }
    return HIDI_OK;
}

static hidi_status print_table(const hidi_plan *plan, FILE *out)
{
    fputs("| variant", out);
    for (int k = 0; k < COLUMNS; k++)
        fprintf(out, " | %s", columns[k].title);
    fputs(" | seeds | diverged |\n|---", out);
    for (int k = 0; k < COLUMNS + 2; k++)
        fputs("|---:", out);
    fputs("|\n", out);
    for (int i = 0; i < plan->study->n; i++)
        HIDI_TRY(print_variant(plan, &plan->study->variant[i], out));
    return HIDI_OK;
}

/* --- defects ---------------------------------------------------------------------------------- */

static hidi_status print_defects_of(const hidi_plan *plan, const hidi_variant *v, FILE *out)
{
    static const char *const names[] = {"auc", "auc_clean", "top", "top_clean"};
    enum { N = sizeof names / sizeof names[0] };
    column c[N];
    for (int k = 0; k < N; k++) {
        hidi_status status = column_read(&c[k], plan, v, "-defects.csv", names[k]);
        for (int i = 0; i < k && status != HIDI_OK; i++)
            column_free(&c[i]);
        HIDI_TRY(status);
    }
    /* Rows: each defect, for each of the last finders, as many as this head has. */
    const size_t finders = c[0].n > 0 ? c[0].rows[0] / HIDI_DEFECTS : 0;
    for (size_t row = 0; row < finders * HIDI_DEFECTS; row++) {
        fprintf(out, "| %s | %s | %s", v->name, hidi_defect_name((hidi_defect)(row / finders)),
                hidi_finder_name((hidi_finder)(HIDI_FINDERS - finders + row % finders)));
        for (int k = 0; k < N; k++) {
            const mean m = column_mean(&c[k], row, false);
            print_mean(out, &m, 3);
        }
        fputs(" |\n", out);
    }
    for (int k = 0; k < N; k++)
        column_free(&c[k]);
    return HIDI_OK;
}

static hidi_status print_defects(const hidi_plan *plan, FILE *out)
{
    char path[HIDI_PATH];
    if (access(hidi_path(path, sizeof path, plan->out, "defects.csv"), F_OK) != 0)
        return HIDI_OK;
    fprintf(out, "\nPlanted defects, %ld images a seed: does the damaged token stand out?\n\n"
                 "| variant | defect | finder | AUC | AUC, undamaged | first | first, undamaged |\n"
                 "|---|---|---|---:|---:|---:|---:|\n",
            plan->study->defects);
    for (int i = 0; i < plan->study->n; i++)
        HIDI_TRY(print_defects_of(plan, &plan->study->variant[i], out));
    return HIDI_OK;
}

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
    column x, y;
    double xs[MOST_POINTS], ys[MOST_POINTS];
    size_t n = 0;
    HIDI_TRY(column_read(&x, plan, v, ".csv", against));
    hidi_status status = column_read(&y, plan, v, ".csv", "distance");
    if (status != HIDI_OK) {
        column_free(&x);
        return status;
    }
    for (size_t row = first; n < most && n < MOST_POINTS; row += stride, n++) {
        const mean mx = column_mean(&x, row, from_end), my = column_mean(&y, row, from_end);
        if (mx.n == 0)
            break;
        xs[n] = mx.mean;
        ys[n] = my.mean;
    }
    column_free(&x);
    column_free(&y);
    return n > 0 ? add_curve(f, v->name, xs, ys, n) : HIDI_OK;
}

static hidi_status spectrum_curve(figure *f, const hidi_plan *plan, const hidi_variant *v)
{
    double x[MOST_POINTS], y[MOST_POINTS];
    const size_t times = v->n_steps > 0 ? (size_t)v->n_steps : 1;
    size_t n = 0;
    for (; n < MOST_POINTS; n++) {
        char name[32];
        column c;
        snprintf(name, sizeof name, "power_%zu", n + 1);
        if (column_read(&c, plan, v, ".csv", name) != HIDI_OK)
            break; /* no frequency beyond */
        y[n] = column_mean(&c, times - 1, true).mean;
        x[n] = (double)(n + 1);
        column_free(&c);
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
                      "radius in cycles an image", "power / real power", false, false, page);
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
            *all = (hidi_image){one.width, all->height + one.height, 3, more};
        }
        hidi_image_free(&one);
        if (more == NULL)
            return hidi_error(HIDI_BAD_FORMAT, "%s: of another width than the others", path);
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
    hidi_image all = {0, 0, 3, NULL};
    hidi_status status = stack_pictures(plan, &all, page);
    if (status == HIDI_OK && all.pixel != NULL)
        status = hidi_png_write(&all, hidi_path(path, sizeof path, plan->out, "samples.png"));
    free(all.pixel);
    return status;
}

/* --- the page --------------------------------------------------------------------------------- */

static hidi_status write_page(const hidi_plan *plan, FILE *page)
{
    const hidi_study *study = plan->study;
    const hidi_settings *s = &study->all.settings;
    fprintf(page, "# %s\n\n", study->title[0] ? study->title : study->path);
    fprintf(page, "Preset %s; seeds", study->preset);
    for (int i = 0; i < study->n_seeds; i++)
        fprintf(page, " %ld", study->seed[i]);
    fprintf(page,
            ". Mean ± standard deviation over seeds, which change the training and the noise of\n"
            "the samples; the %ld real images are the same ones of the %s split. `results.csv`\n"
            "has every row.\n\n",
            s->eval.images, hidi_split_name(hidi_settings_split(s)));
    HIDI_TRY(print_table(plan, page));
    fputs("\ndistance: Fréchet, in the features of hidi's small net, not FID. high freq: power at\n"
          "half the Nyquist frequency and above, relative to real images. asked class: share that\n"
          "the net's classifier puts into the class asked for; class TV: total variation between\n"
          "classes found and asked for; rarest: the rarest class, found / asked for. updates: of\n"
          "the generator. cost: multiply-adds of the training, in steps of stage 1.\n",
          page);
    HIDI_TRY(print_defects(plan, page));
    HIDI_TRY(draw_training(plan, page));
    HIDI_TRY(draw_steps(plan, page));
    HIDI_TRY(draw_spectrum(plan, page));
    return write_pictures(plan, page);
}

hidi_status hidi_study_summarise(const hidi_plan *plan, FILE *out)
{
    char path[HIDI_PATH];
    hidi_atomic_file file;
    HIDI_TRY(hidi_atomic_open(&file, hidi_path(path, sizeof path, plan->out, "summary.md")));
    hidi_status status = write_page(plan, file.out);
    if (status != HIDI_OK) {
        hidi_atomic_abandon(&file);
        return status;
    }
    HIDI_TRY(hidi_atomic_commit(&file));
    HIDI_TRY(print_table(plan, out));
    fprintf(out, "plots and pictures: %s\n", path);
    return HIDI_OK;
}
