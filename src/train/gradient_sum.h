/* gradient_sum.h - the sum of the micro-batches' gradients, in one fixed binary tree.
 *
 * Leaf i of the tree is micro-batch i; two neighbours are added, then two neighbouring sums, and so
 * on; where there is no right neighbour, the left one goes up as it is:
 *
 *     (g0 + g1) + (g2 + g3),   and for five   ((g0 + g1) + (g2 + g3)) + g4
 *
 * Addition of rounded numbers depends on its order, and this order depends on nothing but how many
 * there are.  Whoever brings the second of two neighbours adds them, at once, so that at most
 * log2(leaves) + 2 parts wait for each worker that works in order; the last two levels are left to
 * the end, where all threads add them, in pieces that stay in their caches.
 */
#ifndef HIDI_TRAIN_GRADIENT_SUM_H
#define HIDI_TRAIN_GRADIENT_SUM_H

#include "task.h"

/* The gradients of one micro-batch, or of several neighbours. */
typedef struct hidi_gradient_part {
    hidi_real *grad[HIDI_MAX_TRAINED]; /* [trained[i]->count], backend memory            */
    bool is_reached[HIDI_MAX_TRAINED]; /* false: there is no gradient in this step, and
                                        * grad[i] holds anything                        */
    bool is_zero[HIDI_MAX_TRAINED];    /* grad[i] holds nothing but 0                   */
    double term[HIDI_MAX_LOG_COLUMNS]; /* shares of the values that are logged           */
    struct hidi_gradient_part *next;   /* in the list of free ones                       */
} hidi_gradient_part;

typedef struct hidi_gradient_sum hidi_gradient_sum;

/* Of `leaves` micro-batches, 1 or more.  trained [HIDI_MAX_TRAINED], as in hidi_task, with
 * gradients, is borrowed; the caller destroys it. */
hidi_status hidi_gradient_sum_create(hidi_gradient_sum **sum, hidi_params *const *trained,
                                     size_t leaves);
void hidi_gradient_sum_destroy(hidi_gradient_sum *sum); /* NULL is allowed */

/* Before a step: whatever a step that failed has left is taken back. */
void hidi_gradient_sum_begin(hidi_gradient_sum *sum);

/* A part for a leaf, with memory of its own; that of leaf 0 is the models' own gradient, which must
 * be 0 and in which the sum of all will be.  May be called by several threads. */
hidi_status hidi_gradient_sum_take(hidi_gradient_sum *sum, size_t leaf, hidi_gradient_part **part);

/* Takes the part of a leaf back and adds what can be added.  Each leaf once in a step, in any
 * order, by any thread. */
void hidi_gradient_sum_give(hidi_gradient_sum *sum, size_t leaf, hidi_gradient_part *part);

/* After the last leaf of this process, whose share is hidi_processes_share's: adds what is left to
 * add, by all threads of the backend; or brings together what the processes have, in the same tree,
 * and gives the sum of all to each.  Every process calls it. */
hidi_status hidi_gradient_sum_finish(hidi_gradient_sum *sum);

/* After that: the sums of the terms. */
const double *hidi_gradient_sum_terms(const hidi_gradient_sum *sum);

#endif
