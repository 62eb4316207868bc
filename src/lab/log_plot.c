/* log_plot.c - which columns of which log are shown together. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/log_plot.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/session.h"
#include "io/atomic_file.h"
#include "io/csv.h"

enum { MOST_SERIES = 5 };

/* What is shown of each log. */
typedef struct log_figure {
    const char *name, *title, *x, *x_label, *y_label; /* x: its column                   */
    const char *log; /* NULL: `name`; otherwise several figures show this log's columns */
    bool log_y, smooth;
    struct {
        const char *column, *label;
    } series[MOST_SERIES];
} log_figure;

#define DISTANCE(stage)                                                                            \
    {"growth/" stage "-distance", "Distance of one step", "step", "step", "Fréchet distance",      \
     "growth/" stage, true, false, {{"distance", NULL}}}
#define DETAIL(stage)                                                                              \
    {"growth/" stage "-detail", "High frequencies of one step", "step", "step",                    \
     "relative to real images", "growth/" stage, false, false, {{"high_frequency", NULL}}}

static const log_figure figures[] = {
    {"features", "Feature net", "step", "step", "cross entropy", NULL, true, true, {{"loss", NULL}}},
    {"detect", "Discriminators: mean loss", "step", "step", "loss", NULL, false, true,
     {{"loss", NULL}}},
    {"autoencoder",
     "Autoencoder",
     "step",
     "step",
     "error of an image, from -1 to 1",
     NULL,
     true,
     true,
     {{"error", NULL}}},
    {"teacher",
     "Teacher: flow matching",
     "step",
     "step",
     "squared error per pixel",
     NULL,
     true,
     true,
     {{"loss", NULL}}},
    {"stage1",
     "Stage 1: MeanFlow distillation",
     "step",
     "step",
     "per pixel",
     NULL,
     true,
     true,
     {{"error", "squared error"},
      {"u_rms", "u, root mean square"},
      {"v_rms", "v, root mean square"},
      {"dudt_rms", "du/dt, root mean square"}}},
    {"stage2",
     "Stage 2: distribution matching and adversary",
     "step",
     "step",
     "loss",
     NULL,
     false,
     true,
     {{"dm_loss", "distribution matching"},
      {"fake_loss", "fake score"},
      {"adv_loss", "adversary, generator's side"},
      {"d_loss", "adversary, discriminator's side"},
      {"td_loss", "retained MeanFlow"}}},
    {"spectrum",
     "Power, relative to real images",
     "radius",
     "frequency: waves across the image",
     "ratio",
     NULL,
     false,
     false,
     {{"real", "real"},
      {"teacher", "teacher"},
      {"stage_1", "stage 1"},
      {"stage_2", "stage 2"},
      {"teacher_1_step", "teacher, 1 step"}}},
    DISTANCE("stage1"),
    DISTANCE("stage2"),
    DETAIL("stage1"),
    DETAIL("stage2")};

static bool has_values(const double *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (y[i] == y[i])
            return true;
    return false;
}

hidi_status hidi_write_plot(const hidi_plot *plot, const char *path)
{
    hidi_atomic_file file;
    HIDI_TRY(hidi_atomic_open(&file, path));
    hidi_status status = hidi_plot_svg(plot, file.out);
    if (status == HIDI_OK)
        return hidi_atomic_commit(&file);
    hidi_atomic_abandon(&file);
    return status;
}

/* Reads the columns of `f` that hold anything, and plots them. */
static hidi_status plot(const log_figure *f, const char *log, const char *svg)
{
    hidi_series series[MOST_SERIES];
    double *y[MOST_SERIES] = {NULL}, *x = NULL;
    size_t n_series = 0, n = 0, n_x = 0;
    hidi_status status = hidi_csv_read(log, f->x, &x, &n_x);
    for (int i = 0; i < MOST_SERIES && f->series[i].column != NULL && status == HIDI_OK; i++) {
        status = hidi_csv_read(log, f->series[i].column, &y[i], &n);
        if (status == HIDI_OK && n == n_x && has_values(y[i], n))
            series[n_series++] = (hidi_series){f->series[i].label, x, y[i], n};
    }
    if (status == HIDI_OK && n_series > 0) {
        const size_t smooth = f->smooth ? n_x / 40 | 1 : 1;
        const hidi_plot drawing = {f->title, f->x_label, f->y_label, f->log_y,
                                   smooth,   series,     n_series,   false};
        status = hidi_write_plot(&drawing, svg);
    }
    free(x);
    for (int i = 0; i < MOST_SERIES; i++)
        free(y[i]);
    return status;
}

/* NULL: there is none of this name. */
static const log_figure *find_figure(const char *name)
{
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        if (strcmp(figures[i].name, name) == 0)
            return &figures[i];
    return NULL;
}

const char *hidi_plotted_log(const char *name)
{
    const log_figure *f = find_figure(name);
    return f != NULL && f->log != NULL ? f->log : name;
}

hidi_status hidi_plot_log(const char *dir, const char *name)
{
    char log[HIDI_PATH], svg[HIDI_PATH], file[64];
    const log_figure *figure = find_figure(name);
    if (figure == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "there is no log %s", name);
    snprintf(file, sizeof file, "%s.csv", hidi_plotted_log(name));
    hidi_path(log, sizeof log, dir, file);
    if (access(log, F_OK) != 0)
        return HIDI_OK;
    snprintf(file, sizeof file, "%s.svg", name);
    return plot(figure, log, hidi_path(svg, sizeof svg, dir, file));
}
