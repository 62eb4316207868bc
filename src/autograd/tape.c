/* tape.c - vars, recorded nodes and the backward pass.
 *
 * For a computation y_i = f_i(y_j, j < i), written down in the order of i, and any seed g:
 *
 *   dy_i = sum over inputs j of (df_i/dy_j) dy_j    in that order, beside the values
 *   gy_j += (df_i/dy_j)^T gy_i                      in the reverse order, from gy_n = g
 */
#include "autograd/tape.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/op.h"

#define HOST_CHUNK ((size_t)1 << 18)   /* nodes and vars: a few hundred bytes each */
#define DEVICE_CHUNK ((size_t)1 << 24) /* values, tangents, gradients, saved arrays */

/* A node that the backward pass will visit; the list runs from the newest to the oldest. */
typedef struct recorded_node {
    hidi_node node;
    struct recorded_node *previous;
} recorded_node;

/* Where gradients go instead of into the model's own array. */
typedef struct diversion {
    const hidi_real *grad;
    hidi_real *part;
    size_t n;
    bool is_set;     /* part holds 0, or more */
    bool is_reached;
} diversion;

struct hidi_tape {
    const hidi_backend *backend;
    hidi_arena *host;   /* recorded_node, hidi_var */
    hidi_arena *device; /* arrays                  */
    recorded_node *newest;
    size_t n_nodes;
    diversion diversion[HIDI_MAX_DIVERSIONS];
    int n_diversions;
    bool went_backward;
    hidi_tape *next; /* companion */
    hidi_status status;
    char message[1024]; /* of the first error: later ones overwrite the library's buffer */
};

hidi_tape *hidi_tape_create(const hidi_backend *backend)
{
    hidi_tape *tape = calloc(1, sizeof *tape);
    if (tape == NULL)
        return NULL;
    tape->backend = backend;
    tape->host = hidi_arena_create(malloc, free, HOST_CHUNK);
    tape->device = hidi_arena_create(backend->allocate, backend->release, DEVICE_CHUNK);
    if (tape->host == NULL || tape->device == NULL) {
        hidi_tape_destroy(tape);
        return NULL;
    }
    hidi_tape_reset(tape);
    return tape;
}

void hidi_tape_destroy(hidi_tape *tape)
{
    if (tape == NULL)
        return;
    hidi_tape_destroy(tape->next);
    if (tape->host != NULL)
        hidi_arena_destroy(tape->host);
    if (tape->device != NULL)
        hidi_arena_destroy(tape->device);
    free(tape);
}

void hidi_tape_reset(hidi_tape *tape)
{
    hidi_arena_reset(tape->host);
    hidi_arena_reset(tape->device);
    tape->newest = NULL;
    tape->n_nodes = 0;
    tape->n_diversions = 0;
    tape->went_backward = false;
    tape->status = HIDI_OK;
    tape->message[0] = '\0';
}

const hidi_backend *hidi_tape_backend(const hidi_tape *tape)
{
    return tape->backend;
}

/* --- errors ----------------------------------------------------------------------------------- */

hidi_status hidi_tape_status(const hidi_tape *tape)
{
    if (tape->status != HIDI_OK)
        hidi_error(tape->status, "%s", tape->message);
    return tape->status;
}

hidi_var *hidi_tape_fail(hidi_tape *tape, hidi_status status)
{
    if (tape->status == HIDI_OK && status != HIDI_OK) {
        tape->status = status;
        strncpy(tape->message, hidi_error_message(), sizeof tape->message - 1);
        tape->message[sizeof tape->message - 1] = '\0';
    }
    return NULL;
}

static hidi_status fail_status(hidi_tape *tape, hidi_status status)
{
    hidi_tape_fail(tape, status);
    return hidi_tape_status(tape);
}

/* False after recording that `x`, argument of `what`, is missing, or in bf16 (the tape's first
 * error stays). */
static bool is_there(hidi_tape *tape, const hidi_var *x, const char *what)
{
    if (tape->status != HIDI_OK)
        return false;
    if (x == NULL)
        hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "%s: an input is NULL", what));
    else if (x->bf16 != NULL)
        hidi_tape_fail(tape, hidi_error(HIDI_UNSUPPORTED, "%s: an input %s is in bf16, which only "
                                                          "linear takes, as its w",
                                        what, hidi_shape_text(x->shape)));
    return tape->status == HIDI_OK;
}

