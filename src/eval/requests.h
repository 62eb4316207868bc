/* requests.h - do pictures show what their captions ask for?  Shares of fulfilled requests for the
 * data set "scenes", in the manner of GenEval (arXiv 2310.11513), whose detectors are replaced by
 * scene_view.h.
 *
 * Figures that a caption asks for are matched with those that are seen, so that as many shapes,
 * colours and textures as possible agree.  Then
 *
 *     object    each figure that is matched has the shape asked for, and there is one (in a
 *               relation: there are two)
 *     colour, texture   the same
 *     count     as many figures are seen as are asked for
 *     size      small or large, where the caption says so
 *     relation  the first is left of, right of, above or below the second, and further in that
 *               direction than across it
 *     both      in a relation: both have their own shape, colour and texture
 *     all       everything that the caption asks for
 *
 * A picture counts in a column only if its caption asks for that.
 */
#ifndef HIDI_EVAL_REQUESTS_H
#define HIDI_EVAL_REQUESTS_H

#include "scene_view.h"

typedef enum hidi_request_part {
    HIDI_REQUEST_OBJECT,
    HIDI_REQUEST_COLOUR,
    HIDI_REQUEST_TEXTURE,
    HIDI_REQUEST_COUNT,
    HIDI_REQUEST_SIZE,
    HIDI_REQUEST_RELATION,
    HIDI_REQUEST_BOTH,
    HIDI_REQUEST_ALL,
    HIDI_REQUEST_PARTS
} hidi_request_part;

const char *hidi_request_part_name(hidi_request_part part); /* "object" */

/* Of one picture. */
typedef struct hidi_verdict {
    bool asked[HIDI_REQUEST_PARTS], fulfilled[HIDI_REQUEST_PARTS]; /* fulfilled: and asked */
} hidi_verdict;

/* Of many. */
typedef struct hidi_request_counts {
    size_t asked[HIDI_REQUEST_PARTS], fulfilled[HIDI_REQUEST_PARTS];
} hidi_request_counts;

hidi_verdict hidi_judge(const hidi_seen *seen, const hidi_scene_request *request);

/* Judges n pictures [n, 3, side, side] by what their captions [n] ask for, on all threads (and
 * processes of an MPI run, which all call it with the same), and adds that to the counts.
 * HIDI_NOT_FINITE for a picture with NaN or infinity, HIDI_BAD_ARGUMENT for a number that is not a
 * caption's: the counts are then as they were. */
hidi_status hidi_judge_pictures(hidi_request_counts *counts, const hidi_real *images, size_t n,
                                size_t side, const int32_t *caption);

/* p = fulfilled / asked, and its standard error sqrt(p (1 - p) / asked); NaN where nothing was
 * asked. */
double hidi_request_share(const hidi_request_counts *counts, hidi_request_part part);
double hidi_request_error(const hidi_request_counts *counts, hidi_request_part part);

#endif
