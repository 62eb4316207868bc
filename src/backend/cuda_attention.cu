/* cuda_attention.cu - attention and its derivatives: the products of all B * H heads in one call
 * each.
 *
 * One head h of one sample b is three matrices Q, K, V [T, Dh] inside qkv [B, T, 3, H, Dh], whose
 * rows are 3 H Dh apart.  Heads and samples are not evenly spaced, so that cuBLAS is given a list
 * of pointers for each operand; the products then read and write all of them in place.
 */
#include "backend/cuda_kernels.h"

/* What a product reads or writes: head h of sample b is at `at` + b between_samples + h
 * between_heads. */
typedef struct operand {
    const hidi_real *at;
    size_t between_samples, between_heads;
} operand;

enum { MOST_OPERANDS = 9 };

typedef struct operands {
    operand item[MOST_OPERANDS];
} operands;

/* pointer[which, b H + h] = where that head of operand number `which` is */
HIDI_KERNEL heads_kernel(const hidi_real **pointer, operands of, size_t n_operands, size_t heads,
                         size_t H)
{
    HIDI_FOR_ELEMENTS (i, n_operands * heads) {
        const operand o = of.item[i / heads];
        size_t head = i % heads;
        pointer[i] = o.at + head / H * o.between_samples + head % H * o.between_heads;
    }
}

/* The sizes, and the lists: number `which` of B * H pointers each. */
typedef struct attention_heads {
    size_t T, Dh, heads;
    size_t width;     /* H Dh: from Q to K, from K to V, and between rows of y */
    size_t ld;        /* 3 H Dh: between rows of Q                             */
    hidi_real scale;  /* 1 / sqrt(Dh)                                          */
    hidi_real **list; /* NULL: there is nothing to do, or no memory            */
} attention_heads;

static attention_heads sizes_of(size_t T, size_t H, size_t Dh)
{
    attention_heads a = { T, Dh, 0, H * Dh, 3 * H * Dh, (hidi_real)(1 / sqrt((double)Dh)), NULL };

    return a;
}

/* The three operands Q, K, V of qkv, and those of [B, T, H, Dh] and [B, H, T, T]. */
static void add_qkv(operand *to, const attention_heads *a, const hidi_real *qkv)
{
    for (size_t i = 0; i < 3; i++) {
        operand o = { qkv + i * a->width, a->T * a->ld, a->Dh };
        to[i] = o;
    }
}

static operand y_operand(const attention_heads *a, const hidi_real *y)
{
    operand o = { y, a->T * a->width, a->Dh };
    return o;
}

static operand p_operand(const attention_heads *a, const hidi_real *p, size_t H)
{
    operand o = { p, H * a->T * a->T, a->T * a->T };
    return o;
}

static void make_lists(attention_heads *a, operands of, size_t n_operands, size_t B, size_t H)
{
    a->heads = B * H;
    if (a->heads == 0 || a->T == 0 || a->Dh == 0)
        return;
    a->list = (hidi_real **)hidi_cuda_workspace(n_operands * a->heads * sizeof *a->list);
    if (a->list != NULL)
        HIDI_LAUNCH_ELEMENTS(heads_kernel, n_operands * a->heads, (const hidi_real **)a->list, of,
                             n_operands, a->heads, H);
}

/* Operand number `which`, with rows ld apart. */
static hidi_cuda_matrices plain(const attention_heads *a, int which, size_t ld)
{
    hidi_cuda_matrices m = { a->list + (size_t)which * a->heads, ld, false };
    return m;
}

static hidi_cuda_matrices transposed(const attention_heads *a, int which, size_t ld)
{
    hidi_cuda_matrices m = { a->list + (size_t)which * a->heads, ld, true };
    return m;
}

/* C [T, T] = beta C + alpha A B, A [T, Dh], B [Dh, T]; and C [T, Dh] with A [T, T], B [T, Dh] */
static void scores(const attention_heads *a, int c, hidi_real beta, hidi_real alpha,
                   hidi_cuda_matrices A, hidi_cuda_matrices B)
{
    hidi_cuda_products_at(a->T, a->T, a->Dh, alpha, A, B, beta, a->list + (size_t)c * a->heads,
                          a->T, a->heads);
}

static void tokens(const attention_heads *a, int c, size_t ldc, hidi_real beta, hidi_real alpha,
                   hidi_cuda_matrices A, hidi_cuda_matrices B)
{
    hidi_cuda_products_at(a->T, a->Dh, a->T, alpha, A, B, beta, a->list + (size_t)c * a->heads, ldc,
                          a->heads);
}

