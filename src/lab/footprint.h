/* footprint.h - the memory that a step needs, before there is any. */
#ifndef HIDI_LAB_FOOTPRINT_H
#define HIDI_LAB_FOOTPRINT_H

#include "lab/step.h"

/* Bytes in the backend's memory. */
typedef struct hidi_footprint {
    size_t models;    /* parameters, their gradients, moments and averages                     */
    size_t tape;      /* most that activations, tangents and gradients take at one time        */
    size_t allocated; /* all that is asked for: both, and what is left over of the tape's pieces */
} hidi_footprint;

/* What a training or a sampler needs on the backend `like`: its first steps, taken on the dry
 * backend. config and data as in hidi_step_begin. */
hidi_status hidi_step_footprint(hidi_footprint *footprint, hidi_step_kind kind,
                                const hidi_settings *settings, const hidi_dit_config *config,
                                const hidi_dataset *data, const hidi_backend *like);

/* An error that says that `name` is too large, if this machine has less memory than that in all. */
hidi_status hidi_footprint_fits(const hidi_footprint *footprint, const char *name);

#endif