/* --- memory ----------------------------------------------------------------------------------- */

static void *take_bytes(hidi_tape *tape, hidi_arena *arena, size_t n, size_t size)
{
    if (tape->status != HIDI_OK)
        return NULL;
    void *memory = n <= SIZE_MAX / size ? hidi_arena_take(arena, n * size) : NULL;
    if (memory == NULL)
        hidi_tape_fail(tape, hidi_error(HIDI_NO_MEMORY, "tape: no memory for %zu x %zu bytes", n,
                                        size));
    return memory;
}

hidi_real *hidi_tape_take(hidi_tape *tape, size_t n)
{
    return take_bytes(tape, tape->device, n, sizeof(hidi_real));
}

/* A var without gradient or tangent on an array that is there already. */
static hidi_var *new_var(hidi_tape *tape, hidi_shape shape, hidi_real *value)
{
    if (value == NULL)
        return NULL;
    hidi_var *x = take_bytes(tape, tape->host, 1, sizeof *x);
    if (x != NULL)
        *x = (hidi_var){.shape = shape, .value = value};
    return x;
}

hidi_tape_mark hidi_tape_here(const hidi_tape *tape)
{
    return (hidi_tape_mark){.host = hidi_arena_here(tape->host),
                            .device = hidi_arena_here(tape->device),
                            .nodes = tape->n_nodes};
}

static void rewind_to(hidi_tape *tape, hidi_tape_mark mark)
{
    hidi_arena_rewind(tape->host, mark.host);
    hidi_arena_rewind(tape->device, mark.device);
}

/* Drops what was taken since the mark, but for x, whose value and tangent are moved down. */
static hidi_var *move_down(hidi_tape *tape, hidi_tape_mark mark, const hidi_var *x)
{
    const hidi_var old = *x;
    const size_t n = hidi_count(old.shape), n_all = old.tangent != NULL ? 2 * n : n;
    const hidi_real *from = old.value;
    if (old.tangent != NULL) {
        /* Moving the two one by one could overwrite the second before it is read, whatever the
         * order.  Side by side above everything else, they go down as one block. */
        hidi_real *both = hidi_tape_take(tape, n_all);
        if (both == NULL)
            return NULL;
        tape->backend->copy(both, old.value, n);
        tape->backend->copy(both + n, old.tangent, n);
        from = both;
    }
    rewind_to(tape, mark);
    hidi_var *moved = new_var(tape, old.shape, hidi_tape_take(tape, n_all));
    if (moved == NULL)
        return NULL;
    tape->backend->copy(moved->value, from, n_all); /* from is still intact: copy is a memmove */
    if (old.tangent != NULL)
        moved->tangent = moved->value + n;
    return moved;
}

hidi_var *hidi_tape_release(hidi_tape *tape, hidi_tape_mark mark, hidi_var *keep)
{
    if (tape->status != HIDI_OK)
        return NULL;
    if (tape->n_nodes != mark.nodes)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT,
                                               "release: a backward pass needs %zu ops recorded "
                                               "since the mark",
                                               tape->n_nodes - mark.nodes));
    if (keep != NULL && keep->needs_grad)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT,
                                               "release: what is kept wants a gradient"));
    if (keep != NULL)
        return move_down(tape, mark, keep);
    rewind_to(tape, mark);
    return NULL;
}

size_t hidi_tape_peak(const hidi_tape *tape)
{
    return hidi_arena_peak(tape->device) + (tape->next ? hidi_tape_peak(tape->next) : 0);
}

size_t hidi_tape_allocations(const hidi_tape *tape)
{
    return hidi_arena_allocations(tape->device) +
           (tape->next ? hidi_tape_allocations(tape->next) : 0);
}

/* --- companions ------------------------------------------------------------------------------- */

hidi_status hidi_tape_companions(hidi_tape *tape, int n)
{
    for (; n > 1; n--, tape = tape->next)
        if (tape->next == NULL && (tape->next = hidi_tape_create(tape->backend)) == NULL)
            return hidi_error(HIDI_NO_MEMORY, "no memory for a tape");
    return HIDI_OK;
}

hidi_tape *hidi_tape_companion(hidi_tape *tape, int i)
{
    for (; i > 0; i--)
        tape = tape->next;
    return tape;
}

