/* sampling.h - what hidi sample does: samples of a network as a picture, a folder, arrays. */
#ifndef HIDI_LAB_SAMPLING_H
#define HIDI_LAB_SAMPLING_H

#include "lab/session.h"

/* What samples are written as; the name of the output says which. */
typedef enum hidi_sample_form {
    HIDI_SAMPLES_GRID,       /* NAME.png: one picture of all                                      */
    HIDI_SAMPLES_FOLDER,     /* NAME/, or a folder that is there: 000000.png, 000001.png, ...     */
    HIDI_SAMPLES_NPZ,        /* arr_0 u8 [N, H, W, C] and arr_1 [N], as guided-diffusion has them */
    HIDI_SAMPLES_SAFETENSORS /* images [N, C, H, W] as they are, not rounded, and labels [N]      */
} hidi_sample_form;

/* What hidi sample is asked for. */
typedef struct hidi_sample_request {
    const char *model;            /* the file of a teacher or a student                          */
    const char *heads, *backbone; /* NULL: no heat map                                           */
    const char *heat;             /* the heat map's file                                         */
    const char *noise;            /* NULL: drawn from sample.seed                                */
    const char *save_noise;       /* NULL: not wanted                                            */
    const char *classes;          /* a file of class names, one a line; NULL: the model's        */
    const char *prompt;           /* the caption of all samples, of a network that takes captions; NULL */
    const char *negative;         /* a caption that guidance leads away from; NULL: the null caption */
    const char *embeddings;       /* of a network that takes these: a file, a row a sample (they go
                                   * round)                                                       */
    const char *negative_embeddings; /* ... with one row, that guidance leads away from           */
    const char *label;            /* the class of all samples, a number or a name; NULL: those of
                                   * the noise's file, else they go round                        */
    long count;                   /* 0: as many as there is noise, or rows of embeddings, else 60 */
    long columns;                 /* of pictures                                                 */
} hidi_sample_request;

/* HIDI_BAD_ARGUMENT for a name that says none of these. */
hidi_status hidi_sample_form_of(const char *out, hidi_sample_form *form);

/* Draws samples into session->out, and the token weights over them.  What can be refused is refused
 * before anything is computed: the form, the outputs' folders, channels, classes, the noise. */
hidi_status hidi_write_samples(const hidi_session *session, const hidi_sample_request *request);

#endif
