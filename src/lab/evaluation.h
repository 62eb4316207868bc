/* evaluation.h - hidi eval: sets of images against a reference.
 *
 *     hidi_status status = hidi_evaluation_init(&e, &session, &request);
 *     if (status == HIDI_OK)
 *         status = hidi_evaluation_run(&e, stdout);
 *     ... e.table ...
 *     hidi_evaluation_free(&e);
 */
#ifndef HIDI_LAB_EVALUATION_H
#define HIDI_LAB_EVALUATION_H

#include "lab/eval_set.h"
#include "lab/measure_table.h"
#include "lab/open_extractor.h"

enum { HIDI_EVAL_SETS = 64 };

/* What is asked for; a NULL member: not given. */
typedef struct hidi_eval_request {
    const char *reference;  /* a set (eval_set.h); else eval.split of the settings' data set   */
    hidi_extractor_request extractor;
    const char *metrics;    /* "distance,pr", "all"                                            */
    const char *statistics; /* a file for the moments of the one set                           */
    char **sets;            /* [n], 1 to HIDI_EVAL_SETS of them                                */
    size_t n;
} hidi_eval_request;

typedef struct hidi_evaluation {
    const hidi_session *session; /* with its backend opened, when it runs                      */
    const hidi_eval_request *request;
    hidi_opened_extractor extractor;
    hidi_eval_context context;
    hidi_measuring how;
    hidi_image_set reference;
    hidi_measured row[HIDI_EVAL_SETS + 1]; /* one more for real images                         */
    hidi_measure_table table;    /* of these; n 0: nothing was compared                        */
} hidi_evaluation;

/* Nothing is opened yet.  HIDI_BAD_ARGUMENT for a request that makes no sense.  The evaluation
 * keeps pointers into itself: it is not to be moved. */
hidi_status hidi_evaluation_init(hidi_evaluation *evaluation, const hidi_session *session,
                                 const hidi_eval_request *request);

/* Opens what is needed and measures every set against the reference, or, if statistics of a set are
 * asked for and no reference is given, writes these alone.  A line about statistics goes to `out`
 * (NULL: nowhere). */
hidi_status hidi_evaluation_run(hidi_evaluation *evaluation, FILE *out);

/* In any case. */
void hidi_evaluation_free(hidi_evaluation *evaluation);

#endif
