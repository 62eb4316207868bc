/* options.h - what the options of all trainings share when they are checked.
 *
 * Every options struct has a check, which the constructors call: a value that makes no sense is
 * HIDI_BAD_ARGUMENT with a message that names the option, never a division by zero, an endless loop
 * or NaN some steps later.  A struct that was only zeroed is refused, too.
 */
#ifndef HIDI_TRAIN_OPTIONS_H
#define HIDI_TRAIN_OPTIONS_H

#include <stdbool.h>

#include "../method/heads.h"
#include "../method/meanflow.h"
#include "../method/times.h"

#define HIDI_MAX_BATCH 1000000 /* images of a step */

/* The default of what is computed at one time.  With 16 images of 16 tokens, products are as fast
 * as with many more, and what each micro-batch costs (a pass over the gradients) is not felt;
 * larger images can have fewer. */
#define HIDI_MICRO_BATCH 16

/* HIDI_OK if it holds, else HIDI_BAD_ARGUMENT: "OPTION is VALUE: expected EXPECTED".  Write the
 * condition as what must be true (least <= x && x <= most): with NaN it is then false. */
hidi_status hidi_require(bool holds, const char *option, double value, const char *expected);

/* A share of something, 0 to 1. */
hidi_status hidi_require_share(const char *option, double value);

/* A finite number, 0 or more. */
hidi_status hidi_require_not_negative(const char *option, double value);

/* A number of `choices`, words separated by spaces (HIDI_TIME_DENSITIES, ...). */
hidi_status hidi_require_choice(const char *option, int value, const char *choices);

hidi_status hidi_batch_size_check(size_t batch); /* 1 .. HIDI_MAX_BATCH */

/* Both 1 .. HIDI_MAX_BATCH.  A micro-batch may be larger than the batch, which is then one. */
hidi_status hidi_batch_sizes_check(size_t batch, size_t micro_batch);

/* 0 <= least <= most <= 1, deviation >= 0, all finite, whatever the density. */
hidi_status hidi_time_check(const hidi_time_options *options);

/* Shares in [0, 1], deviation >= 0. */
hidi_status hidi_interval_check(const hidi_interval_options *options);

/* c > 0 where p > 0: with c = 0 the weight of an error of 0 is 1/0. */
hidi_status hidi_meanflow_check(const hidi_meanflow_options *options);

/* 1 .. HIDI_MAX_TAPS heads after blocks that ascend; key_width >= 1 (awd).  The width is not
 * looked at: it is the backbone's, as is the number of blocks. */
hidi_status hidi_heads_check(const hidi_heads_config *config);

#endif
