/* measure_table.h - what was measured, as a table, as CSV, as JSON: of hidi run, hidi study and
 * hidi eval. */
#ifndef HIDI_LAB_MEASURE_TABLE_H
#define HIDI_LAB_MEASURE_TABLE_H

#include "eval/measure.h"
#include "io/csv.h"

/* Metadata of a feature net's file: the share of test images that it classifies right. */
#define HIDI_ACCURACY_KEY "hidi.accuracy"

typedef struct hidi_measure_table {
    const hidi_measured *row; /* [n]                                                */
    size_t n;
    const hidi_measuring *how; /* the columns are those of the chosen metrics       */
    const char *weights;      /* the extractor's file                               */
    bool inception;           /* the extractor is Inception, and a distance an FID  */
    const char *format;       /* of a value in the CSV file, "%.6g"                 */
} hidi_measure_table;

/* With notes on the numbers: how many images they are of, and what they are not. */
void hidi_measure_table_print(FILE *out, const hidi_measure_table *table);
hidi_status hidi_measure_table_json(FILE *out, const hidi_measure_table *table);

/* Columns images (the label), evaluations, seconds_per_image, one for each value, count. */
hidi_status hidi_measure_table_csv(const char *path, const hidi_measure_table *table);

/* Cells of a row: the names evaluations, ... up to the last value; what was measured, up to the
 * number of images. */
void hidi_csv_measured_names(hidi_csv *csv, const hidi_metric_choice *choice);
void hidi_csv_measured(hidi_csv *csv, const hidi_metric_choice *choice, const char *format,
                       const hidi_measured *measured);

#endif
