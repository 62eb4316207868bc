/* metrics.c - which metrics there are, by which names they go in which features, and what each
 * needs of the two sets of images. */
#include "eval/metrics.h"

#include <stdio.h>
#include <string.h>

enum { INCEPTION = 1, ANOTHER = 2 };

static const struct {
    const char *name;
    int extractors; /* those in whose features it goes by that name */
    bool initially; /* chosen if none is named                      */
} metrics[HIDI_METRICS] = {
    [HIDI_METRIC_FID] = {"fid", INCEPTION, true},
    [HIDI_METRIC_IS] = {"is", INCEPTION, true},
    [HIDI_METRIC_SFID] = {"sfid", INCEPTION, true},
    [HIDI_METRIC_KID] = {"kid", INCEPTION, false},
    [HIDI_METRIC_DISTANCE] = {"distance", ANOTHER, true},
    [HIDI_METRIC_KERNEL] = {"kernel", ANOTHER, false},
    [HIDI_METRIC_PR] = {"pr", INCEPTION | ANOTHER, false},
    [HIDI_METRIC_SPECTRUM] = {"spectrum", INCEPTION | ANOTHER, false},
    [HIDI_METRIC_CLASSES] = {"classes", ANOTHER, false},
};

const hidi_value_text hidi_value_texts[HIDI_VALUES] = {
    [HIDI_VALUE_FID] = {HIDI_METRIC_FID, "fid", "FID", 4},
    [HIDI_VALUE_IS] = {HIDI_METRIC_IS, "inception_score", "IS", 4},
    [HIDI_VALUE_IS_STD] = {HIDI_METRIC_IS, "inception_score_std", "IS std", 4},
    [HIDI_VALUE_SFID] = {HIDI_METRIC_SFID, "sfid", "sFID", 4},
    [HIDI_VALUE_KID] = {HIDI_METRIC_KID, "kid", "KID", 6},
    [HIDI_VALUE_KID_STD] = {HIDI_METRIC_KID, "kid_std", "KID std", 6},
    [HIDI_VALUE_KID_ERROR] = {HIDI_METRIC_KID, "kid_standard_error", "KID s.e.", 6},
    [HIDI_VALUE_DISTANCE] = {HIDI_METRIC_DISTANCE, "distance", "distance", 2},
    [HIDI_VALUE_KERNEL] = {HIDI_METRIC_KERNEL, "kernel_distance", "kernel", 6},
    [HIDI_VALUE_KERNEL_STD] = {HIDI_METRIC_KERNEL, "kernel_distance_std", "k. std", 6},
    [HIDI_VALUE_KERNEL_ERROR] = {HIDI_METRIC_KERNEL, "kernel_distance_standard_error", "k. s.e.",
                                 6},
    [HIDI_VALUE_PRECISION] = {HIDI_METRIC_PR, "precision", "precision", 3},
    [HIDI_VALUE_RECALL] = {HIDI_METRIC_PR, "recall", "recall", 3},
    [HIDI_VALUE_HIGH] = {HIDI_METRIC_SPECTRUM, "high_frequency", "high freq", 3},
    [HIDI_VALUE_ASKED] = {HIDI_METRIC_CLASSES, "asked_class", "as asked", 3},
    [HIDI_VALUE_VARIATION] = {HIDI_METRIC_CLASSES, "class_variation", "variation", 3},
    [HIDI_VALUE_RAREST] = {HIDI_METRIC_CLASSES, "rarest_class", "rarest", 3},
};

/* --- choosing --------------------------------------------------------------------------------- */

static hidi_status unknown(const char *name, size_t length, int extractor)
{
    char list[128] = "all";
    for (int i = 0; i < HIDI_METRICS; i++)
        if (metrics[i].extractors & extractor)
            snprintf(list + strlen(list), sizeof list - strlen(list), ", %s", metrics[i].name);
    return hidi_error(HIDI_BAD_ARGUMENT, "no metric %.*s in the features of %s; there are %s",
                      (int)length, name, extractor == INCEPTION ? "Inception" : "the small net",
                      list);
}

hidi_status hidi_metrics_choose(hidi_metric_choice *choice, const char *names, bool inception)
{
    const int extractor = inception ? INCEPTION : ANOTHER;
    *choice = (hidi_metric_choice){.asked = names != NULL && strcmp(names, "all") != 0};
    for (int i = 0; i < HIDI_METRICS && !choice->asked; i++)
        choice->on[i] = (metrics[i].extractors & extractor) &&
                        (names != NULL || metrics[i].initially ||
                         (!inception && (i == HIDI_METRIC_PR || i == HIDI_METRIC_SPECTRUM)));
    for (const char *name = choice->asked ? names : NULL; name != NULL;) {
        const size_t length = strcspn(name, ",");
        int i = 0;
        while (i < HIDI_METRICS && (strlen(metrics[i].name) != length ||
                                    strncmp(metrics[i].name, name, length) != 0 ||
                                    !(metrics[i].extractors & extractor)))
            i++;
        if (i == HIDI_METRICS)
            return unknown(name, length, extractor);
        choice->on[i] = true;
        name = name[length] == ',' ? name + length + 1 : NULL;
    }
    return HIDI_OK;
}

hidi_metric_options hidi_metric_defaults(void)
{
    return (hidi_metric_options){.neighbours = 3,
                                 .kernel = {.subsets = 100, .subset_size = 1000, .seed = 2020},
                                 .splits = 10,
                                 .order = HIDI_ORDER_GIVEN};
}

const char *hidi_metric_name(hidi_metric metric)
{
    return metrics[metric].name;
}

void hidi_metrics_need(const hidi_metric_choice *choice, bool reference, hidi_gathering *what)
{
    const bool *on = choice->on;
    what->lenient = !choice->asked;
    what->moments = on[HIDI_METRIC_FID] || on[HIDI_METRIC_DISTANCE];
    what->spatial = on[HIDI_METRIC_SFID];
    what->features = on[HIDI_METRIC_KID] || on[HIDI_METRIC_KERNEL] || on[HIDI_METRIC_PR];
    what->spectrum = on[HIDI_METRIC_SPECTRUM];
    what->classes = on[HIDI_METRIC_CLASSES] && !reference;
    what->score = on[HIDI_METRIC_IS] && !reference;
}
