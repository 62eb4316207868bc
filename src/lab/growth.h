/* growth.h - how a student's samples change while it is trained: a picture of one-step samples,
 * from the same noise, at a few steps of the training, and how far some more of them are from real
 * images.  Nothing of the training depends on it. */
#ifndef HIDI_LAB_GROWTH_H
#define HIDI_LAB_GROWTH_H

#include "lab/session.h"
#include "eval/measure.h"

enum {
    HIDI_GROWTH_PICTURES = 9, /* of a training, its beginning and its end included */
    HIDI_GROWTH_IMAGES = 512  /* that are measured at each, if eval.images is not less */
};

/* The number of steps after which a picture, 0 .. HIDI_GROWTH_PICTURES - 1, is drawn: 0, then ever
 * further apart, as changes are, to `steps`. */
long hidi_growth_step(long steps, int picture);

/* The picture of stage `number` (1 or 2) after `step` steps, in path[size]; returns path. */
char *hidi_growth_path(char *path, size_t size, const char *dir, int number, long step);

/* How many samples a picture of such a network shows: numbers 0 .. n - 1. */
size_t hidi_growth_samples(const hidi_dit *net);

/* What a training is looked at with. */
typedef struct hidi_growth {
    const hidi_session *session;
    const hidi_dataset *data;
    const char *dir; /* of the results; the feature net is looked for in it */
    int number;      /* 1 or 2 */
    long steps;      /* of the training */
    bool is_open;    /* the rest: opened by the first look, for all that follow */
    hidi_extractor extractor;
    hidi_image_set real;
    hidi_measuring how; /* extractor NULL: there is no feature net, nothing is measured */
} hidi_growth;

/* If the step is one that has a picture, draws it, in two rows, as dir/growth/stageN-STEP.png, and
 * adds a row to dir/growth/stageN.csv: step, images, distance, high_frequency.  Done again, after
 * an interruption, it is the same.  A net whose samples are not finite, or cannot be drawn
 * (channels other than 1 and 3), leaves nothing: the training goes on as if nobody had looked. */
hidi_status hidi_growth_look(hidi_growth *growth, const hidi_dit *net, long step);

void hidi_growth_free(hidi_growth *growth);

#endif
