/* probe.h - hidi probe: a computation, its models, its tensors.
 *
 *     probe.c            finding a computation, and evaluating it
 *     probe_settings.c   the constants of --set
 *     probe_models.c     reading the models
 *     probe_tensors.c    checking the inputs, writing the results
 *     probe_captions.c   captions in the place of y
 *     probe_kinds.c      the computations, one function each, and their table
 */
#ifndef HIDI_LAB_PROBE_H
#define HIDI_LAB_PROBE_H

#include "io/config.h"
#include "io/tensor_file.h"
#include "method/meanflow.h"
#include "eval/feature_net.h"
#include "method/heads.h"
#include "model/autoencoder.h"
#include "model/params_file.h"

/* What a model is to the computation, and the option that names its file. */
typedef enum hidi_probe_role {
    HIDI_PROBE_MODEL,   /* a DiT: --model                          */
    HIDI_PROBE_TEACHER, /* a DiT: --model-teacher                  */
    HIDI_PROBE_FAKE,    /* a DiT: --model-fake                     */
    HIDI_PROBE_HEADS,   /* discriminator heads: --model-heads      */
    HIDI_PROBE_NET,     /* a feature net: --model                  */
    HIDI_PROBE_CODER,   /* an autoencoder: --model                 */
    HIDI_PROBE_ROLES
} hidi_probe_role;
enum { HIDI_PROBE_DITS = 3, HIDI_PROBE_INPUTS = 8 };

extern const char *const hidi_probe_option[HIDI_PROBE_ROLES]; /* without the dashes */

typedef enum hidi_probe_type {
    HIDI_PROBE_NONE,    /* ends a list                                              */
    HIDI_PROBE_IMAGES,  /* [B, C, H, W], as the models take them                    */
    HIDI_PROBE_ANY_IMAGES, /* [B, C, H, W] of any size that the model takes, C of --model */
    HIDI_PROBE_LATENTS, /* [B, z, h, w] of an autoencoder                           */
    HIDI_PROBE_OUTPUTS, /* [B, C_out, H, W], as the model gives them                */
    HIDI_PROBE_NOISES,  /* [K, B, C, H, W], K being sample.steps                    */
    HIDI_PROBE_TIMES,   /* [B], in [0, 1]                                           */
    HIDI_PROBE_NUMBERS, /* [B]                                                      */
    HIDI_PROBE_LABELS,  /* [B], integers 0 .. n_classes, the last being the null class */
    HIDI_PROBE_POINTS   /* [N, D], N >= 2                                           */
} hidi_probe_type;

typedef struct hidi_probe_input {
    const char *name;
    hidi_probe_type type;
    bool optional;
} hidi_probe_input;

struct hidi_probe;

typedef struct hidi_probe_kind {
    const char *name;
    unsigned roles;       /* bit 1 << role for each model that it takes            */
    bool student;         /* its --model must have an interval embedder            */
    const char *settings; /* keys of --set besides those of a DiT, as words        */
    int prediction;       /* of a file that does not say: 1 + a hidi_prediction, which for what is
                           * about the network itself is velocity; 0: asks */
    hidi_probe_input input[HIDI_PROBE_INPUTS]; /* the first decides B              */
    hidi_status (*run)(struct hidi_probe *probe);
    hidi_autoencoder_parts parts; /* of an autoencoder that it takes               */
} hidi_probe_kind;

extern const hidi_probe_kind hidi_probe_kinds[]; /* ends with name NULL */

/* The values of --set.  Those in arrays, for all models and then for each role: 0 is not given. */
typedef struct hidi_probe_settings {
    hidi_meanflow_options meanflow; /* its guidance is also dmd's and ddpm's           */
    long heads[1 + HIDI_PROBE_DITS];
    double time_scale[1 + HIDI_PROBE_DITS];
    int prediction[1 + HIDI_PROBE_DITS]; /* 1 + a hidi_prediction                      */
    int code[1 + HIDI_PROBE_DITS];       /* 1 + a hidi_dit_code                        */
    long caption_length[1 + HIDI_PROBE_DITS];
    long steps, guided_channels;         /* of ddpm                                    */
    double kl_weight;                    /* of vae                                     */
} hidi_probe_settings;

typedef struct hidi_probe {
    const hidi_probe_kind *kind;
    const hidi_backend *backend;
    const char *path[HIDI_PROBE_ROLES]; /* of the models' files                        */
    const char *key;                    /* of --model's; NULL: as open_tensors.h has it */
    hidi_probe_settings set;
    hidi_tensor_file in, out;

    hidi_dit *dit[HIDI_PROBE_DITS];     /* NULL: not of this kind                      */
    hidi_heads *heads;
    hidi_feature_net *net;
    hidi_autoencoder *coder;
    size_t channels, out_channels, image_size, n_classes; /* of --model                */

    size_t batch; /* B                                                                 */
    int32_t *label; /* [B] the labels, NULL: not of this kind                            */
    hidi_condition y; /* these, or captions                                              */
    hidi_captions captions;             /* n = 0: there are none                       */
    int32_t *token, *length;
    hidi_real *embedding;
    hidi_tape *tape;
} hidi_probe;

/* --- for the command (probe.c, probe_settings.c) ---------------------------------------------- */

/* NULL: there is no such kind. */
const hidi_probe_kind *hidi_probe_find(const char *name);

/* Are the files of all models given that the kind takes, and no others? */
hidi_status hidi_probe_check_paths(const hidi_probe *probe);

/* The n values "key=value" of --set over the defaults; a key that means nothing to the kind is
 * refused. */
hidi_status hidi_probe_set(hidi_probe *probe, const char *const *assignment, int n);

/* Reads the inputs, evaluates, and writes the results.  Of the probe, kind, backend, path, key and
 * set are filled in, and the rest is 0; nothing is left to be freed. */
hidi_status hidi_probe_evaluate(hidi_probe *probe, const char *in, const char *out);

/* --- probe_models.c --------------------------------------------------------------------------- */

/* Reads the models of probe->path that the kind takes, and checks that they fit together. */
hidi_status hidi_probe_load(hidi_probe *probe);
void hidi_probe_unload(hidi_probe *probe);

/* --- probe_tensors.c -------------------------------------------------------------------------- */

/* Checks all of probe->in against the kind and the models: names, shapes, values.  Fills in B and
 * y. */
hidi_status hidi_probe_check(hidi_probe *probe);

/* An input on the tape; NULL if it is optional and absent, or after an error of the tape. */
hidi_var *hidi_probe_var(hidi_probe *probe, const char *name, bool wants_grad);

/* Results.  All refuse NaN and infinity by the result's name. */
hidi_status hidi_probe_put(hidi_probe *probe, const char *name, const hidi_var *x);
hidi_status hidi_probe_put_grad(hidi_probe *probe, const char *name, const hidi_var *x);
hidi_status hidi_probe_put_grads(hidi_probe *probe, const hidi_params *params); /* grad.<name> */
hidi_status hidi_probe_put_doubles(hidi_probe *probe, const char *name, hidi_shape shape,
                                   const double *values); /* as F64 in every build */
/* Does --model take captions, and is this the name of a tensor that has some? (probe_captions.c) */
bool hidi_probe_takes_captions(const hidi_probe *probe);
bool hidi_probe_is_of_captions(const hidi_probe *probe, const char *name);
hidi_status hidi_probe_read_captions(hidi_probe *probe); /* once batch is known */

hidi_status hidi_probe_put_reals(hidi_probe *probe, const char *name, hidi_shape shape,
                                 const hidi_real *values);

#endif
