/* random.h - counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011), from Random123.
 *
 * A draw is a pure function of (seed, stream, step, index).  Nothing is carried from one draw to
 * the next, so resuming a run, the number of threads and how a batch is split change nothing.
 */
#ifndef HIDI_CORE_RANDOM_H
#define HIDI_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "real.h"

/* What a number is drawn for: each use has a sequence of its own. */
typedef enum hidi_stream {
    HIDI_STREAM_INIT = 1,     /* initial weights: step = index of the parameter       */
    HIDI_STREAM_SHAPES_TRAIN, /* procedural images: step = index of the image         */
    HIDI_STREAM_SHAPES_TEST,
    HIDI_STREAM_BATCH,        /* which samples are in a batch                         */
    HIDI_STREAM_NOISE,            /* e in z_t = (1 - t) x + t e, or e of G(e, y)      */
    HIDI_STREAM_TIME,             /* t, or (t, r)                                     */
    HIDI_STREAM_MATCHING_NOISE,   /* stage 2: e' and t of the distribution matching   */
    HIDI_STREAM_MATCHING_TIME,
    HIDI_STREAM_FAKE_SCORE_NOISE, /* ... of the fake score's own loss                 */
    HIDI_STREAM_FAKE_SCORE_TIME,
    HIDI_STREAM_ADVERSARY_NOISE,  /* ... of what the generator shows the heads        */
    HIDI_STREAM_ADVERSARY_TIME,
    HIDI_STREAM_HEADS_FAKE_NOISE, /* ... of the fake and real images the heads learn  */
    HIDI_STREAM_HEADS_FAKE_TIME,
    HIDI_STREAM_HEADS_REAL_NOISE,
    HIDI_STREAM_HEADS_REAL_TIME,
    HIDI_STREAM_R1_NOISE,         /* the perturbation of approximate R1               */
    HIDI_STREAM_RETAINED_NOISE,   /* e of the retained MeanFlow loss                  */
    HIDI_STREAM_LABEL,        /* classes to generate                                  */
    HIDI_STREAM_DROPOUT,      /* label dropout                                        */
    HIDI_STREAM_SAMPLE,       /* noise for samples that are looked at or measured     */
    HIDI_STREAM_TEST,         /* for tests                                            */
    HIDI_STREAM_SHAPES_VALIDATION, /* procedural images of the third split            */
    HIDI_STREAM_STEP_NOISE,   /* of a stochastic sampler's steps                      */
    HIDI_STREAM_LATENT,       /* e of a latent's distribution: step = number of the image */
    HIDI_STREAM_DEFECT,       /* noise of planted defects: step = number of the image     */
    HIDI_STREAM_DEFECT_PLACE, /* which tokens are damaged                                 */
    HIDI_STREAM_DEFECT_KIND,  /* and how                                                  */
    HIDI_STREAM_TANGENT_PLACE /* where MeanFlow's du/dt is taken                          */
} hidi_stream;

typedef struct hidi_random {
    uint64_t seed;
    uint32_t stream; /* a hidi_stream                                                    */
    uint64_t step;   /* training step, parameter or image index; 48 bits are used        */
} hidi_random;

/* out[i] = draw number first + i of this (seed, stream, step): uniform on (0, 1), ends excluded. */
void hidi_uniform(hidi_random random, size_t first, double *out, size_t n);

/* Two independent draws from N(0, 1), made from two of the uniform distribution on (0, 1): Box and
 * Muller, "A note on the generation of random normal deviates", 1958. */
void hidi_box_muller(double u1, double u2, double pair[2]);

/* out[i] ~ N(0, 1), by Box and Muller; computed in double, so that both precisions see the same
 * draws.  Parallel inside. */
void hidi_normal(hidi_random random, size_t first, hidi_real *out, size_t n);

/* out[i] uniform on 0 .. bound - 1, bound >= 1. */
void hidi_uniform_int(hidi_random random, size_t first, uint64_t bound, uint64_t *out, size_t n);

#endif
