/* class_counts.h - do images show what was asked for, and each class as often as asked?
 *
 * A classifier's class of each image, argmax_k p(k | x_i), is counted beside the class that was
 * asked for, y_i [ours]:
 *
 *     asked      share of images with argmax_k p(k | x_i) = y_i
 *     variation  1/2 sum_k | found_k - asked_k |      total variation between shares of classes
 *     rarest     min_k found_k / asked_k              0: a class that was asked for is never found
 */
#ifndef HIDI_EVAL_CLASS_COUNTS_H
#define HIDI_EVAL_CLASS_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "../core/status.h"

typedef struct hidi_class_counts {
    size_t n_classes;
    size_t n, hits; /* images so far; those that were taken for what was asked for        */
    size_t *found;  /* [n_classes] images that the classifier takes for each              */
    size_t *asked;  /* [n_classes] images that were to be of each                         */
} hidi_class_counts;

hidi_status hidi_class_counts_init(hidi_class_counts *counts, size_t n_classes);
/* n images' probabilities [n, n_classes], of which the first of the largest counts, and the classes
 * asked for [n].  HIDI_BAD_ARGUMENT for a label that is not a class. */
hidi_status hidi_class_counts_add(hidi_class_counts *counts, const double *p, const int32_t *label,
                                  size_t n);
void hidi_class_counts_free(hidi_class_counts *counts);

/* The numbers above; NaN before any image was added. */
double hidi_class_counts_asked(const hidi_class_counts *counts);
double hidi_class_counts_variation(const hidi_class_counts *counts);
double hidi_class_counts_rarest(const hidi_class_counts *counts);

#endif
