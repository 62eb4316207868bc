/* scene_region.h - between finding the regions of a picture (scene_view.c) and recognising what
 * each of them is (scene_figure.c); not a public header. */
#ifndef HIDI_EVAL_SCENE_REGION_H
#define HIDI_EVAL_SCENE_REGION_H

#include "eval/scene_mixture.h"
#include "eval/scene_view.h"

/* A pixel of a region or next to it. */
typedef struct hidi_scene_point {
    double x, y, cover, texture;
    bool owned; /* of the region */
} hidi_scene_point;

/* A shape drawn at the origin, of size 1. */
typedef struct hidi_silhouette {
    double area, x, y; /* and its centroid */
} hidi_silhouette;

typedef struct hidi_scene_picture {
    size_t side, pixels;
    const hidi_mixture *mixture; /* [HIDI_SCENE_COLOURS, pixels]                    */
    int *owner;                  /* [pixels] number of a region; NOBODY             */
    int *label;                  /* [pixels] what regions are divided by; NO_LABEL  */
    size_t *queue;               /* [pixels]                                        */
    hidi_scene_point *points;    /* [pixels]                                        */
    int n_owners;
    hidi_silhouette silhouette[HIDI_SCENE_SHAPES];
} hidi_scene_picture;

enum { NOBODY = -1, NO_LABEL = -1 };

/* A region, and what it is taken for. */
typedef struct hidi_scene_region {
    int owner;
    size_t count;
    hidi_seen_figure figure;
} hidi_scene_region;

static inline const hidi_mixture *hidi_mixture_of(const hidi_scene_picture *v, size_t colour,
                                                   size_t pixel)
{
    return &v->mixture[colour * v->pixels + pixel];
}

/* Fills in the silhouettes; uses the picture's points. */
void hidi_weigh_silhouettes(hidi_scene_picture *v);

/* Fills in the region's figure; uses the picture's points. */
void hidi_recognise(hidi_scene_picture *v, hidi_scene_region *r);

#endif
