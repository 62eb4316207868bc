/* shape_ops.c - the same elements elsewhere: views, pieces, patches.  Each is y = A x with a matrix
 * A of zeros and ones, so that dy = A dx and gx += A^T gy. */
#include "autograd/op.h"
#include "autograd/ops.h"

hidi_var *hidi_reshape(hidi_tape *tape, hidi_var *x, hidi_shape shape)
{
    static const hidi_op op_reshape = {"reshape", NULL, NULL, NULL, NULL}; /* for its name */
    const hidi_node node = {.op = &op_reshape, .n_in = 1, .in = {x}};
    if (!hidi_node_ready(tape, &node, 1))
        return NULL;
    if (hidi_count(shape) != hidi_count(x->shape))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "reshape: %s does not fill %s",
                                               hidi_shape_text(x->shape), hidi_shape_text(shape)));
    return hidi_view(tape, x, shape, x->tangent);
}

/* columns_of, channels_of: y = n columns of x seen as a matrix, from column `first` on.
 *
 *   y [rows, n] = x[:, first .. first + n - 1],  x [rows, columns]
 *   dy the same of dx
 *   gx[:, first .. first + n - 1] += gy
 *
 * Loops: backend/reference/elementwise.c, copy_block.
 */
struct piece {
    size_t rows, columns, first, n;
};

static void piece_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct piece *s = node->own;
    const hidi_real *x = hidi_value_of(node, 0);
    backend->copy_block(node->out->value, s->n, 0, x + s->first, s->columns, s->rows, s->n);
}

static void piece_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct piece *s = node->own;
    hidi_real *dy = node->out->tangent, beta;
    const hidi_real *dx = hidi_tangent_of(node, 0, &beta);
    if (dx != NULL)
        backend->copy_block(dy, s->n, beta, dx + s->first, s->columns, s->rows, s->n);
}

static void piece_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct piece *s = node->own;
    const hidi_real *gy = node->out->grad;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL && beta == 0) /* the columns outside the piece have a gradient too: 0 */
        backend->fill(gx, 0, s->rows * s->columns);
    if (gx != NULL)
        backend->copy_block(gx + s->first, s->columns, 1, gy, s->n, s->rows, s->n);
}

static const hidi_op op_columns_of = {"columns_of", piece_forward, piece_jvp, piece_vjp, NULL};
static const hidi_op op_channels_of = {"channels_of", piece_forward, piece_jvp, piece_vjp, NULL};

/* Entries first .. first + n - 1 of extent `axis`: that and all inner extents are the columns. */
static hidi_var *apply_piece(hidi_tape *tape, const hidi_node *node, int axis, size_t first,
                             size_t n)
{
    const hidi_var *x = node->in[0];
    if (first > x->shape.dim[axis] || n > x->shape.dim[axis] - first)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "%s: %zu entries from %zu on are not in "
                                               "extent %d of %s",
                                               node->op->name, n, first, axis,
                                               hidi_shape_text(x->shape)));
    size_t rows = 1, inner = 1;
    for (int i = 0; i < axis; i++)
        rows *= x->shape.dim[i];
    for (int i = axis + 1; i < x->shape.rank; i++)
        inner *= x->shape.dim[i];
    const struct piece s = {.rows = rows,
                            .columns = x->shape.dim[axis] * inner,
                            .first = first * inner,
                            .n = n * inner};
    hidi_shape shape = x->shape;
    shape.dim[axis] = n;
    return hidi_apply(tape, node, &s, sizeof s, shape, 0);
}

/* hidi_node_ready, and x's rank at least `rank` (exactly: with exact). */
static bool ready_with_rank(hidi_tape *tape, const hidi_node *node, int rank, bool exact)
{
    if (!hidi_node_ready(tape, node, 1))
        return false;
    const int found = node->in[0]->shape.rank;
    if (found == rank || (found > rank && !exact))
        return true;
    hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "%s: x %s must have %s%d extents",
                                    node->op->name, hidi_shape_text(node->in[0]->shape),
                                    exact ? "" : "at least ", rank));
    return false;
}

