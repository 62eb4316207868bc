/* tape.h - values, tangents and gradients: reverse mode and forward mode in one pass.
 *
 * A computation is a sequence of ops on a tape (ops.h).  Each value may carry
 *   - a tangent: then every op that reads it also pushes the tangent forward (its jvp), so that
 *     MeanFlow's du/dt comes out of the same single pass as u;
 *   - a gradient: hidi_tape_backward runs the ops' vjps in reverse order.
 * The gradient is that of the values alone; tangents are not differentiated (the methods here stop
 * the gradient at du/dt).
 *
 *     hidi_tape *tape = hidi_tape_create(backend);
 *     hidi_var *x = hidi_input(tape, hidi_shape2(4, 8), host_x, true);
 *     hidi_var *loss = hidi_mean(tape, hidi_square(tape, x));
 *     HIDI_TRY(hidi_tape_backward(tape, loss, NULL));
 *     HIDI_TRY(hidi_read_grad(tape, x, host_gx));
 *     hidi_tape_reset(tape);
 *
 * Errors: the first one is kept in the tape.  An op that fails, or that is given NULL, returns
 * NULL, and so does every later one until the reset, so that a loss reads like its formula and is
 * checked once, by hidi_tape_status or hidi_tape_backward.
 *
 * Ownership: vars and all their arrays belong to the tape and live until hidi_tape_reset.
 */
#ifndef HIDI_AUTOGRAD_TAPE_H
#define HIDI_AUTOGRAD_TAPE_H

#include "../backend/backend.h"
#include "../core/status.h"
#include "shape.h"

typedef struct hidi_tape hidi_tape;

typedef struct hidi_var {
    hidi_shape shape;
    hidi_real *value;      /* backend memory                                               */
    hidi_real *tangent;    /* NULL: zero                                                   */
    hidi_real *grad;       /* NULL: not reached by the backward pass (yet)                 */
    const hidi_bf16 *bf16; /* instead of value, which is NULL: see hidi_bf16_parameter     */
    bool needs_grad;       /* it depends on a parameter or input that wants a gradient     */
    bool grad_is_set;      /* grad holds something: the next contribution is added         */
} hidi_var;

/* NULL when out of memory. */
hidi_tape *hidi_tape_create(const hidi_backend *backend);
void hidi_tape_destroy(hidi_tape *tape); /* NULL is allowed */

/* Forgets every var and any error; keeps the memory. */
void hidi_tape_reset(hidi_tape *tape);

const hidi_backend *hidi_tape_backend(const hidi_tape *tape);

/* HIDI_OK, or the first error of any op since the last reset (its message is the current one).
 * Does not wait for the backend: hidi_tape_backward and the hidi_read functions do, and then report
 * what its check() says. */
hidi_status hidi_tape_status(const hidi_tape *tape);

/* Records an error unless there already is one; returns NULL, for use in ops and models. */
hidi_var *hidi_tape_fail(hidi_tape *tape, hidi_status status);

/* --- leaves ----------------------------------------------------------------------------------- */

/* A value copied from host memory, host [shape].  With wants_grad, the backward pass gives its
 * gradient (hidi_read_grad). */
hidi_var *hidi_input(hidi_tape *tape, hidi_shape shape, const hidi_real *host, bool wants_grad);

/* hidi_input without gradient. */
hidi_var *hidi_constant(hidi_tape *tape, hidi_shape shape, const hidi_real *host);

/* [n] values, all `a`, without gradient. */
hidi_var *hidi_filled(hidi_tape *tape, hidi_shape shape, hidi_real a);

/* A parameter: value (and grad, if not NULL) are backend memory of the caller, [shape], that must
 * outlive the backward pass.  The backward pass ADDS to grad.  grad NULL: frozen, costs nothing. */
hidi_var *hidi_parameter(hidi_tape *tape, hidi_shape shape, hidi_real *value, hidi_real *grad);

/* A frozen matrix [shape] in bfloat16, backend memory of the caller that must outlive the backward
 * pass.  It is for hidi_linear, as its w; every other op refuses it. */
hidi_var *hidi_bf16_parameter(hidi_tape *tape, hidi_shape shape, const hidi_bf16 *value);

/* From here to the reset, gradients of parameters that would be added to an element of `grad` [n]
 * are added to the same element of `part` [n] instead: so that several tapes can take parts of a
 * batch through one model at the same time.  Both are backend memory of the caller.  part is set
 * to 0 when the first such parameter comes, if it is not (is_zero); grad itself stays.  Past
 * HIDI_MAX_DIVERSIONS of them: HIDI_BAD_ARGUMENT. */
