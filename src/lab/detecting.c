/* detecting.c - hidi detect: trains, measures, and writes the table. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/detecting.h"

#include <math.h>
#include <stdio.h>

#include "core/processes.h"
#include "core/progress.h"
#include "eval/detection.h"
#include "io/choice.h"
#include "io/csv.h"
#include "io/safetensors.h"
#include "lab/run_stage.h"

static void write_row(hidi_csv *csv, const hidi_settings *s, const char *name, size_t N,
                      const hidi_detection_result *r)
{
    char defect[32];
    hidi_csv_text(csv, name);
    hidi_choice_name(HIDI_DEFECT_KINDS, s->detect.defect, defect, sizeof defect);
    hidi_csv_text(csv, defect);
    hidi_csv_integer(csv, (long long)N);
    hidi_csv_integer(csv, s->detect.damaged);
    hidi_csv_integer(csv, s->run.seed);
    hidi_csv_number(csv, "%.4f", r->accuracy);
    hidi_csv_number(csv, "%.4f", r->auc);
    hidi_csv_number(csv, "%.4f", r->auc_error);
    hidi_csv_number(csv, "%.4f", r->auc_worst);
    hidi_csv_number(csv, "%.4f", r->gradient_share);
    hidi_csv_number(csv, "%.4f", r->weight_share);
    hidi_csv_integer(csv, s->detect.images);
    hidi_csv_end_row(csv);
}

/* NaN: there is no such number. */
static void print_cell(double value)
{
    if (isnan(value))
        printf("  %9s", "-");
    else
        printf("  %9.3f", value);
}

static void print_row(const char *name, const hidi_detection_result *r)
{
    printf("%-28s", name);
    print_cell(r->accuracy);
    print_cell(r->auc);
    printf(" +- %.3f", r->auc_error);
    print_cell(r->auc_worst);
    print_cell(r->gradient_share);
    print_cell(r->weight_share);
    printf("\n");
}

/* The table, to the CSV file and to standard output. */
static hidi_status measure(const hidi_run_stage *stage, const hidi_dataset *data,
                           const hidi_dit *backbone, const hidi_detection *training,
                           const hidi_detection_options *options, hidi_csv *csv)
{
    const hidi_settings *s = &stage->session->settings;
    const size_t side = backbone->config.image_size / backbone->config.patch, N = side * side;
    const hidi_detection_trial task = {.data = data,
                                      .split = hidi_settings_split(s),
                                      .n = (size_t)s->detect.images,
                                      .defect = (hidi_defect)s->detect.defect,
                                      .damaged = options->damaged,
                                      .time = options->time,
                                      .seed = options->seed};
    printf("%zu of %zu tokens damaged (%.3f), %zu images whole and damaged\n", task.damaged, N,
           (double)task.damaged / (double)N, task.n);
    printf("%-28s  %9s  %9s %8s  %9s  %9s  %9s\n", "head", "accuracy", "AUC", "", "AUC worst",
           "gradient", "weights");
    for (int i = 0; i < options->n; i++) {
        hidi_detection_result result;
        HIDI_TRY(hidi_measure_detection(hidi_detection_heads(training, i), backbone, &task,
                                        &result));
        write_row(csv, s, options->name[i], N, &result);
        print_row(options->name[i], &result);
        fflush(stdout);
    }
    return HIDI_OK;
}

static hidi_status write_table(const hidi_run_stage *stage, const hidi_dataset *data,
                               const hidi_dit *backbone, const hidi_detection *training,
                               const hidi_detection_options *options)
{
    char path[HIDI_PATH];
    hidi_csv csv;
    hidi_path(path, sizeof path, stage->dir, HIDI_DETECTION_FILE);
    HIDI_TRY(hidi_csv_create(&csv, path));
    hidi_csv_names(&csv, "head,defect,tokens,damaged,seed,accuracy,auc,auc_error,auc_worst,"
                         "gradient_share,weight_share,images");
    hidi_csv_end_row(&csv);
    const hidi_status status = measure(stage, data, backbone, training, options, &csv);
    return hidi_csv_finish(&csv, status);
}

static hidi_status write_heads(const hidi_run_stage *stage, const hidi_detection *training, int n,
                               double seconds)
{
    hidi_status status = HIDI_OK;
    for (int i = 0; i < n && status == HIDI_OK; i++) {
        char name[64], path[HIDI_PATH];
        hidi_tensor_file file;
        snprintf(name, sizeof name, "detect-%d.safetensors", i + 1);
        hidi_tensor_file_init(&file);
        status = hidi_heads_to_file(hidi_detection_heads(training, i), "", &file);
        if (status == HIDI_OK)
            status = hidi_stage_write(stage, &file, hidi_path(path, sizeof path, stage->dir, name),
                                      seconds);
        else
            hidi_tensor_file_free(&file);
    }
    return status;
}

static hidi_status train(const hidi_run_stage *stage, const hidi_dataset *data,
                         const hidi_dit *backbone)
{
    const hidi_settings *s = &stage->session->settings;
    hidi_detection_options options;
    hidi_detection *training;
    hidi_head_names names;
    double seconds = NAN;
    HIDI_TRY(hidi_settings_detection(s, &options, names));
    HIDI_TRY(hidi_error_prefix(hidi_dataset_has(data, hidi_settings_split(s),
                                                (size_t)s->detect.images), "detect.images"));
    HIDI_TRY(hidi_detection_create(&training, backbone, data, &options, stage->settings));
    hidi_status status = hidi_stage_train(stage, hidi_detection_task(training), &s->detect.train,
                                          NULL, 0, 0, &seconds);
    if (status == HIDI_OK)
        status = write_heads(stage, training, options.n, seconds);
    if (status == HIDI_OK && hidi_process_is_first())
        status = write_table(stage, data, backbone, training, &options);
    hidi_detection_destroy(training);
    return status;
}

hidi_status hidi_detect(const hidi_session *session, const hidi_dataset *data, const char *dir,
                        const hidi_dit *backbone)
{
    hidi_run_stage stage;
    HIDI_TRY(hidi_stage_begin(&stage, session, data, dir, HIDI_RUN_DETECT));
    hidi_status status = hidi_stage_depends(&stage, "backbone", backbone);
    if (status == HIDI_OK)
        status = train(&stage, data, backbone);
    hidi_stage_end(&stage, status);
    return status;
}
