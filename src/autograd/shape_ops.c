/* shape_ops.c - the same elements elsewhere: views, pieces, concatenation, patches. */
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

/* columns_of, channels_of, samples_of: y = n columns of x seen as a matrix, from column `first` on.
 *
 *   y [rows, n] = x[:, first .. first + n - 1],  x [rows, N]
 *   dy the same of dx
 *   gx[:, first .. first + n - 1] += gy
 */
enum { PIECE_ROWS, PIECE_ALL, PIECE_FIRST, PIECE_N }; /* node->size: rows, N, first, n */

static void piece_forward(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    backend->copy_block(node->out->value, s[PIECE_N], 0, node->in[0]->value + s[PIECE_FIRST],
                        s[PIECE_ALL], s[PIECE_ROWS], s[PIECE_N]);
}

static void piece_jvp(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    backend->copy_block(node->out->tangent, s[PIECE_N], 0,
                        hidi_tangent_of(node, 0) + s[PIECE_FIRST], s[PIECE_ALL], s[PIECE_ROWS],
                        s[PIECE_N]);
}

static void piece_vjp(hidi_node *node, const hidi_backend *backend)
{
    const size_t *s = node->size;
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx == NULL)
        return;
    if (beta == 0) /* the columns outside the piece have a gradient too: 0 */
        backend->fill(gx, 0, s[PIECE_ROWS] * s[PIECE_ALL]);
    backend->copy_block(gx + s[PIECE_FIRST], s[PIECE_ALL], 1, node->out->grad, s[PIECE_N],
                        s[PIECE_ROWS], s[PIECE_N]);
}

static const hidi_op op_columns_of = {"columns_of", piece_forward, piece_jvp, piece_vjp, NULL};
static const hidi_op op_channels_of = {"channels_of", piece_forward, piece_jvp, piece_vjp, NULL};
static const hidi_op op_samples_of = {"samples_of", piece_forward, piece_jvp, piece_vjp, NULL};

/* Entries first .. first + n - 1 of extent `axis`: that and all inner extents are the columns. */
static hidi_var *apply_piece(hidi_tape *tape, hidi_node *node, int axis, size_t first, size_t n)
{
    const hidi_var *x = node->in[0];
    if (first > x->shape.dim[axis] || n > x->shape.dim[axis] - first)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "%s: %zu from %zu on are not in extent %d of %s",
                                               node->op->name, n, first, axis,
                                               hidi_shape_text(x->shape)));
    size_t rows = 1, inner = 1;
    for (int i = 0; i < axis; i++)
        rows *= x->shape.dim[i];
    for (int i = axis + 1; i < x->shape.rank; i++)
        inner *= x->shape.dim[i];
    node->size[PIECE_ROWS] = rows;
    node->size[PIECE_ALL] = x->shape.dim[axis] * inner;
    node->size[PIECE_FIRST] = first * inner;
    node->size[PIECE_N] = n * inner;
    hidi_shape shape = x->shape;
    shape.dim[axis] = n;
    return hidi_apply(tape, node, shape, 0);
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
    hidi_node node = {.op = &op_columns_of, .n_in = 1, .in = {x}};
    if (!ready_with_rank(tape, &node, 1, false))
        return NULL;
    return apply_piece(tape, &node, x->shape.rank - 1, first, n);
}

hidi_var *hidi_channels_of(hidi_tape *tape, hidi_var *x, size_t first, size_t n)
{
    hidi_node node = {.op = &op_channels_of, .n_in = 1, .in = {x}};
    if (!ready_with_rank(tape, &node, 4, true))
        return NULL;
    return apply_piece(tape, &node, 1, first, n);
}

hidi_var *hidi_samples_of(hidi_tape *tape, hidi_var *x, size_t first, size_t n)
{
    hidi_node node = {.op = &op_samples_of, .n_in = 1, .in = {x}};
    if (!ready_with_rank(tape, &node, 1, false))
        return NULL;
    return apply_piece(tape, &node, 0, first, n);
}

/* concat: out = [x; y], one after the other in memory.
 *
 *   dout = [dx; dy]
 *   [gx; gy] += gout
 */
static void concat_forward(hidi_node *node, const hidi_backend *backend)
{
    const size_t n = node->size[0], m = node->size[1];
    backend->copy(node->out->value, node->in[0]->value, n);
    backend->copy(node->out->value + n, node->in[1]->value, m);
}

static void concat_jvp(hidi_node *node, const hidi_backend *backend)
{
    size_t first = 0;
    for (int i = 0; i < 2; i++) {
        const hidi_real *d = hidi_tangent_of(node, i);
        if (d != NULL)
            backend->copy(node->out->tangent + first, d, node->size[i]);
        else
            backend->fill(node->out->tangent + first, 0, node->size[i]);
        first += node->size[i];
    }
}

static void concat_vjp(hidi_node *node, const hidi_backend *backend)
{
    size_t first = 0;
    for (int i = 0; i < 2; i++) {
        hidi_real beta;
        hidi_real *g = hidi_grad_of(node, i, &beta);
        if (g != NULL)
            backend->axpby(g, beta, 1, node->out->grad + first, node->size[i]);
        first += node->size[i];
    }
}

static const hidi_op op_concat = {"concat", concat_forward, concat_jvp, concat_vjp, NULL};

