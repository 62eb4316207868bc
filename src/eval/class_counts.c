/* class_counts.c - found_k and asked_k are counts until the end, so that no sum depends on the
 * order of the images. */
#include "eval/class_counts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

hidi_status hidi_class_counts_init(hidi_class_counts *counts, size_t n_classes)
{
    memset(counts, 0, sizeof *counts);
    if (n_classes == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "no classes to be counted");
    counts->n_classes = n_classes;
    counts->found = calloc(n_classes, sizeof *counts->found);
    counts->asked = calloc(n_classes, sizeof *counts->asked);
    if (counts->found != NULL && counts->asked != NULL)
        return HIDI_OK;
    hidi_class_counts_free(counts);
    return hidi_error(HIDI_NO_MEMORY, "out of memory for %zu classes", n_classes);
}

hidi_status hidi_class_counts_add(hidi_class_counts *counts, const double *p, const int32_t *label,
                                  size_t n)
{
    const size_t K = counts->n_classes;
    for (size_t i = 0; i < n; i++) {
        size_t found = 0;
        if (label[i] < 0 || (size_t)label[i] >= K)
            return hidi_error(HIDI_BAD_ARGUMENT, "class %ld of an image: the classifier has 0 to "
                                                 "%zu", (long)label[i], K - 1);
        for (size_t k = 1; k < K; k++)
            if (p[i * K + k] > p[i * K + found])
                found = k;
        counts->found[found]++;
        counts->asked[label[i]]++;
        counts->hits += found == (size_t)label[i];
        counts->n++;
    }
    return HIDI_OK;
}

void hidi_class_counts_free(hidi_class_counts *counts)
{
    free(counts->found);
    free(counts->asked);
    memset(counts, 0, sizeof *counts);
}

double hidi_class_counts_asked(const hidi_class_counts *counts)
{
    return counts->n > 0 ? (double)counts->hits / (double)counts->n : (double)NAN;
}

double hidi_class_counts_variation(const hidi_class_counts *counts)
{
    double sum = 0;
    for (size_t k = 0; k < counts->n_classes; k++)
        sum += fabs((double)counts->found[k] - (double)counts->asked[k]);
    return counts->n > 0 ? sum / 2 / (double)counts->n : (double)NAN;
}

double hidi_class_counts_rarest(const hidi_class_counts *counts)
{
    double least = INFINITY;
    for (size_t k = 0; k < counts->n_classes; k++)
        if (counts->asked[k] > 0)
            least = fmin(least, (double)counts->found[k] / (double)counts->asked[k]);
    return counts->n > 0 ? least : (double)NAN;
}
