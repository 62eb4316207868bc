/* op.h - what an op is: three functions side by side.  For the files that define ops.
 *
 * A page of an op names its arrays as the mathematics does and hands them to the backend.  With
 * struct square { size_t n; } as what y = x^2 keeps of its own:
 *
 *     static void square_jvp(hidi_node *node, const hidi_backend *backend)
 *     {
 *         const struct square *s = node->own;
 *         const hidi_real *x = hidi_value_of(node, 0);
 *         hidi_real *dy = node->out->tangent, beta;
 *         const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
 *         if (dx != NULL)
 *             backend->multiply(dy, beta, 2, x, dx, s->n);
 *     }
 *
 * Its vjp looks the same, with gx = hidi_grad_of(node, 0, &beta), and gy = node->out->grad.
 */
#ifndef HIDI_AUTOGRAD_OP_H
#define HIDI_AUTOGRAD_OP_H

#include "tape.h"

#define HIDI_MAX_INPUTS 3

typedef struct hidi_node hidi_node;

/* One use of an op on a tape.  An op's constructor fills op, n_in and in; hidi_apply the rest. */
struct hidi_node {
    const struct hidi_op *op;
    int n_in;
    hidi_var *in[HIDI_MAX_INPUTS]; /* an optional input may be NULL                               */
    hidi_var *out;
    const void *own;               /* the op's own struct: extents, constants, indices            */
    hidi_real *saved;              /* what forward keeps for the other two                        */
    hidi_real *scratch;            /* not kept from one of the three to the next                  */
    bool tangent_is_set;           /* out->tangent holds a contribution: the next one is added    */
};

typedef struct hidi_op {
    const char *name;
    /* Writes out->value.  */
    void (*forward)(hidi_node *node, const hidi_backend *backend);
    /* Writes out->tangent from the inputs' tangents, at least one of which is not NULL, through
     * hidi_tangent_of(). */
    void (*jvp)(hidi_node *node, const hidi_backend *backend);
    /* Adds to the inputs' gradients, from out->grad, through hidi_grad_of(). */
    void (*vjp)(hidi_node *node, const hidi_backend *backend);
    /* Elements of scratch memory that each of the three may use; NULL: none. */
    size_t (*scratch)(const hidi_node *node, const hidi_backend *backend);
} hidi_op;

/* First thing in a constructor, which fills op, n_in and in before it looks at shapes: true if the
 * first n_required inputs are there and the tape has no error; records an error otherwise. */
bool hidi_node_ready(hidi_tape *tape, const hidi_node *node, int n_required);

/* Runs the op: allocates out [shape], calls forward, and jvp if an input has a tangent; records the
 * node if an input needs a gradient, with a copy of own (own_bytes; NULL and 0: none) that lives as
 * long as the tape's vars.  n_saved: elements to allocate for node->saved first (0: none).
 * Returns out, or NULL if the tape has failed or memory ran out. */
hidi_var *hidi_apply(hidi_tape *tape, const hidi_node *node, const void *own, size_t own_bytes,
                     hidi_shape shape, size_t n_saved);

/* A var with x's elements (shared, not copied) in another shape of the same count, with `tangent`
 * (may be NULL) as its tangent; its gradient is added to x's. */
hidi_var *hidi_view(hidi_tape *tape, hidi_var *x, hidi_shape shape, hidi_real *tangent);

/* Input i's value; NULL: an optional input that is not there. */
const hidi_real *hidi_value_of(const hidi_node *node, int i);

/* In a jvp: input i's tangent, and the beta to add its contribution to out->tangent with (0 for the
 * first contribution, 1 after it).  NULL: this input has no tangent.  Calling it counts as the
 * contribution, unless beta is NULL: then it only looks, for kernels that overwrite. */
const hidi_real *hidi_tangent_of(hidi_node *node, int i, hidi_real *beta);

/* In a vjp: where input i's gradient goes, and the beta to write it with (0 for the first
 * contribution, 1 after it; parameters: always 1).  NULL: this input wants no gradient.  Calling it
 * counts as the contribution. */
hidi_real *hidi_grad_of(hidi_node *node, int i, hidi_real *beta);

#endif
