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

/* The token weights over the images of a source, in a row. */
static hidi_status draw_source(const hidi_study_look *l, const hidi_heat *heat,
                               hidi_image_source *source, const char *ending)
{
    char path[HIDI_PATH];
    hidi_real *x;
    int32_t *y;
    const size_t n = (size_t)source->count;
    HIDI_TRY(hidi_image_source_all(source, NULL, &x, &y));
    const hidi_status status =
        hidi_write_heat(hidi_task_file(path, sizeof path, l->task, ending), heat, x,
                        l->judge->captions ? NULL : HIDI_CLASSES(y), n);
    free(x);
    free(y);
    return status;
}

/* On real images and on generated ones. */
static hidi_status draw_heat(const hidi_study_look *l, const hidi_heat *heat)
{
    const hidi_settings *s = &l->session->settings;
    const hidi_samples samples =
        hidi_settings_samples(s, l->net, &l->sampler, l->judge->captions, heat->columns);
    hidi_image_source source;
    HIDI_TRY(hidi_image_source_dataset(&source, l->judge, hidi_settings_split(s), heat->columns,
                                       l->judge->channels, false));
    hidi_status status = draw_source(l, heat, &source, "-heat-real.png");
    hidi_image_source_close(&source);
    if (status != HIDI_OK)
        return status;
    HIDI_TRY(hidi_image_source_samples(&source, &samples));
    status = draw_source(l, heat, &source, "-heat-samples.png");
    hidi_image_source_close(&source);
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
