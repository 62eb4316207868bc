/* study_results.h - what a study has measured, over its seeds. */
#ifndef HIDI_LAB_STUDY_RESULTS_H
#define HIDI_LAB_STUDY_RESULTS_H

#include "lab/study.h"

/* Of the finite ones among n values. */
typedef struct hidi_seed_mean {
    double mean, deviation; /* deviation: of the sample, divided by n - 1; NaN below two */
    int n;                  /* finite values                                             */
} hidi_seed_mean;

/* One column of the rows of a variant: value[seed][row], and how many rows each seed has. */
typedef struct hidi_seed_column {
    double *value[HIDI_STUDY_SEEDS];
    size_t rows[HIDI_STUDY_SEEDS];
    int n; /* seeds */
} hidi_seed_column;

/* From the variant's measurements that are there; ending: ".csv", or "-defects.csv".  After an
 * error there is nothing to free. */
hidi_status hidi_seed_column_read(hidi_seed_column *column, const hidi_plan *plan,
                                  const hidi_variant *variant, const char *ending,
                                  const char *name);
void hidi_seed_column_free(hidi_seed_column *column);

/* Over seeds, of the row that is number `row` from the end (0: the last), or from the beginning. */
hidi_seed_mean hidi_seed_column_mean(const hidi_seed_column *column, size_t row, bool from_end);

/* Draws the study's plots and its picture, into files beside the page that show them. */
hidi_status hidi_study_draw(const hidi_plan *plan, FILE *page);

#endif
