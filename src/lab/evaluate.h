/* evaluate.h - how far are generated images from real ones? */
#ifndef HIDI_LAB_EVALUATE_H
#define HIDI_LAB_EVALUATE_H

#include "lab/session.h"
#include "eval/image_set.h"
#include "eval/feature_net.h"

typedef struct hidi_measurement {
    char label[64];           /* "stage 2, 1 step"                                             */
    long evaluations;         /* network evaluations for one image; 0: real images             */
    double seconds;           /* for one image; NaN: not generated here                        */
    double distance;          /* Frechet distance to the real images, in the extractor's
                               * feature space                                                 */
    hidi_split split;         /* which real images                                             */
    double precision, recall; /* shares                                                        */
    double high_frequency;    /* power at half of Nyquist and above / that of the real ones     */
    long images;              /* on each side                                                  */
} hidi_measurement;

/* "the small feature net of shapes": what distances are said to be measured with. */
char *hidi_extractor_name(char *name, size_t size, const hidi_dataset *data);

/* Fills in distance, precision, recall, high_frequency and images. */
hidi_status hidi_measure(hidi_measurement *m, const hidi_image_set *set, const hidi_image_set *real,
                         size_t neighbours);

/* Draws n images of `net` with the settings' sample seed and measures them; the label is the
 * caller's.  */
hidi_status hidi_measure_net(hidi_measurement *m, const hidi_session *session, const hidi_dit *net,
                             const hidi_sampler *sampler, hidi_extractor *extractor,
                             const hidi_image_set *real);

/* hidi_sample with a progress line called `label` and a clock: x [n, C, H, W] holds the noise and
 * then the images, *seconds is the time for one. */
hidi_status hidi_run_sampler(const hidi_session *session, const hidi_dit *net, const hidi_sampler *sampler,
                             hidi_real *x, const int32_t *y, size_t n, const char *label,
                             double *seconds);

/* The samples number 0 .. n - 1 of the settings' sample seed; the caller frees *x. */
hidi_status hidi_draw_samples(const hidi_session *session, const hidi_dit *net, const hidi_sampler *sampler,
                              size_t n, const char *label, hidi_real **x, double *seconds);

/* A table of them, with the extractor's name and what it is not. */
void hidi_print_measurements(FILE *out, const hidi_measurement *m, size_t n, const char *extractor);
/* The same as a CSV file. */
hidi_status hidi_write_measurements(const char *path, const hidi_measurement *m, size_t n);

#endif
