/* request_table.h - shares of fulfilled requests (eval/requests.h) of real pictures and of samples,
 * as a table, as CSV, in the report.
 *
 *     hidi_request_table table = {.n = 0};
 *     HIDI_TRY(hidi_request_real(&table, &session, data));
 *     HIDI_TRY(hidi_request_samples(&table, &session, data, &samples, "teacher", HIDI_SEEN));
 *     hidi_request_table_print(stdout, &table);
 *     hidi_request_table_free(&table);
 */
#ifndef HIDI_LAB_REQUEST_TABLE_H
#define HIDI_LAB_REQUEST_TABLE_H

#include "eval/requests.h"
#include "eval/samples.h"
#include "lab/session.h"

#define HIDI_REQUESTS_FILE "requests.csv"

/* The captions of a row: none of a combination of colour and shape that is held out, or all. */
typedef enum hidi_combinations { HIDI_SEEN, HIDI_HELD_OUT } hidi_combinations;

typedef struct hidi_request_row {
    char label[HIDI_PATH];
    double guidance;  /* NaN: none             */
    long evaluations; /* 0: not made here      */
    hidi_combinations combinations;
    hidi_request_counts counts;
} hidi_request_row;

typedef struct hidi_request_table {
    hidi_request_row *row; /* [n] */
    size_t n;
} hidi_request_table;

void hidi_request_table_free(hidi_request_table *table);

/* A new row without pictures, the last; it stays where it is until the next. */
hidi_status hidi_request_row_add(hidi_request_table *table, const char *label, double guidance,
                                 hidi_combinations combinations, hidi_request_row **row);

/* What the judge itself is worth, three rows of eval.images pictures: those of the settings' split;
 * the same, each judged by the next one's caption; and pictures of held-out combinations, which are
 * drawn for this. */
hidi_status hidi_request_real(hidi_request_table *table, const hidi_session *session,
                              const hidi_dataset *data);

/* A row of samples: those that are asked for (samples->captions, HIDI_SEEN), or as many of held-out
 * combinations. */
hidi_status hidi_request_samples(hidi_request_table *table, const hidi_session *session,
                                 const hidi_dataset *data, const hidi_samples *samples,
                                 const char *label, hidi_combinations combinations);

/* Guidance of a network's samples; NaN for a student. */
double hidi_request_guidance(const hidi_samples *samples);

/* Percent, with standard errors. */
void hidi_request_table_print(FILE *out, const hidi_request_table *table);
void hidi_request_table_html(FILE *out, const hidi_request_table *table);

/* A line for each part of each row: images, guidance, evaluations, captions ("seen", "held
 * out"), part, asked, fulfilled, share, error. */
hidi_status hidi_request_table_csv(const char *path, const hidi_request_table *table);

#endif
