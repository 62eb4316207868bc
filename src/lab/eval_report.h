/* eval_report.h - what hidi eval found: as a table, as CSV, as JSON. */
#ifndef HIDI_LAB_EVAL_REPORT_H
#define HIDI_LAB_EVAL_REPORT_H

#include "eval/metrics.h"
#include "lab/eval_set.h"

/* One compared set. */
typedef struct hidi_eval_row {
    char label[96];
    const char *kind;
    long images, evaluations; /* as in hidi_eval_set */
    double seconds;
    double value[HIDI_VALUES]; /* NaN: not measured */
    size_t subset;             /* size of the kernel distance's subsets; 0: none */
} hidi_eval_row;

typedef struct hidi_eval_report {
    const hidi_metric_choice *choice;
    const hidi_metric_options *options;
    const hidi_eval_row *row;
    size_t n;
    const hidi_eval_set *reference;
    const hidi_extractor *extractor;
    const char *weights; /* the extractor's file */
    bool inception;
} hidi_eval_report;

/* With what should be known of the numbers: their number of images, what they are not. */
void hidi_eval_print(FILE *out, const hidi_eval_report *report);
hidi_status hidi_eval_print_json(FILE *out, const hidi_eval_report *report);
hidi_status hidi_eval_write_csv(const char *path, const hidi_eval_report *report);

#endif