hidi_var *hidi_concat(hidi_tape *tape, hidi_var *x, hidi_var *y)
{
    hidi_node node = {.op = &op_concat, .n_in = 2, .in = {x, y}};
    if (!hidi_node_ready(tape, &node, 2))
        return NULL;
    hidi_shape shape = x->shape;
    shape.dim[0] = y->shape.dim[0]; /* the only extent that may differ */
    if (x->shape.rank < 1 || !hidi_same_shape(shape, y->shape))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "concat: %s and %s differ in more than the first "
                                               "extent", hidi_shape_text(x->shape),
                                               hidi_shape_text(y->shape)));
    shape.dim[0] += x->shape.dim[0];
    node.size[0] = hidi_count(x->shape);
    node.size[1] = hidi_count(y->shape);
    return hidi_apply(tape, &node, shape, 0);
}

/* patchify and unpatchify: permutations P and P^T = P^-1 of the elements.
 *
 *   tokens = P image,  image = P^T tokens
 *   the tangent goes the way of the value, the gradient goes back by the other one
 */
enum { PATCH_B, PATCH_C, PATCH_H, PATCH_W, PATCH_P }; /* node->size */

static void to_tokens(const hidi_node *node, const hidi_backend *backend, hidi_real *tokens,
                      hidi_real beta, const hidi_real *image)
{
    const size_t *s = node->size;
    backend->patchify(tokens, beta, image, (hidi_patch_order)node->kind, s[PATCH_B], s[PATCH_C],
                      s[PATCH_H], s[PATCH_W], s[PATCH_P]);
}

static void to_image(const hidi_node *node, const hidi_backend *backend, hidi_real *image,
                     hidi_real beta, const hidi_real *tokens)
{
    const size_t *s = node->size;
    backend->unpatchify(image, beta, tokens, (hidi_patch_order)node->kind, s[PATCH_B], s[PATCH_C],
                        s[PATCH_H], s[PATCH_W], s[PATCH_P]);
}

static void patchify_forward(hidi_node *node, const hidi_backend *backend)
{
    to_tokens(node, backend, node->out->value, 0, node->in[0]->value);
}

static void patchify_jvp(hidi_node *node, const hidi_backend *backend)
{
    to_tokens(node, backend, node->out->tangent, 0, hidi_tangent_of(node, 0));
}

static void patchify_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        to_image(node, backend, gx, beta, node->out->grad);
}

static const hidi_op op_patchify = {"patchify", patchify_forward, patchify_jvp, patchify_vjp, NULL};

hidi_var *hidi_patchify(hidi_tape *tape, hidi_var *image, size_t p, hidi_patch_order order)
{
    hidi_node node = {.op = &op_patchify, .n_in = 1, .in = {image}, .kind = (int)order};
    if (!ready_with_rank(tape, &node, 4, true))
        return NULL;
    const size_t *dim = image->shape.dim;
    if (p == 0 || dim[2] % p != 0 || dim[3] % p != 0)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "patchify: %s is not whole patches of %zu x %zu",
                                               hidi_shape_text(image->shape), p, p));
    for (int i = 0; i < 4; i++)
        node.size[i] = dim[i];
    node.size[PATCH_P] = p;
    return hidi_apply(tape, &node, hidi_shape3(dim[0], (dim[2] / p) * (dim[3] / p), p * p * dim[1]),
                      0);
}

static void unpatchify_forward(hidi_node *node, const hidi_backend *backend)
{
    to_image(node, backend, node->out->value, 0, node->in[0]->value);
}

static void unpatchify_jvp(hidi_node *node, const hidi_backend *backend)
{
    to_image(node, backend, node->out->tangent, 0, hidi_tangent_of(node, 0));
}

static void unpatchify_vjp(hidi_node *node, const hidi_backend *backend)
{
    hidi_real beta;
    hidi_real *gx = hidi_grad_of(node, 0, &beta);
    if (gx != NULL)
        to_tokens(node, backend, gx, beta, node->out->grad);
}

static const hidi_op op_unpatchify = {"unpatchify", unpatchify_forward, unpatchify_jvp,
                                      unpatchify_vjp, NULL};

hidi_var *hidi_unpatchify(hidi_tape *tape, hidi_var *tokens, size_t C, size_t H, size_t W, size_t p,
                          hidi_patch_order order)
{
    hidi_node node = {.op = &op_unpatchify, .n_in = 1, .in = {tokens}, .kind = (int)order};
    if (!ready_with_rank(tape, &node, 3, true))
        return NULL;
    const size_t *dim = tokens->shape.dim;
    if (p == 0 || H % p != 0 || W % p != 0 || dim[1] != (H / p) * (W / p) || dim[2] != p * p * C)
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                               "unpatchify: tokens %s do not make %zu channels of "
                                               "%zu x %zu in patches of %zu x %zu",
                                               hidi_shape_text(tokens->shape), C, H, W, p, p));
    node.size[PATCH_B] = dim[0];
    node.size[PATCH_C] = C;
    node.size[PATCH_H] = H;
    node.size[PATCH_W] = W;
    node.size[PATCH_P] = p;
    return hidi_apply(tape, &node, hidi_shape4(dim[0], C, H, W), 0);
}
