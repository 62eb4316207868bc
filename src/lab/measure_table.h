/* measure_table.h - what was measured, as a table, as CSV, as JSON: of hidi run, hidi study and
 * hidi eval. */
#ifndef HIDI_LAB_MEASURE_TABLE_H
#define HIDI_LAB_MEASURE_TABLE_H

#include "eval/measure.h"

/* Metadata of a feature net's file: the share of test images that it classifies right. */
#define HIDI_ACCURACY_KEY "hidi.accuracy"

typedef struct hidi_measure_table {
    const hidi_measured *row; /* [n]                                                */
    size_t n;
    const hidi_measuring *how; /* the columns are those of the chosen metrics       */
    const char *weights;      /* the extractor's file                               */
    bool inception;           /* the extractor is Inception, and a distance an FID  */
    int digits;               /* of a value in the CSV file                         */
} hidi_measure_table;

/* With notes on the numbers: how many images they are of, and what they are not. */
void hidi_measure_table_print(FILE *out, const hidi_measure_table *table);
hidi_status hidi_measure_table_json(FILE *out, const hidi_measure_table *table);

/* Columns images (the label), evaluations, seconds_per_image, one for each value, count. */
hidi_status hidi_measure_table_csv(const char *path, const hidi_measure_table *table);

/* Parts of a line of CSV, each cell with a comma in front: the names ",evaluations,..." up to the
 * last value; a row's cells, up to the number of images; one number, empty if it is not finite. */
void hidi_print_measured_names(FILE *out, const hidi_metric_choice *choice);
void hidi_print_measured(FILE *out, const hidi_metric_choice *choice, int digits,
                         const hidi_measured *measured);
void hidi_print_number(FILE *out, int digits, double value);

#endif
