/* metrics.h - the metrics that sets of images are compared by: their names, what they need of the
 * images, and the numbers that they give. */
#ifndef HIDI_EVAL_METRICS_H
#define HIDI_EVAL_METRICS_H

#include "image_set.h"
#include "kernel_distance.h"

/* A metric has a name for the features that it is measured in: FID, IS, sFID and KID are
 * Inception's alone, and no other extractor's numbers go by these names. */
typedef enum hidi_metric {
    HIDI_METRIC_FID, HIDI_METRIC_IS, HIDI_METRIC_SFID, HIDI_METRIC_KID, /* Inception */
    HIDI_METRIC_DISTANCE, HIDI_METRIC_KERNEL,                           /* another   */
    HIDI_METRIC_PR, HIDI_METRIC_SPECTRUM,                               /* either    */
    HIDI_METRIC_CLASSES, /* class_counts.h: of samples, by an extractor that knows their classes */
    HIDI_METRICS
} hidi_metric;

typedef struct hidi_metric_choice {
    bool on[HIDI_METRICS];
    bool asked; /* by name: what cannot be had is then an error, and is left out otherwise */
} hidi_metric_choice;

/* names: "fid,kid", "all", NULL: fid,is,sfid with Inception, distance,pr,spectrum without.
 * HIDI_BAD_ARGUMENT with a list for an unknown one, and for one of the other kind of extractor. */
hidi_status hidi_metrics_choose(hidi_metric_choice *choice, const char *names, bool inception);

const char *hidi_metric_name(hidi_metric metric);

/* What has to be gathered from a set, or from the reference, for these: sets the bool members of
 * `what`. */
void hidi_metrics_need(const hidi_metric_choice *choice, bool reference, hidi_gathering *what);

/* The numbers, several of some metrics. */
typedef enum hidi_value {
    HIDI_VALUE_FID,
    HIDI_VALUE_IS, HIDI_VALUE_IS_STD,
    HIDI_VALUE_SFID,
    HIDI_VALUE_KID, HIDI_VALUE_KID_STD, HIDI_VALUE_KID_ERROR,
    HIDI_VALUE_DISTANCE,
    HIDI_VALUE_KERNEL, HIDI_VALUE_KERNEL_STD, HIDI_VALUE_KERNEL_ERROR,
    HIDI_VALUE_PRECISION, HIDI_VALUE_RECALL,
    HIDI_VALUE_HIGH,
    HIDI_VALUE_ASKED, HIDI_VALUE_VARIATION, HIDI_VALUE_RAREST,
    HIDI_VALUES
} hidi_value;

typedef struct hidi_value_text {
    hidi_metric metric;
    const char *key;     /* in JSON and CSV           */
    const char *heading; /* in the table              */
    int decimals;        /* there                     */
} hidi_value_text;
extern const hidi_value_text hidi_value_texts[HIDI_VALUES];

/* What they are computed with. */
typedef struct hidi_metric_options {
    size_t neighbours;          /* k of precision and recall: 3               */
    hidi_kernel_options kernel; /* 100 subsets of 1000, seed 2020             */
    size_t splits;              /* of the Inception Score: 10                 */
    hidi_score_order order;     /* of its images: as given                    */
} hidi_metric_options;

hidi_metric_options hidi_metric_defaults(void);

#endif