hidi_var *hidi_columns_of(hidi_tape *tape, hidi_var *x, size_t first, size_t n)
{
    const hidi_node node = {.op = &op_columns_of, .n_in = 1, .in = {x}};
    if (!ready_with_rank(tape, &node, 1, false))
        return NULL;
    return apply_piece(tape, &node, x->shape.rank - 1, first, n);
}

hidi_var *hidi_channels_of(hidi_tape *tape, hidi_var *x, size_t first, size_t n)
{
    const hidi_node node = {.op = &op_channels_of, .n_in = 1, .in = {x}};
    if (!ready_with_rank(tape, &node, 4, true))
        return NULL;
    return apply_piece(tape, &node, 1, first, n);
}

/* join: its inputs side by side, in one matrix: columns_of undone.
 *
 *   y [rows, sum of n_i]: the columns of x_0 [rows, n_0], then those of x_1 ...
 *   dy the same of dx_i;  gx_i += the columns of gy that are its own
 *
 * Loops: backend/reference/elementwise.c, copy_block.
 */
struct joined {
    size_t rows, columns, first[HIDI_MAX_INPUTS], n[HIDI_MAX_INPUTS]; /* n[i] of input i */
};

static void join_forward(hidi_node *node, const hidi_backend *backend)
{
    const struct joined *s = node->own;
    for (int i = 0; i < node->n_in; i++)
        backend->copy_block(node->out->value + s->first[i], s->columns, 0, hidi_value_of(node, i),
                            s->n[i], s->rows, s->n[i]);
}

static void join_jvp(hidi_node *node, const hidi_backend *backend)
{
    const struct joined *s = node->own;
    hidi_real *dy = node->out->tangent;
    bool all = true;
    for (int i = 0; i < node->n_in; i++)
        all = all && hidi_tangent_of(node, i, NULL) != NULL;
    if (!all) /* the columns of an input without a tangent */
        backend->fill(dy, 0, s->rows * s->columns);
    for (int i = 0; i < node->n_in; i++) {
        const hidi_real *dx = hidi_tangent_of(node, i, NULL);
        if (dx != NULL)
            backend->copy_block(dy + s->first[i], s->columns, 0, dx, s->n[i], s->rows, s->n[i]);
    }
}

static void join_vjp(hidi_node *node, const hidi_backend *backend)
{
    const struct joined *s = node->own;
    const hidi_real *gy = node->out->grad;
    for (int i = 0; i < node->n_in; i++) {
        hidi_real beta;
        hidi_real *gx = hidi_grad_of(node, i, &beta);
        if (gx != NULL)
            backend->copy_block(gx, s->n[i], beta, gy + s->first[i], s->columns, s->rows, s->n[i]);
    }
}

static const hidi_op op_join = {"join", join_forward, join_jvp, join_vjp, NULL};

hidi_var *hidi_join(hidi_tape *tape, hidi_var *const *x, int n)
{
    hidi_node node = {.op = &op_join, .n_in = n};
    if (n < 1 || n > HIDI_MAX_INPUTS)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "join: %d tensors, expected 1 to %d",
                                               n, HIDI_MAX_INPUTS));
    for (int i = 0; i < n; i++)
        node.in[i] = x[i];
    if (!ready_with_rank(tape, &node, 1, false) || !hidi_node_ready(tape, &node, n))
        return NULL;
    hidi_shape shape = x[0]->shape;
    const int last = shape.rank - 1;
    struct joined s = {.rows = 1};
    for (int k = 0; k < last; k++)
        s.rows *= shape.dim[k];
    for (int i = 0; i < n; i++) {
        hidi_shape other = x[i]->shape;
        s.first[i] = s.columns;
        s.n[i] = other.dim[last];
        s.columns += s.n[i];
        other.dim[last] = shape.dim[last];
        if (!hidi_same_shape(other, shape))
            return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "join: %s beside %s",
                                                   hidi_shape_text(x[i]->shape),
                                                   hidi_shape_text(x[0]->shape)));
    }
    shape.dim[last] = s.columns;
    return hidi_apply(tape, &node, &s, sizeof s, shape, 0);
}

/* patchify and unpatchify: permutations P and P^T = P^-1 of the elements.
 *
 *   tokens = P image,  image = P^T tokens
 *   the tangent goes the way of the value, the gradient goes back by the other one
 *
 * Loops: backend/reference/image.c, patchify, unpatchify.
 */
