/* eval_set.h - the sets of images that hidi eval compares, by their names. */
#ifndef HIDI_LAB_EVAL_SET_H
#define HIDI_LAB_EVAL_SET_H

#include "lab/session.h"
#include "eval/image_set.h"

/* What all of them are gathered with. */
typedef struct hidi_eval_context {
    const hidi_session *session;
    hidi_dataset *data;   /* of the settings; the first that needs it opens it, the caller closes */
    hidi_extractor *extractor;
    const char *identity; /* its kind and weights, which statistics files remember                */
    bool eight_bits;      /* samples and images of data sets are rounded as in a PNG file         */
} hidi_eval_context;

/* Gathers what is wanted of `name`, as far as it has it (what->label is not looked at):
 *   data:train, data:validation, data:test   eval.images of that split of the settings' data set
 *   a folder                                 all its pictures (data/image_source.h)
 *   an npz with arr_0                        all its images, and the statistics beside them, if
 *                                            any, in place of their own
 *   an npz with mu and sigma                 statistics alone
 *   safetensors                              eval.images samples of a teacher or a student
 * Free it in any case. */
hidi_status hidi_eval_set_gather(hidi_image_set *set, hidi_eval_context *context, const char *name,
                                 const hidi_gathering *what);

/* Opens the settings' data set if it is not open yet. */
hidi_status hidi_eval_data(hidi_eval_context *context);

/* The split of "data:train", "data:validation" or "data:test". */
hidi_status hidi_eval_split(const char *name, hidi_split *split);

#endif
