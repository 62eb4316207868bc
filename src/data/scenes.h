/* scenes.h - what the captions of the built-in data set "scenes" ask for, and pictures of any of
 * them, those that are held out from all splits among them.
 *
 *     hidi_scene_request request;
 *     HIDI_TRY(hidi_scene_request_of(&request, label));
 *     ... request.n figures, request.object[0].colour ...
 */
#ifndef HIDI_DATA_SCENES_H
#define HIDI_DATA_SCENES_H

#include "dataset.h"

enum {
    HIDI_SCENE_SHAPES = 6,
    HIDI_SCENE_COLOURS = 6,
    HIDI_SCENE_TEXTURES = 3,
    HIDI_SCENE_FIGURES = 3 /* the most that a caption asks for */
};

/* By number: "circle", "square", "triangle", "cross", "star", "heart"; "red", "yellow", "green",
 * "cyan", "blue", "purple"; "plain", "striped", "dotted".  NULL from the end of a list on. */
const char *hidi_scene_shape_name(size_t shape);
const char *hidi_scene_colour_name(size_t colour);
const char *hidi_scene_texture_name(size_t texture);

typedef struct hidi_scene_object {
    size_t shape, colour, texture; /* numbers in these lists */
} hidi_scene_object;

typedef enum hidi_scene_size { HIDI_ANY_SIZE, HIDI_SMALL, HIDI_LARGE } hidi_scene_size;

typedef enum hidi_scene_relation {
    HIDI_LEFT_OF,
    HIDI_RIGHT_OF,
    HIDI_ABOVE,
    HIDI_BELOW
} hidi_scene_relation;

typedef struct hidi_scene_request {
    size_t n;                                     /* figures: 1 to HIDI_SCENE_FIGURES           */
    hidi_scene_object object[HIDI_SCENE_FIGURES]; /* [n]: all alike, or two in a relation       */
    hidi_scene_size size;                         /* of a single one                            */
    bool in_relation;                             /* object[0] to object[1], n is 2             */
    hidi_scene_relation relation;                 /* ... which                                  */
    bool held_out;                                /* an object's colour and shape are a pair that
                                                   * no picture of any split shows              */
} hidi_scene_request;

/* Is it the data set "scenes"?  The functions below are of its captions alone. */
bool hidi_is_scenes(const hidi_dataset *data);

/* What a caption asks for.  HIDI_BAD_ARGUMENT for a number that is not a caption's. */
hidi_status hidi_scene_request_of(hidi_scene_request *request, int32_t caption);

/* n captions into caption[n], in shares as the splits have them: not held out (these are then the
 * first n that samples are asked for, up to 4096 of them), or all held out. */
void hidi_scenes_ask(const hidi_dataset *scenes, bool held_out, size_t n, int32_t *caption);

/* Picture number `index` of any caption, into image [3, H, W]; of the caption of a test picture,
 * that picture. */
void hidi_scenes_draw(const hidi_dataset *scenes, int32_t caption, uint64_t index,
                      hidi_real *image);

#endif