struct patches {
    hidi_patch_order order;
    size_t B, C, H, W, p;
};

/* tokens = beta tokens + P image */
static void to_tokens(const struct patches *s, const hidi_backend *backend, hidi_real *tokens,
                      hidi_real beta, const hidi_real *image)
{
    backend->patchify(tokens, beta, image, s->order, s->B, s->C, s->H, s->W, s->p);
}

/* image = beta image + P^T tokens */
static void to_image(const struct patches *s, const hidi_backend *backend, hidi_real *image,
                     hidi_real beta, const hidi_real *tokens)
{
    backend->unpatchify(image, beta, tokens, s->order, s->B, s->C, s->H, s->W, s->p);
}

static void patchify_forward(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *image = hidi_value_of(node, 0);
    to_tokens(node->own, backend, node->out->value, 0, image);
}

static void patchify_jvp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real *dtokens = node->out->tangent, beta;
    const hidi_real *dimage = hidi_tangent_of(node, 0, &beta);
    if (dimage != NULL)
        to_tokens(node->own, backend, dtokens, beta, dimage);
}

static void patchify_vjp(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *gtokens = node->out->grad;
    hidi_real beta;
    hidi_real *gimage = hidi_grad_of(node, 0, &beta);
    if (gimage != NULL)
        to_image(node->own, backend, gimage, beta, gtokens);
}

static const hidi_op op_patchify = {"patchify", patchify_forward, patchify_jvp, patchify_vjp, NULL};

hidi_var *hidi_patchify(hidi_tape *tape, hidi_var *image, size_t p, hidi_patch_order order)
{
    const hidi_node node = {.op = &op_patchify, .n_in = 1, .in = {image}};
    if (!ready_with_rank(tape, &node, 4, true))
        return NULL;
    const size_t *dim = image->shape.dim;
    if (p == 0 || dim[2] % p != 0 || dim[3] % p != 0)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "patchify: %s is not whole patches of %zu x %zu",
                                               hidi_shape_text(image->shape), p, p));
    const struct patches s = {
        .order = order, .B = dim[0], .C = dim[1], .H = dim[2], .W = dim[3], .p = p};
    return hidi_apply(tape, &node, &s, sizeof s,
                      hidi_shape3(s.B, (s.H / p) * (s.W / p), p * p * s.C), 0);
}

static void unpatchify_forward(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *tokens = hidi_value_of(node, 0);
    to_image(node->own, backend, node->out->value, 0, tokens);
}

static void unpatchify_jvp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real *dimage = node->out->tangent, beta;
    const hidi_real *dtokens = hidi_tangent_of(node, 0, &beta);
    if (dtokens != NULL)
        to_image(node->own, backend, dimage, beta, dtokens);
}

static void unpatchify_vjp(hidi_node *node, const hidi_backend *backend)
{
    const hidi_real *gimage = node->out->grad;
    hidi_real beta;
    hidi_real *gtokens = hidi_grad_of(node, 0, &beta);
    if (gtokens != NULL)
        to_tokens(node->own, backend, gtokens, beta, gimage);
}

static const hidi_op op_unpatchify = {"unpatchify", unpatchify_forward, unpatchify_jvp,
                                      unpatchify_vjp, NULL};

hidi_var *hidi_unpatchify(hidi_tape *tape, hidi_var *tokens, size_t C, size_t H, size_t W, size_t p,
                          hidi_patch_order order)
{
    const hidi_node node = {.op = &op_unpatchify, .n_in = 1, .in = {tokens}};
    if (!ready_with_rank(tape, &node, 3, true))
        return NULL;
    const size_t *dim = tokens->shape.dim;
    if (p == 0 || H % p != 0 || W % p != 0 || dim[1] != (H / p) * (W / p) || dim[2] != p * p * C)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "unpatchify: tokens %s do not make %zu channels of "
                                               "%zu x %zu in patches of %zu x %zu",
                                               hidi_shape_text(tokens->shape), C, H, W, p, p));
    const struct patches s = {.order = order, .B = dim[0], .C = C, .H = H, .W = W, .p = p};
    return hidi_apply(tape, &node, &s, sizeof s, hidi_shape4(s.B, C, H, W), 0);
}
