/* defects.h - where does a discriminator look, and does it find a defect that was planted?
 *
 * An adaptive weighted discriminator is meant to look at local imperfections [HD].  Here that is
 * measured [ours]: one token's patch of a real image is damaged, and every token is ranked by the
 * discriminator's weight a_i, by how fake its score s_i says it is, and by |dD/dz| over its patch.
 */
#ifndef HIDI_EVAL_DEFECTS_H
#define HIDI_EVAL_DEFECTS_H

#include "../data/dataset.h"
#include "../method/heads.h"
#include "damage.h"

/* Maps over the tokens of images x [n, C, H, W] (host, classes y [n]), noised to t with the noise
 * number `step` of `seed`; each of the outputs, host [n, N], may be NULL:
 *   weights   a_i, the mean over the heads (awd; others have none: HIDI_UNSUPPORTED)
 *   scores    s_i, the mean over the heads (conv has none: HIDI_UNSUPPORTED)
 *   gradient  sum over the token's pixels and channels of |dD/dz|
 * Resets the tape. */
hidi_status hidi_token_maps(hidi_tape *tape, const hidi_heads *heads, const hidi_dit *backbone,
                            const hidi_real *x, const hidi_condition *y, size_t n, double t,
                            uint64_t seed, uint64_t step, hidi_real *weights, hidi_real *scores,
                            hidi_real *gradient);

typedef enum hidi_finder {
    HIDI_FINDER_WEIGHT,
    HIDI_FINDER_SCORE,
    HIDI_FINDER_GRADIENT
} hidi_finder;
enum { HIDI_FINDERS = 3 };
const char *hidi_finder_name(hidi_finder finder); /* "weight", "score", "gradient" */

/* Where token `at` stands in map [N]: *auc, the share of the others below it (ties: half; N = 1:
 * NaN), and *top, 1 if none of them is above or equal, else 0.  sign -1: the smallest value is the
 * first. */
void hidi_rank_token(const hidi_real *map, size_t N, size_t at, int sign, double *auc, double *top);

/* How well a finder does: means over images, NaN if the head has no such map.
 *   auc    share of the other tokens that are ranked below the damaged one (ties: half): 0.5 is
 *          chance
 *   top    share of images whose first token is the damaged one: 1 / N is chance
 *   *_clean  the same token in the undamaged image: what is there without a defect */
typedef struct hidi_found {
    double auc, top, auc_clean, top_clean;
    double auc_error; /* standard error of auc - auc_clean, over images */
} hidi_found;

/* Plants a defect in each of the first n images of a split and ranks its tokens, at noise level
 * t. */
hidi_status hidi_find_defects(const hidi_heads *heads, const hidi_dit *backbone,
                              const hidi_dataset *data, hidi_split split, size_t n,
                              hidi_defect kind, double t, uint64_t seed,
                              hidi_found found[HIDI_FINDERS]);

#endif
