/* inception_score.c - with H(p) = -sum_y p_y log p_y, the divergence of a part's images from their
 * mean is H(mean_i p(y | x_i)) - mean_i H(p(y | x_i)), so that sums of p and of p log p are enough
 * and no image's probabilities are kept. */
#include "eval/inception_score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/numpy_random.h"

enum { TORCH_FIDELITY_SEED = 2020 };

/* The first image of part s. */
static size_t first_of(const hidi_inception_score *score, size_t s)
{
    return (size_t)((uint64_t)s * score->total / score->splits);
}

/* part[image] for images that are shuffled before they are split. */
static hidi_status shuffle(hidi_inception_score *score)
{
    hidi_numpy_random random;
    size_t *order = malloc(score->total * sizeof *order);

    score->part = malloc(score->total * sizeof *score->part);
    if (order == NULL || score->part == NULL) {
        free(order);
        return hidi_error(HIDI_NO_MEMORY, "Inception Score: out of memory for %zu images",
                          score->total);
    }
    hidi_numpy_seed(&random, TORCH_FIDELITY_SEED);
    hidi_numpy_permutation(&random, order, score->total);
    for (size_t s = 0; s < score->splits; s++)
        for (size_t i = first_of(score, s); i < first_of(score, s + 1); i++)
            score->part[order[i]] = (uint32_t)s;
    free(order);
    return HIDI_OK;
}

hidi_status hidi_inception_score_init(hidi_inception_score *score, size_t n_classes, size_t total,
                                      size_t splits, hidi_score_order order)
{
    memset(score, 0, sizeof *score);
    if (n_classes == 0 || splits == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "Inception Score: %zu classes, %zu splits", n_classes,
                          splits);
    if (total < splits || total > UINT32_MAX)
        return hidi_error(HIDI_BAD_ARGUMENT, "Inception Score: %zu images in %zu splits", total,
                          splits);
    score->n_classes = n_classes;
    score->total = total;
    score->splits = splits;
    score->size = calloc(splits, sizeof *score->size);
    score->sum = calloc(splits, n_classes * sizeof *score->sum);
    score->negative = calloc(splits, sizeof *score->negative);
    if (score->size == NULL || score->sum == NULL || score->negative == NULL)
        return hidi_error(HIDI_NO_MEMORY, "Inception Score: out of memory for %zu classes",
                          n_classes);
    return order == HIDI_ORDER_TORCH_FIDELITY ? shuffle(score) : HIDI_OK;
}

void hidi_inception_score_free(hidi_inception_score *score)
{
    free(score->part);
    free(score->size);
    free(score->sum);
    free(score->negative);
    memset(score, 0, sizeof *score);
}

void hidi_inception_score_add(hidi_inception_score *score, const double *p, size_t n)
{
    size_t s = 0;

    for (size_t i = 0; i < n && score->count < score->total; i++, p += score->n_classes) {
        if (score->part != NULL)
            s = score->part[score->count];
        else
            while (score->count >= first_of(score, s + 1))
                s++;
        double *sum = score->sum + s * score->n_classes;
        for (size_t y = 0; y < score->n_classes; y++) {
            sum[y] += p[y];
            if (!(p[y] <= 0)) /* 0 log 0 = 0; NaN stays NaN */
                score->negative[s] += p[y] * log(p[y]);
        }
        score->size[s]++;
        score->count++;
    }
}

/* exp of: mean_i sum_y p(y | x_i) log p(y | x_i) - sum_y p(y) log p(y). */
static double score_of_part(const hidi_inception_score *score, size_t s)
{
    double n = (double)score->size[s], divergence = score->negative[s] / n;

    for (size_t y = 0; y < score->n_classes; y++) {
        double q = score->sum[s * score->n_classes + y] / n;
        if (!(q <= 0))
            divergence -= q * log(q);
    }
    return exp(divergence);
}

hidi_status hidi_inception_score_finish(const hidi_inception_score *score, double *mean,
                                        double *deviation)
{
    double square = 0;

    *mean = *deviation = 0;
    if (score->count != score->total)
        return hidi_error(HIDI_BAD_ARGUMENT, "Inception Score: %zu images of %zu", score->count,
                          score->total);
    for (size_t s = 0; s < score->splits; s++)
        *mean += score_of_part(score, s) / (double)score->splits;
    for (size_t s = 0; s < score->splits; s++)
        square += pow(score_of_part(score, s) - *mean, 2) / (double)score->splits;
    *deviation = sqrt(square);
    if (!isfinite(*mean))
        return hidi_error(HIDI_NOT_FINITE, "Inception Score: the probabilities are not finite");
    return HIDI_OK;
}
