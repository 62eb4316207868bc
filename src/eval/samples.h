/* samples.h - a network's samples as a source of images (data/image_source.h): drawn while they are
 * read, a batch at a time, so that any number can be measured.
 *
 *     const hidi_samples samples = {
 *         .net = student, .sampler = sampler, .seed = 1000, .count = 2048};
 *     HIDI_TRY(hidi_image_source_samples(&source, &samples));
 *     ... hidi_image_source_next, hidi_measure ...
 *     hidi_image_source_close(&source);
 */
#ifndef HIDI_EVAL_SAMPLES_H
#define HIDI_EVAL_SAMPLES_H

#include "../data/image_source.h"
#include "../method/sampler.h"
#include "../model/autoencoder.h"

typedef struct hidi_samples {
    const hidi_dit *net;  /* a teacher or a student; borrowed                                    */
    hidi_sampler sampler; /* sampler.batch images go through the network together, however many
                           * are read at a time: the images do not depend on the reader          */
    uint64_t seed;        /* sample number i of a seed has the noise and class of
                           * hidi_sample_inputs, whatever the network                            */
    size_t count;         /* samples number 0 .. count - 1                                       */
    const hidi_autoencoder *decoder; /* the network's samples are latents, which it makes images
                                      * of; NULL: they are images                                */
    size_t channels;      /* of the images given; 0: the network's.  One channel may be repeated */
    const int32_t *label; /* the class of all; NULL: the classes go round                        */
    const hidi_captions *captions; /* what the numbers are of; NULL: classes                    */
    bool eight_bits;      /* rounded as in a PNG file                                            */
} hidi_samples;

/* A source of samples.  source->seconds counts the time in hidi_sample and in the decoder alone,
 * source->evaluations is the sampler's; batches have their labels.  HIDI_BAD_SHAPE where the
 * network makes images of other channels, HIDI_BAD_ARGUMENT for a batch of 0 and a class that the
 * network does not have; reading ends with HIDI_NOT_FINITE at a sample that is not. */
hidi_status hidi_image_source_samples(hidi_image_source *source, const hidi_samples *samples);

/* All of them in memory: images [count, C, H, W], and their classes [count] (labels NULL: not
 * wanted); the caller frees both.  progress (NULL: none) counts images. */
hidi_status hidi_samples_draw(const hidi_samples *samples, hidi_progress *progress,
                              hidi_real **images, int32_t **labels);

#endif