#define HIDI_MAX_DIVERSIONS 12
hidi_status hidi_tape_divert(hidi_tape *tape, const hidi_real *grad, hidi_real *part, size_t n,
                             bool is_zero);

/* Has a parameter come whose gradient goes to `part`? */
bool hidi_tape_diverted(const hidi_tape *tape, const hidi_real *part);

/* Class numbers or other indices copied from host memory: backend memory, until the reset.  Each
 * must be in 0 .. bound - 1, or the tape fails.  NULL on failure. */
const int32_t *hidi_indices(hidi_tape *tape, const int32_t *host, size_t n, size_t bound);

/* --- tangents --------------------------------------------------------------------------------- */

/* x with tangent dx (same shape): the dual number x + eps dx.  Shares x's value; a gradient goes
 * through to x, none to dx. */
hidi_var *hidi_dual(hidi_tape *tape, hidi_var *x, const hidi_var *dx);

/* x without its tangent; a gradient still goes through to x.  Shares x's value. */
hidi_var *hidi_primal(hidi_tape *tape, hidi_var *x);

/* The tangent of y as a value without gradient; zeros if y has none. */
hidi_var *hidi_tangent(hidi_tape *tape, const hidi_var *y);

/* y's value, without gradient and tangent.  Shares memory. */
hidi_var *hidi_stop_gradient(hidi_tape *tape, const hidi_var *y);

/* --- gradients -------------------------------------------------------------------------------- */

/* Adds d<seed, y>/d(leaf) to every leaf that wants a gradient.  seed: host [y's shape], or NULL for
 * ones (a scalar loss).  May be called once per tape between resets.  A y that depends on no such
 * leaf is not an error: there is nothing to add to. */
hidi_status hidi_tape_backward(hidi_tape *tape, hidi_var *y, const hidi_real *seed);

/* --- reading back: into host memory of hidi_count(shape) elements ----------------------------- */

hidi_status hidi_read(hidi_tape *tape, const hidi_var *x, hidi_real *host);
hidi_status hidi_read_tangent(hidi_tape *tape, const hidi_var *x, hidi_real *host); /* 0 if none */
hidi_status hidi_read_grad(hidi_tape *tape, const hidi_var *x, hidi_real *host);    /* 0 if none */

/* --- memory ----------------------------------------------------------------------------------- */

/* Long computations without gradient (sampling, a frozen network) can give memory back block by
 * block: what was taken since `mark` is dropped, except `keep`, which is moved down (value and
 * tangent) and returned; NULL keeps nothing.  Refused (tape error) if an op recorded since then
 * needs its inputs for a backward pass, or if `keep` wants a gradient itself. */
typedef struct hidi_tape_mark {
    hidi_arena_mark host, device;
    size_t nodes;
} hidi_tape_mark;
hidi_tape_mark hidi_tape_here(const hidi_tape *tape);
hidi_var *hidi_tape_release(hidi_tape *tape, hidi_tape_mark mark, hidi_var *keep);

/* y = f(x_0 .. x_{n-1}), n <= 3, for a long computation in parts: what f puts on the tape is
 * dropped but for y, and computed again when the backward pass comes to it, so that it holds the
 * memory of one part at a time; with the same bits.  Gradients and tangents go through x and
 * through the parameters that f takes, and must not go into what else it uses.  `context` [bytes]
 * is copied. */
typedef hidi_var *hidi_part(hidi_tape *tape, const void *context, hidi_var *const *x);
hidi_var *hidi_recompute(hidi_tape *tape, hidi_part *f, const void *context, size_t bytes,
                         hidi_var *const *x, int n);

/* Backend memory: `n` elements, uninitialised, until the reset.  NULL on failure. */
hidi_real *hidi_tape_take(hidi_tape *tape, size_t n);

/* Of the tape and its companions: */
size_t hidi_tape_peak(const hidi_tape *tape);        /* most bytes in use at one time         */
size_t hidi_tape_allocations(const hidi_tape *tape); /* calls of the backend's allocate so far */

/* --- companions ------------------------------------------------------------------------------- */

/* Tapes for the threads that share out what the caller has been given one tape for (core/team.h):
 * number 0 is the tape itself, the others belong to it and live as long.  Makes sure that numbers
 * below n are there; not while others use them. */
hidi_status hidi_tape_companions(hidi_tape *tape, int n);
hidi_tape *hidi_tape_companion(hidi_tape *tape, int i);

#endif
