/* study_heads.c - does the discriminator look at what is wrong?  The ranks of planted defects among
 * its token weights, scores and gradients [ours], and its token weights as a picture. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/study.h"

#include <math.h>
#include <stdlib.h>

#include "lab/measuring.h"
#include "lab/pictures.h"
#include "lab/pipeline.h"
#include "io/csv.h"
#include "eval/defects.h"

static void write_found(hidi_csv *csv, const hidi_study_look *l, hidi_head_kind head,
                        hidi_defect defect, hidi_finder finder, const hidi_found *found)
{
    hidi_csv_text(csv, l->task->variant->name);
    hidi_csv_integer(csv, l->task->seed);
    hidi_csv_text(csv, hidi_head_name(head));
    hidi_csv_text(csv, hidi_defect_name(defect));
    hidi_csv_text(csv, hidi_finder_name(finder));
    hidi_csv_number(csv, "%.6g", found->auc);
    hidi_csv_number(csv, "%.6g", found->auc_clean);
    hidi_csv_number(csv, "%.3g", found->auc_error);
    hidi_csv_number(csv, "%.6g", found->top);
    hidi_csv_number(csv, "%.6g", found->top_clean);
    hidi_csv_integer(csv, l->plan->study->defects);
    hidi_csv_end_row(csv);
}

static hidi_status write_defects(const hidi_study_look *l, const hidi_discriminator *d, double t)
{
    char path[HIDI_PATH];
    hidi_csv csv;
    hidi_found found[HIDI_FINDERS];
    hidi_status status = HIDI_OK;
    HIDI_TRY(hidi_csv_create(&csv, hidi_task_file(path, sizeof path, l->task, "-defects.csv")));
    hidi_csv_names(&csv, "variant,seed,head,defect,finder,auc,auc_clean,error,top,top_clean,images");
    hidi_csv_end_row(&csv);
    for (int kind = 0; kind < HIDI_DEFECTS && status == HIDI_OK; kind++) {
        status = hidi_find_defects(d->heads, d->backbone, l->judge,
                                   hidi_settings_split(&l->session->settings),
                                   (size_t)l->plan->study->defects, (hidi_defect)kind, t,
                                   (uint64_t)l->task->seed, found);
        for (int f = 0; f < HIDI_FINDERS && status == HIDI_OK; f++)
            if (isfinite(found[f].auc))
                write_found(&csv, l, d->heads->config.kind, (hidi_defect)kind, (hidi_finder)f,
                            &found[f]);
    }
    return hidi_csv_finish(&csv, status);
}

/* The token weights over images x in a row; of what y says they are. */
static hidi_status draw_row(const hidi_study_look *l, const hidi_heat *heat, const hidi_real *x,
                            const int32_t *y, const char *ending)
{
    char path[HIDI_PATH];
    const hidi_condition of = {.number = y, .captions = l->judge->captions};
    return hidi_write_heat(hidi_task_file(path, sizeof path, l->task, ending), heat, x, &of,
                           heat->columns);
}

/* On real images, with room for them in x, and their classes or captions in y. */
static hidi_status draw_real(const hidi_study_look *l, const hidi_heat *heat, hidi_real *x,
                             int32_t *y)
{
    const hidi_split split = hidi_settings_split(&l->session->settings);
    if (x == NULL || y == NULL)
        return hidi_error(HIDI_NO_MEMORY, "heat maps: out of memory");
    HIDI_TRY(hidi_dataset_has(l->judge, split, heat->columns));
    hidi_dataset_range(l->judge, split, 0, heat->columns, x, y);
    return draw_row(l, heat, x, y, "-heat-real.png");
}

static hidi_status draw_samples(const hidi_study_look *l, const hidi_heat *heat, int32_t *y)
{
    const hidi_samples samples = hidi_settings_samples(
        &l->session->settings, l->net, &l->sampler, l->judge->captions, heat->columns);
    hidi_real *x;
    HIDI_TRY(hidi_samples_draw(&samples, NULL, &x, NULL));
    for (size_t i = 0; i < heat->columns; i++)
        y[i] = hidi_dataset_asked(l->judge, i);
    const hidi_status status = draw_row(l, heat, x, y, "-heat-samples.png");
    free(x);
    return status;
}

static hidi_status draw_heat(const hidi_study_look *l, const hidi_heat *heat)
{
    const size_t pixels = l->judge->channels * l->judge->height * l->judge->width;
    hidi_real *x = malloc(heat->columns * pixels * sizeof *x);
    int32_t *y = malloc(heat->columns * sizeof *y);
    hidi_status status = draw_real(l, heat, x, y);
    if (status == HIDI_OK)
        status = draw_samples(l, heat, y);
    free(x);
    free(y);
    return status;
}

hidi_status hidi_study_look_at_heads(const hidi_study_look *l)
{
    char heads[HIDI_PATH], backbone[HIDI_PATH];
    hidi_discriminator discriminator;
    const hidi_settings *s = &l->session->settings;
    if (l->plan->study->defects == 0 || s->dm.adversary.weight <= 0)
        return HIDI_OK;
    hidi_path(heads, sizeof heads, l->dir, HIDI_HEADS_FILE);
    if (s->dm.backbone == HIDI_BACKBONE_TEACHER)
        hidi_task_file(backbone, sizeof backbone, &l->plan->task[0], "/" HIDI_TEACHER_FILE);
    else
        hidi_path(backbone, sizeof backbone, l->dir, HIDI_FAKE_FILE);
    hidi_status status =
        hidi_discriminator_load(&discriminator, l->session, heads, backbone);
    if (status == HIDI_OK) {
        const hidi_heat heat =
            hidi_settings_heat(s, &discriminator, 1, (size_t)l->plan->study->columns);
        status = write_defects(l, &discriminator, heat.t);
        if (status == HIDI_OK && hidi_head_of(discriminator.heads->config.kind)->has_weights &&
            l->task->seed == l->plan->study->seed[0])
            status = draw_heat(l, &heat);
    }
    hidi_discriminator_free(&discriminator);
    return status;
}
