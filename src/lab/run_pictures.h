/* run_pictures.h - the pictures of a run: a grid for each network, all side by side, and where the
 * discriminator looks. */
#ifndef HIDI_LAB_RUN_PICTURES_H
#define HIDI_LAB_RUN_PICTURES_H

#include "lab/session.h"

/* A network and how it is sampled. */
typedef struct hidi_generator {
    const char *name; /* "stage 1" */
    const hidi_dit *net;
    hidi_sampler sampler;
} hidi_generator;

/* What a run measures, in this order. */
enum {
    HIDI_GENERATOR_TEACHER,
    HIDI_GENERATOR_EULER,    /* the teacher in one Euler step */
    HIDI_GENERATOR_STAGE1,
    HIDI_GENERATOR_STAGE1_4, /* in four steps                 */
    HIDI_GENERATOR_STAGE2,
    HIDI_GENERATORS
};

typedef struct hidi_run_pictures {
    const hidi_session *session;
    const char *dir; /* has stage 2's discriminator, and receives the pictures */
    const hidi_dataset *data;
    const hidi_generator *generator; /* [HIDI_GENERATORS]                               */
    double fullest[2]; /* output: what full red is in heat-real.png and heat-stage2.png, in
                        * units of the even share; 0: there is no such picture          */
} hidi_run_pictures;

/* real.png, teacher.png, teacher-1-step.png, stage1.png, stage2.png, compare.png, path.png
 * (lab/path_picture.h), and for an adaptive weighted discriminator heat-real.png and
 * heat-stage2.png. */
hidi_status hidi_write_run_pictures(hidi_run_pictures *pictures);

/* How many images heat-real.png and heat-stage2.png show: those of two rows of the grids. */
size_t hidi_heat_images(const hidi_session *session, const hidi_dataset *data);

#endif
