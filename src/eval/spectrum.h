/* spectrum.h - the radial power spectrum of images: where does a lossy compressor lose? */
#ifndef HIDI_EVAL_SPECTRUM_H
#define HIDI_EVAL_SPECTRUM_H

#include <stddef.h>

#include "../core/real.h"
#include "../core/status.h"

typedef struct hidi_spectrum {
    size_t size;   /* images are size x size                                            */
    size_t bins;   /* size / 2 + 1: radius |k| rounded to 0 .. size/2 (corners: last)   */
    size_t count;  /* channel images so far                                             */
    double *power; /* [bins] sum over the bin's frequencies of |F(k)|^2 / (H W), mean over images
                    * after division by count                                           */
    double *table; /* cosines and sines, [2, size, size]                                */
    double *work;  /* of images whose turn it is                                        */
} hidi_spectrum;

hidi_status hidi_spectrum_init(hidi_spectrum *spectrum, size_t size);
/* Adds images [n, C, size, size]; each channel counts as one image. */
void hidi_spectrum_add(hidi_spectrum *spectrum, const hidi_real *images, size_t n, size_t C);
void hidi_spectrum_free(hidi_spectrum *spectrum);

/* Mean power per image at radius >= size/4 (half of the Nyquist frequency and above). */
double hidi_spectrum_high(const hidi_spectrum *spectrum);

/* Mean power per image in a bin / the same of the reference, which has the same size. */
double hidi_spectrum_ratio(const hidi_spectrum *spectrum, const hidi_spectrum *reference,
                           size_t bin);

#endif