/* --- leaves ----------------------------------------------------------------------------------- */

hidi_var *hidi_input(hidi_tape *tape, hidi_shape shape, const hidi_real *host, bool wants_grad)
{
    const size_t n = hidi_count(shape);
    hidi_var *x = new_var(tape, shape, hidi_tape_take(tape, n));
    if (x == NULL)
        return NULL;
    tape->backend->upload(x->value, host, n * sizeof *host);
    x->needs_grad = wants_grad;
    return x;
}

hidi_var *hidi_constant(hidi_tape *tape, hidi_shape shape, const hidi_real *host)
{
    return hidi_input(tape, shape, host, false);
}

hidi_var *hidi_filled(hidi_tape *tape, hidi_shape shape, hidi_real a)
{
    hidi_var *x = new_var(tape, shape, hidi_tape_take(tape, hidi_count(shape)));
    if (x != NULL)
        tape->backend->fill(x->value, a, hidi_count(shape));
    return x;
}

hidi_status hidi_tape_divert(hidi_tape *tape, const hidi_real *grad, hidi_real *part, size_t n,
                             bool is_zero)
{
    if (tape->n_diversions == HIDI_MAX_DIVERSIONS)
        return fail_status(tape, hidi_error(HIDI_BAD_ARGUMENT, "tape: more than %d diversions",
                                            HIDI_MAX_DIVERSIONS));
    tape->diversion[tape->n_diversions++] =
        (diversion){grad, part, n, is_zero || part == grad, false};
    return HIDI_OK;
}

bool hidi_tape_diverted(const hidi_tape *tape, const hidi_real *part)
{
    for (int i = 0; i < tape->n_diversions; i++)
        if (tape->diversion[i].part == part)
            return tape->diversion[i].is_reached;
    return false;
}

/* Where a gradient that would be added to `grad` goes. */
static hidi_real *divert(hidi_tape *tape, hidi_real *grad)
{
    for (int i = 0; grad != NULL && i < tape->n_diversions; i++) {
        diversion *d = &tape->diversion[i];
        if (grad < d->grad || grad >= d->grad + d->n)
            continue;
        if (!d->is_set)
            tape->backend->fill(d->part, 0, d->n);
        d->is_set = d->is_reached = true;
        return d->part + (grad - d->grad);
    }
    return grad;
}

/* False after recording that a parameter has no memory behind it, or after an earlier error. */
static bool has_memory(hidi_tape *tape, hidi_shape shape, const void *memory)
{
    if (tape->status == HIDI_OK && memory == NULL)
        hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "parameter %s: no memory behind it",
                                        hidi_shape_text(shape)));
    return tape->status == HIDI_OK;
}

hidi_var *hidi_parameter(hidi_tape *tape, hidi_shape shape, hidi_real *value, hidi_real *grad)
{
    if (!has_memory(tape, shape, value))
        return NULL;
    hidi_var *x = new_var(tape, shape, value);
    if (x != NULL) {
        x->grad = divert(tape, grad);
        x->needs_grad = x->grad_is_set = grad != NULL; /* set: always added to */
    }
    return x;
}

hidi_var *hidi_bf16_parameter(hidi_tape *tape, hidi_shape shape, const hidi_bf16 *value)
{
    if (!has_memory(tape, shape, value))
        return NULL;
    hidi_var *x = take_bytes(tape, tape->host, 1, sizeof *x);
    if (x != NULL)
        *x = (hidi_var){.shape = shape, .bf16 = value};
    return x;
}

const int32_t *hidi_indices(hidi_tape *tape, const int32_t *host, size_t n, size_t bound)
{
    if (tape->status != HIDI_OK)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (host[i] < 0 || (size_t)host[i] >= bound) {
            hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "index %zu is %ld, not below %zu", i,
                                            (long)host[i], bound));
            return NULL;
        }
    int32_t *index = take_bytes(tape, tape->device, n, sizeof *index);
    if (index != NULL)
        tape->backend->upload(index, host, n * sizeof *host);
    return index;
}

/* Keeps a copy of the node for the backward pass; its output then wants a gradient. */
static void record_as_it_is(hidi_tape *tape, const hidi_node *node)
{
    recorded_node *r = take_bytes(tape, tape->host, 1, sizeof *r);
    if (r == NULL)
        return;
    r->node = *node;
    r->node.out->needs_grad = true;
    r->previous = tape->newest;
    tape->newest = r;
    tape->n_nodes++;
}

