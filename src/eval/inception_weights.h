/* inception_weights.h - the tensors of Inception-v3 in a file. */
#ifndef HIDI_EVAL_INCEPTION_WEIGHTS_H
#define HIDI_EVAL_INCEPTION_WEIGHTS_H

#include "eval/inception_plan.h"

/* HIDI_BAD_FORMAT naming the first tensor that the network has no place for. */
hidi_status hidi_inception_check_names(const hidi_inception_plan *plan,
                                       const hidi_tensor_file *weights);

/* The convolutions with batch norm folded in, out [plan->n_params], and fc.weight, [1008, 2048]. */
hidi_status hidi_inception_read_folded(const hidi_inception_plan *plan,
                                       const hidi_tensor_file *weights, hidi_real *out);
hidi_status hidi_inception_read_fc(const hidi_inception_plan *plan,
                                   const hidi_tensor_file *weights, hidi_real *out);

#endif