/* P = softmax(Q K^T / sqrt(Dh)),  Y = P V */
static void attention(hidi_real *y, hidi_real *probs, const hidi_real *qkv, size_t B, size_t T,
                      size_t H, size_t Dh)
{
    enum { Q, K, V, P, Y, N };
    attention_heads a = sizes_of(T, H, Dh);
    operands of;

    add_qkv(&of.item[Q], &a, qkv);
    of.item[P] = p_operand(&a, probs, H);
    of.item[Y] = y_operand(&a, y);
    make_lists(&a, of, N, B, H);
    if (a.list == NULL)
        return;
    scores(&a, P, 0, a.scale, plain(&a, Q, a.ld), transposed(&a, K, a.ld));
    hidi_cuda_softmax(probs, probs, a.heads * T, T);
    tokens(&a, Y, a.width, 0, 1, plain(&a, P, T), plain(&a, V, a.ld));
}

/* dS = (dQ K^T + Q dK^T) / sqrt(Dh),  dP = J_softmax(P) dS,  dY = dP V + P dV */
static void attention_jvp(hidi_real *dy, const hidi_real *qkv, const hidi_real *dqkv,
                          const hidi_real *probs, hidi_real *scratch, size_t B, size_t T, size_t H,
                          size_t Dh)
{
    enum { Q, K, V, dQ, dK, dV, P, dS, dY, N, dP = dS }; /* dP in place */
    attention_heads a = sizes_of(T, H, Dh);
    operands of;

    add_qkv(&of.item[Q], &a, qkv);
    add_qkv(&of.item[dQ], &a, dqkv);
    of.item[P] = p_operand(&a, probs, H);
    of.item[dS] = p_operand(&a, scratch, H);
    of.item[dY] = y_operand(&a, dy);
    make_lists(&a, of, N, B, H);
    if (a.list == NULL)
        return;
    scores(&a, dS, 0, a.scale, plain(&a, dQ, a.ld), transposed(&a, K, a.ld));
    scores(&a, dS, 1, a.scale, plain(&a, Q, a.ld), transposed(&a, dK, a.ld));
    hidi_cuda_softmax_jacobian(scratch, 0, probs, scratch, a.heads * T, T);
    tokens(&a, dY, a.width, 0, 1, plain(&a, dP, T), plain(&a, V, a.ld));
    tokens(&a, dY, a.width, 1, 1, plain(&a, P, T), plain(&a, dV, a.ld));
}

/* gV = P^T gY,  gP = gY V^T,  gS = J_softmax(P) gP,
 * gQ = gS K / sqrt(Dh),  gK = gS^T Q / sqrt(Dh) */
static void attention_vjp(hidi_real *gqkv, hidi_real beta, const hidi_real *qkv,
                          const hidi_real *gy, const hidi_real *probs, hidi_real *scratch, size_t B,
                          size_t T, size_t H, size_t Dh)
{
    enum { Q, K, V, gQ, gK, gV, P, gP, gY, N, gS = gP }; /* gS in place */
    attention_heads a = sizes_of(T, H, Dh);
    operands of;

    add_qkv(&of.item[Q], &a, qkv);
    add_qkv(&of.item[gQ], &a, gqkv);
    of.item[P] = p_operand(&a, probs, H);
    of.item[gP] = p_operand(&a, scratch, H);
    of.item[gY] = y_operand(&a, gy);
    make_lists(&a, of, N, B, H);
    if (a.list == NULL)
        return;
    tokens(&a, gV, a.ld, beta, 1, transposed(&a, P, T), plain(&a, gY, a.width));
    scores(&a, gP, 0, 1, plain(&a, gY, a.width), transposed(&a, V, a.ld));
    hidi_cuda_softmax_jacobian(scratch, 0, probs, scratch, a.heads * T, T);
    tokens(&a, gQ, a.ld, beta, a.scale, plain(&a, gS, T), plain(&a, K, a.ld));
    tokens(&a, gK, a.ld, beta, a.scale, transposed(&a, gS, T), plain(&a, Q, a.ld));
}

void hidi_cuda_attention_slots(hidi_backend *table)
{
    table->attention = attention;
    table->attention_jvp = attention_jvp;
    table->attention_vjp = attention_vjp;
}