/* The same with a copy of what is its own. */
static void record(hidi_tape *tape, const hidi_node *node, size_t own_bytes)
{
    hidi_node kept = *node;
    void *own = own_bytes > 0 ? take_bytes(tape, tape->host, 1, own_bytes) : NULL;
    if (tape->status != HIDI_OK)
        return;
    kept.own = own_bytes > 0 ? memcpy(own, node->own, own_bytes) : NULL;
    record_as_it_is(tape, &kept);
}

/* --- tangents and views ----------------------------------------------------------------------- */

/* view: y = x, in the same memory: there is nothing to compute going forward.
 *
 *   gx += gy
 */
static void view_vjp(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        backend->axpby(gx, beta, 1, gy, hidi_count(node->out->shape));
}

static const hidi_op op_view = {"view", NULL, NULL, view_vjp, NULL};

hidi_var *hidi_view(hidi_tape *tape, hidi_var *x, hidi_shape shape, hidi_real *tangent)
{
    hidi_var *y = new_var(tape, shape, x->value);
    if (y == NULL)
        return NULL;
    y->tangent = tangent;
    if (x->needs_grad)
        record(tape, &(hidi_node){.op = &op_view, .out = y, .n_in = 1, .in = {x}}, 0);
    return tape->status == HIDI_OK ? y : NULL;
}

hidi_var *hidi_dual(hidi_tape *tape, hidi_var *x, const hidi_var *dx)
{
    if (!is_there(tape, x, "dual") || !is_there(tape, dx, "dual"))
        return NULL;
    if (!hidi_same_shape(x->shape, dx->shape))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "dual: a value %s with a tangent %s",
                                               hidi_shape_text(x->shape),
                                               hidi_shape_text(dx->shape)));
    return hidi_view(tape, x, x->shape, dx->value);
}

hidi_var *hidi_primal(hidi_tape *tape, hidi_var *x)
{
    return is_there(tape, x, "primal") ? hidi_view(tape, x, x->shape, NULL) : NULL;
}

hidi_var *hidi_tangent(hidi_tape *tape, const hidi_var *y)
{
    if (!is_there(tape, y, "tangent"))
        return NULL;
    if (y->tangent == NULL)
        return hidi_filled(tape, y->shape, 0);
    return new_var(tape, y->shape, y->tangent);
}

hidi_var *hidi_stop_gradient(hidi_tape *tape, const hidi_var *y)
{
    return is_there(tape, y, "stop_gradient") ? new_var(tape, y->shape, y->value) : NULL;
}

/* --- running ops ------------------------------------------------------------------------------ */

bool hidi_node_ready(hidi_tape *tape, const hidi_node *node, int n_required)
{
    for (int i = 0; i < node->n_in; i++)
        if ((i < n_required || node->in[i] != NULL) &&
            !is_there(tape, node->in[i], node->op->name))
            return false;
    return tape->status == HIDI_OK;
}

hidi_var *hidi_apply(hidi_tape *tape, const hidi_node *node, const void *own, size_t own_bytes,
                     hidi_shape shape, size_t n_saved)
{
    const hidi_backend *backend = tape->backend;
    hidi_node now = *node;
    bool has_tangent = false;
    hidi_var *out = new_var(tape, shape, hidi_tape_take(tape, hidi_count(shape)));
    if (out == NULL)
        return NULL;
    for (int i = 0; i < now.n_in; i++)
        if (now.in[i] != NULL) {
            has_tangent = has_tangent || now.in[i]->tangent != NULL;
            out->needs_grad = out->needs_grad || now.in[i]->needs_grad;
        }
    if (has_tangent)
        out->tangent = hidi_tape_take(tape, hidi_count(shape));
    now.out = out;
    now.own = own;

    const hidi_arena_mark before_saved = hidi_arena_here(tape->device);
    if (n_saved > 0)
        now.saved = hidi_tape_take(tape, n_saved);
    const hidi_arena_mark before_scratch = hidi_arena_here(tape->device);
    if (now.op->scratch != NULL)
        now.scratch = hidi_tape_take(tape, now.op->scratch(&now, backend));
    if (tape->status != HIDI_OK)
        return NULL;

    now.op->forward(&now, backend);
    if (has_tangent)
        now.op->jvp(&now, backend);

    /* Only a vjp reads what forward saved, so that frozen computations give it back at once. */
    hidi_arena_rewind(tape->device, out->needs_grad ? before_scratch : before_saved);
    if (out->needs_grad)
        record(tape, &now, own_bytes);
    return tape->status == HIDI_OK ? out : NULL;
}

