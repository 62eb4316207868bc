/* inception_score.h - the Inception Score (Salimans et al., arXiv 1606.03498), gathered a batch at
 * a time.
 *
 *     IS = exp( mean_i KL( p(y | x_i) || p(y) ) ),   p(y) = mean_i p(y | x_i)
 *
 * over each of `splits` parts of the images; the score is the mean of the parts' and its deviation
 * theirs (divided by their number, not by one less).  Part s of N images: those from floor(s N /
 * splits) on, in the order given, as in Salimans's code and, with 10 splits of 50,000, in
 * guided-diffusion's; or in the order that torch-fidelity shuffles them into.
 */
#ifndef HIDI_EVAL_INCEPTION_SCORE_H
#define HIDI_EVAL_INCEPTION_SCORE_H

#include <stddef.h>
#include <stdint.h>

#include "../core/status.h"

typedef enum hidi_score_order {
    HIDI_ORDER_GIVEN,         /* as the images come                                      */
    HIDI_ORDER_TORCH_FIDELITY /* numpy.random.RandomState(2020).permutation(N)           */
} hidi_score_order;

typedef struct hidi_inception_score {
    size_t n_classes, total, splits;
    size_t count;     /* images so far                                           */
    uint32_t *part;   /* [total] where an image belongs; NULL: order as given    */
    size_t *size;     /* [splits] images of each part so far                     */
    double *sum;      /* [splits, n_classes] sum of p(y | x)                     */
    double *negative; /* [splits] sum of p log p: the entropies' negative        */
} hidi_inception_score;

/* For `total` images, at least `splits` of them.  Free it in any case. */
hidi_status hidi_inception_score_init(hidi_inception_score *score, size_t n_classes, size_t total,
                                      size_t splits, hidi_score_order order);
/* The next n images' probabilities [n, n_classes], each row of sum 1; no more than `total` in
 * all. */
void hidi_inception_score_add(hidi_inception_score *score, const double *p, size_t n);
/* HIDI_BAD_ARGUMENT unless `total` images were added, HIDI_NOT_FINITE after a NaN. */
hidi_status hidi_inception_score_finish(const hidi_inception_score *score, double *mean,
                                        double *deviation);
void hidi_inception_score_free(hidi_inception_score *score);

#endif
