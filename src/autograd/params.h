/* params.h - the named parameters of one model, in one piece of memory.
 *
 * Values lie one after the other in a single array, gradients in a second one, so that clipping,
 * AdamW and EMA are each one call over all of them.  A model declares its parameters, allocates
 * them once, and then asks for them by number (the order of declaration) on a tape.
 *
 * A model that is not to be trained may have its matrices in bfloat16, in a third array: half of
 * the memory.  A product expands them as it goes (hidi_linear); biases, tables and all else that is
 * not declared as a matrix stay as they are.
 */
#ifndef HIDI_AUTOGRAD_PARAMS_H
#define HIDI_AUTOGRAD_PARAMS_H

#include "tape.h"

typedef struct hidi_param {
    char name[96];    /* PyTorch's: "blocks.0.attn.qkv.weight" */
    hidi_shape shape;
    size_t offset;    /* into value and grad, or into bf16      */
    bool in_bf16;
} hidi_param;

typedef struct hidi_params {
    const hidi_backend *backend;
    hidi_param *param; /* [n_params]                                            */
    int n_params;
    bool frozen_bf16;  /* matrices that are declared are held in bf16            */
    size_t count;      /* elements of value                                      */
    hidi_real *value;  /* [count], backend memory                                */
    hidi_real *grad;   /* [count], backend memory; NULL: frozen.  One element    */
                       /* more is there, for hidi_params_grad_norm's sum         */
    size_t bf16_count; /* elements of bf16                                       */
    hidi_bf16 *bf16;   /* [bf16_count], backend memory                           */
} hidi_params;

void hidi_params_init(hidi_params *params, const hidi_backend *backend); /* empty */
void hidi_params_free(hidi_params *params);

/* Adds a parameter; its number is params->n_params before the call. */
hidi_status hidi_params_declare(hidi_params *params, hidi_shape shape, const char *name_format, ...)
    HIDI_PRINTF(3, 4);

/* The same of a matrix [out, in] that hidi_linear alone reads, as its w.  In a model with
 * frozen_bf16 (set after hidi_params_init) it is held in bfloat16. */
hidi_status hidi_params_declare_matrix(hidi_params *params, size_t out, size_t in,
                                       const char *name_format, ...) HIDI_PRINTF(4, 5);

/* Elements of all parameters together, in either form. */
size_t hidi_params_elements(const hidi_params *params);

/* After the last declaration: the values, all 0. */
hidi_status hidi_params_allocate(hidi_params *params);

/* Makes them trainable: allocates the gradients, all 0.  A second call does nothing.
 * HIDI_UNSUPPORTED for a model with frozen_bf16. */
hidi_status hidi_params_train(hidi_params *params);
void hidi_params_zero_grad(hidi_params *params);

/* -1: no such name. */
int hidi_params_find(const hidi_params *params, const char *name);

/* Parameter number i on a tape.  With frozen, or without gradients, it costs no gradient. */
hidi_var *hidi_param_var(hidi_tape *tape, const hidi_params *params, int i, bool frozen);

/* One parameter's value or gradient, to host memory and back; into bfloat16 it is rounded. */
void hidi_params_read(const hidi_params *params, int i, hidi_real *host);
void hidi_params_read_grad(const hidi_params *params, int i, hidi_real *host);
void hidi_params_write(const hidi_params *params, int i, const hidi_real *host);

/* Copies all values from `from`, which has the same declarations or more; parameters are matched by
 * name, and those of `to` that `from` lacks keep their values.  Shapes must agree; either may have
 * its matrices in bfloat16. */
hidi_status hidi_params_copy(hidi_params *to, const hidi_params *from);

/* Parameter i of `to` becomes parameter j of `from`, of the same shape. */
hidi_status hidi_params_copy_one(hidi_params *to, int i, const hidi_params *from, int j);

/* The Euclidean norm of all gradients. */
double hidi_params_grad_norm(const hidi_params *params);

/* The first parameter whose gradient (of_value: whose value) holds NaN or infinity; NULL: none. */
const char *hidi_params_not_finite(const hidi_params *params, bool of_value);

#endif
