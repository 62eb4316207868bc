/* op.h - what an op is: three functions side by side.  For the files that define ops. */
#ifndef HIDI_AUTOGRAD_OP_H
#define HIDI_AUTOGRAD_OP_H

#include "tape.h"

#define HIDI_MAX_INPUTS 4

typedef struct hidi_node hidi_node;

/* One use of an op on a tape.  An op's constructor fills op, in, n_in and whatever of the rest its
 * three functions read, and hands it to hidi_apply, which copies it. */
struct hidi_node {
    const struct hidi_op *op;
    hidi_var *out;
    int n_in;
    hidi_var *in[HIDI_MAX_INPUTS]; /* an optional input may be NULL                    */
    hidi_real *saved[2];           /* what forward keeps for the other two             */
    const int32_t *index;          /* labels                                           */
    int32_t *where;                /* argmax of a max pool                             */
    size_t size[6];                /* extents, as the op likes them                    */
    hidi_real real[2];             /* constants                                        */
    int kind;                      /* a hidi_unary, hidi_patch_order, ...              */
    hidi_window window;
};

typedef struct hidi_op {
    const char *name;
    /* Writes out->value.  */
    void (*forward)(hidi_node *node, const hidi_backend *backend);
    /* Writes out->tangent from the inputs' tangents, at least one of which is not NULL. */
    void (*jvp)(hidi_node *node, const hidi_backend *backend);
    /* Adds to the inputs' gradients, from out->grad, through hidi_grad_of(). */
    void (*vjp)(hidi_node *node, const hidi_backend *backend);
    /* Elements of scratch memory that each of the three may use (node->saved[1]), not kept from
     * one to the next; NULL: none. */
    size_t (*scratch)(const hidi_node *node, const hidi_backend *backend);
} hidi_op;

/* First thing in a constructor, which fills op, n_in and in before it looks at shapes: true if the
 * first n_required inputs are there and the tape has no error; records an error otherwise. */
bool hidi_node_ready(hidi_tape *tape, const hidi_node *node, int n_required);

/* Runs the op: allocates out [shape], calls forward, and jvp if an input has a tangent; records the
 * node if an input needs a gradient.  n_saved: elements to allocate for saved[0] first (0: none).
 * Returns out, or NULL if the tape has failed or memory ran out. */
hidi_var *hidi_apply(hidi_tape *tape, const hidi_node *node, hidi_shape shape, size_t n_saved);

/* A var with x's elements (shared, not copied) in another shape of the same count, with `tangent`
 * (may be NULL) as its tangent; its gradient is added to x's. */
hidi_var *hidi_view(hidi_tape *tape, hidi_var *x, hidi_shape shape, hidi_real *tangent);

/* In a vjp: where input i's gradient goes, and the beta to write it with (0 for the first
 * contribution, 1 after it; parameters: always 1).  NULL: this input wants no gradient.  Calling it
 * counts as the contribution. */
hidi_real *hidi_grad_of(hidi_node *node, int i, hidi_real *beta);

/* In a jvp: input i's tangent, or NULL. */
const hidi_real *hidi_tangent_of(const hidi_node *node, int i);

#endif
