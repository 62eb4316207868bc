/* measure.h - images in, one row of numbers out: how far are they from a reference?
 *
 * All that hidi measures is measured here, whatever the images are: a network's samples, a folder,
 * an npz, a split of a data set, memory.
 *
 *     hidi_measuring how = {.extractor = &extractor, .options = hidi_metric_defaults()};
 *     HIDI_TRY(hidi_metrics_choose(&how.choice, "distance,pr", false));
 *     HIDI_TRY(hidi_image_source_dataset(&source, data, HIDI_TEST, 2048, 3, false));
 *     HIDI_TRY(hidi_measure_reference(&reference, &how, &source, "real images"));
 *     hidi_image_source_close(&source);
 *     how.reference = &reference;
 *
 *     HIDI_TRY(hidi_image_source_open(&source, "pictures", 3));
 *     HIDI_TRY(hidi_measure(&m, &how, &source, "pictures"));
 *     ... m.value[HIDI_VALUE_DISTANCE], m.value[HIDI_VALUE_PRECISION] ...
 *     hidi_image_source_close(&source);
 *     hidi_image_set_free(&reference);
 */
#ifndef HIDI_EVAL_MEASURE_H
#define HIDI_EVAL_MEASURE_H

#include "image_set.h"
#include "metrics.h"

/* What images are measured with. */
typedef struct hidi_measuring {
    hidi_extractor *extractor;
    const hidi_image_set *reference;
    hidi_metric_choice choice;
    hidi_metric_options options;
    FILE *progress; /* a line for each set; NULL: silent */
} hidi_measuring;

/* One set's numbers. */
typedef struct hidi_measured {
    char label[HIDI_SET_LABEL];
    const char *kind;          /* of the set; NULL: none                                          */
    long images;               /* 0: a file of statistics that does not say                       */
    long evaluations;          /* of the network for one image; 0: not made here                  */
    double seconds;            /* for one image; NaN: not made here                               */
    double value[HIDI_VALUES]; /* NaN: not measured                                               */
    size_t subset;             /* size of the kernel distance's subsets; 0: none                  */
} hidi_measured;

/* A row without numbers: what a training that diverged leaves. */
void hidi_measured_init(hidi_measured *measured, const char *label);

/* What has to be gathered from a set, or from the reference, for the chosen metrics. */
hidi_gathering hidi_measuring_needs(const hidi_measuring *how, bool is_reference,
                                    const char *label);

/* Gathers the set that others are to be measured against.  Free it in any case. */
hidi_status hidi_measure_reference(hidi_image_set *reference, const hidi_measuring *how,
                                   hidi_image_source *source, const char *label);

/* Measures the images that are left in a source, a batch at a time; the source is the caller's. */
hidi_status hidi_measure(hidi_measured *measured, const hidi_measuring *how,
                         hidi_image_source *source, const char *label);

/* The same of a set that is gathered already.  A chosen metric for which either side lacks what it
 * needs is an error (HIDI_UNSUPPORTED) if it was asked for by name, and NaN otherwise. */
hidi_status hidi_measure_set(hidi_measured *measured, const hidi_measuring *how,
                             const hidi_image_set *set);

#endif