const hidi_real *hidi_value_of(const hidi_node *node, int i)
{
    return node->in[i] != NULL ? node->in[i]->value : NULL;
}

const hidi_real *hidi_tangent_of(hidi_node *node, int i, hidi_real *beta)
{
    const hidi_var *x = node->in[i];
    if (x == NULL || x->tangent == NULL)
        return NULL;
    if (beta != NULL) {
        *beta = node->tangent_is_set ? 1 : 0;
        node->tangent_is_set = true;
    }
    return x->tangent;
}

hidi_real *hidi_grad_of(hidi_node *node, int i, hidi_real *beta)
{
    hidi_var *x = node->in[i];
    if (x == NULL || !x->needs_grad)
        return NULL;
    *beta = x->grad_is_set ? 1 : 0;
    x->grad_is_set = true;
    return x->grad;
}

/* --- backward --------------------------------------------------------------------------------- */

/* Makes room for x's gradient if it wants one and has none yet. */
static hidi_status make_grad(hidi_tape *tape, hidi_var *x)
{
    if (x != NULL && x->needs_grad && x->grad == NULL)
        x->grad = hidi_tape_take(tape, hidi_count(x->shape));
    return hidi_tape_status(tape);
}

/* y.grad += seed, or ones. */
static hidi_status seed_grad(hidi_tape *tape, hidi_var *y, const hidi_real *seed)
{
    const hidi_backend *backend = tape->backend;
    const size_t n = hidi_count(y->shape);
    hidi_real *start = hidi_tape_take(tape, n);
    HIDI_TRY(make_grad(tape, y));
    if (seed != NULL)
        backend->upload(start, seed, n * sizeof *seed);
    else
        backend->fill(start, 1, n);
    backend->axpby(y->grad, y->grad_is_set ? 1 : 0, 1, start, n);
    y->grad_is_set = true;
    return HIDI_OK;
}

/* The most scratch memory that any vjp wants: one piece serves all, as they run one by one. */
static size_t most_scratch(const hidi_tape *tape)
{
    size_t most = 0;
    for (const recorded_node *r = tape->newest; r != NULL; r = r->previous)
        if (r->node.op->scratch != NULL) {
            const size_t n = r->node.op->scratch(&r->node, tape->backend);
            most = n > most ? n : most;
        }
    return most;
}

/* The vjps of all that is recorded, from the newest on. */
static hidi_status go_back(hidi_tape *tape)
{
    hidi_real *scratch = hidi_tape_take(tape, most_scratch(tape));
    for (recorded_node *r = tape->newest; r != NULL; r = r->previous) {
        if (!r->node.out->grad_is_set)
            continue; /* y does not depend on it */
        for (int i = 0; i < r->node.n_in; i++)
            HIDI_TRY(make_grad(tape, r->node.in[i]));
        r->node.scratch = scratch;
        r->node.op->vjp(&r->node, tape->backend);
    }
    return hidi_tape_status(tape);
}

hidi_status hidi_tape_backward(hidi_tape *tape, hidi_var *y, const hidi_real *seed)
{
    if (!is_there(tape, y, "backward"))
        return hidi_tape_status(tape);
    if (tape->went_backward)
        return fail_status(tape, hidi_error(HIDI_BAD_ARGUMENT,
                                            "backward: called twice without a reset"));
    tape->went_backward = true;
    if (y->needs_grad) {
        HIDI_TRY(seed_grad(tape, y, seed));
        HIDI_TRY(go_back(tape));
    }
    return fail_status(tape, tape->backend->check());
}

/* --- computing again -------------------------------------------------------------------------- */

/* recompute: y = f(x_0, x_1, x_2).  What f puts on the tape is dropped at once; going backward it
 * is put there again, goes backward, and is dropped.  Gradients are added where and in the order in
 * which they would have been: the same bits.  (Chen et al., arXiv 1604.06174) */
struct recompute {
    hidi_tape *tape;
    hidi_part *f;
    size_t bytes; /* of f's context, which follows */
};

