/* inception_plan.h - Inception-v3 as a list of steps, which loading and running follow alike. */
#ifndef HIDI_EVAL_INCEPTION_PLAN_H
#define HIDI_EVAL_INCEPTION_PLAN_H

#include <stddef.h>

#include "eval/inception.h"

typedef enum hidi_inception_kind {
    HIDI_INCEPTION_CONV,
    HIDI_INCEPTION_MAX_POOL,
    HIDI_INCEPTION_AVERAGE_POOL /* padding is not counted */
} hidi_inception_kind;

/* Where a step reads and writes: the image, a block's input and output (which change places from
 * block to block), and what goes from one convolution of a branch to the next. */
enum { HIDI_INCEPTION_IMAGE = 4, HIDI_INCEPTION_BUFFERS = 4 };

typedef struct hidi_inception_step {
    hidi_inception_kind kind;
    size_t block;             /* number of the block that it belongs to                   */
    char name[40];            /* convolution: what its tensors' names begin with          */
    size_t from, to;          /* buffers                                                  */
    size_t in, out;           /* channels read and written                                */
    size_t first, total;      /* out are channels first .. first + out of total in `to`   */
    size_t kernel_h, kernel_w, stride, padding_h, padding_w;
    size_t weight, bias;      /* convolution: first elements in the array of parameters   */
} hidi_inception_step;

/* 94 convolutions and 13 pools, in the order in which they run. */
enum { HIDI_INCEPTION_STEPS = 94 + 13 };

typedef struct hidi_inception_plan {
    hidi_inception_step step[HIDI_INCEPTION_STEPS];
    size_t n_steps;
    const char *block_name[HIDI_INCEPTION_BLOCKS];
    size_t block_channels[HIDI_INCEPTION_BLOCKS]; /* of the block's output                    */
    size_t block_buffer[HIDI_INCEPTION_BLOCKS];   /* where that is                            */
    size_t n_blocks;
    size_t n_params;                              /* elements of all weights and biases       */
} hidi_inception_plan;

void hidi_inception_make_plan(hidi_inception_plan *plan);

/* The height, which is the width too, of what the step puts out for a square input of `size`.  All
 * oblong windows keep the size. */
size_t hidi_inception_out_size(const hidi_inception_step *step, size_t size);

#endif