/* Room for the context behind the struct, aligned for anything. */
enum { CONTEXT_AT = (sizeof(struct recompute) + 15) / 16 * 16 };

/* Vars in the place of the inputs, which share their values and gradients. */
static bool stand_in(hidi_tape *tape, hidi_var *const *x, int n, bool with_tangent, hidi_var **in)
{
    for (int i = 0; i < n; i++) {
        in[i] = new_var(tape, x[i]->shape, x[i]->value);
        if (in[i] == NULL)
            return false;
        *in[i] = *x[i];
        if (!with_tangent)
            in[i]->tangent = NULL;
    }
    return true;
}

static void recompute_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct recompute *s = node->own;
    hidi_tape *tape = s->tape;
    const hidi_tape_mark mark = hidi_tape_here(tape);
    recorded_node *const before = tape->newest;
    hidi_var *in[HIDI_MAX_INPUTS], *out = NULL;
    (void)backend;
    tape->newest = NULL;
    if (stand_in(tape, node->in, node->n_in, false, in))
        out = s->f(tape, (const unsigned char *)node->own + CONTEXT_AT, in);
    if (out != NULL) {
        out->grad = node->out->grad;
        out->grad_is_set = true;
        (void)go_back(tape); /* an error stays in the tape */
        for (int i = 0; i < node->n_in; i++)
            node->in[i]->grad_is_set = in[i]->grad_is_set;
    }
    tape->newest = before;
    tape->n_nodes = mark.nodes;
    rewind_to(tape, mark);
}

static const hidi_op op_recompute = {"recompute", NULL, NULL, recompute_vjp, NULL};

hidi_var *hidi_recompute(hidi_tape *tape, hidi_part *f, const void *context, size_t bytes,
                         hidi_var *const *x, int n)
{
    hidi_var *in[HIDI_MAX_INPUTS];
    hidi_node node = {.op = &op_recompute, .n_in = n};
    for (int i = 0; i < n; i++)
        if (!is_there(tape, node.in[i] = x[i], "recompute"))
            return NULL;
    const hidi_tape_mark mark = hidi_tape_here(tape);
    recorded_node *const before = tape->newest;
    if (!stand_in(tape, x, n, true, in))
        return NULL;
    hidi_var *y = f(tape, context, in);
    if (y == NULL)
        return NULL;
    const bool needs_grad = y->needs_grad;
    tape->newest = before;
    tape->n_nodes = mark.nodes;
    y = move_down(tape, mark, y);
    unsigned char *own = needs_grad && y != NULL
                             ? take_bytes(tape, tape->host, 1, CONTEXT_AT + bytes) : NULL;
    if (y == NULL || !needs_grad)
        return y;
    if (own == NULL)
        return NULL;
    *(struct recompute *)(void *)own = (struct recompute){tape, f, bytes};
    memcpy(own + CONTEXT_AT, context, bytes);
    node.out = y;
    node.own = own;
    record_as_it_is(tape, &node);
    return tape->status == HIDI_OK ? y : NULL;
}

/* --- reading back ----------------------------------------------------------------------------- */

/* host = array, or zeros if there is no array. */
static hidi_status read_array(hidi_tape *tape, hidi_shape shape, const hidi_real *array,
                              hidi_real *host)
{
    const size_t n = hidi_count(shape);
    if (array != NULL)
        tape->backend->download(host, array, n * sizeof *host);
    else
        for (size_t i = 0; i < n; i++)
            host[i] = 0;
    return fail_status(tape, tape->backend->check());
}

hidi_status hidi_read(hidi_tape *tape, const hidi_var *x, hidi_real *host)
{
    if (!is_there(tape, x, "read"))
        return hidi_tape_status(tape);
    return read_array(tape, x->shape, x->value, host);
}

hidi_status hidi_read_tangent(hidi_tape *tape, const hidi_var *x, hidi_real *host)
{
    if (!is_there(tape, x, "read_tangent"))
        return hidi_tape_status(tape);
    return read_array(tape, x->shape, x->tangent, host);
}

hidi_status hidi_read_grad(hidi_tape *tape, const hidi_var *x, hidi_real *host)
{
    if (!is_there(tape, x, "read_grad"))
        return hidi_tape_status(tape);
    return read_array(tape, x->shape, x->grad_is_set ? x->grad : NULL, host);
}
