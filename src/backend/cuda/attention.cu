/* attention.cu - attention and its derivatives: the products of all B * H heads in one
 * call each.
 *
 * One head h of one sample b is three matrices Q, K, V [T, Dh] inside qkv [B, T, 3, H, Dh], whose
 * rows are 3 H Dh apart.  Heads and samples are not evenly spaced, so that cuBLAS is given a list
 * of pointers for each operand; the products then read and write all of them in place.
 */
#include "backend/cuda/kernels.h"

/* What a product reads or writes; head h of sample b is at
 * at + b between_samples + h between_heads. */
typedef struct operand {
    const hidi_real *at;
    size_t between_samples, between_heads;
} operand;

/* The operands of all three slots: of qkv; of probs, a scratch as large, and y; and of the tangent
 * or gradient of qkv. */
enum { Q, K, V, P, S, Y, Q2, K2, V2, OPERANDS };

typedef struct operands {
    operand item[OPERANDS];
} operands;

/* pointer[which, b H + h] = where that head of operand number `which` is */
HIDI_KERNEL heads_kernel(const hidi_real **pointer, operands of, size_t heads, size_t H)
{
    HIDI_FOR_ELEMENTS (i, OPERANDS * heads) {
        const operand o = of.item[i / heads];
        size_t head = i % heads;
        pointer[i] = o.at + head / H * o.between_samples + head % H * o.between_heads;
    }
}

/* The sizes, and the lists: B * H pointers for each operand. */
typedef struct attention_heads {
    size_t T, Dh, heads;
    size_t width;     /* H Dh: from Q to K, from K to V, and between rows of y */
    size_t ld;        /* 3 H Dh: between rows of Q                             */
    hidi_real scale;  /* 1 / sqrt(Dh)                                          */
    hidi_real **list; /* NULL: there is nothing to do, or no memory            */
} attention_heads;

/* Q, K, V of qkv [B, T, 3, H, Dh] are operands number first, first + 1, first + 2. */
static void add_qkv(operands *to, int first, const attention_heads *a, const hidi_real *qkv)
{
    for (int i = 0; i < 3; i++) {
        operand o = { qkv + (size_t)i * a->width, a->T * a->ld, a->Dh };
        to->item[first + i] = o;
    }
}

/* The forward pass has no scratch and no second qkv: it gives probs and qkv again, and does not use
 * these lists. */
static attention_heads make_lists(const hidi_real *qkv, const hidi_real *probs,
                                  const hidi_real *scratch, const hidi_real *y,
                                  const hidi_real *qkv2, size_t B, size_t T, size_t H, size_t Dh)
{
    attention_heads a = { T, Dh, B * H, H * Dh, 3 * H * Dh,
                          (hidi_real)(1 / sqrt((double)Dh)), NULL };
    const operand p = { probs, H * T * T, T * T }, s = { scratch, H * T * T, T * T };
    const operand y_heads = { y, T * a.width, Dh };
    operands of;

    if (a.heads == 0 || T == 0 || Dh == 0)
        return a;
    add_qkv(&of, Q, &a, qkv);
    of.item[P] = p;
    of.item[S] = s;
    of.item[Y] = y_heads;
    add_qkv(&of, Q2, &a, qkv2);
    a.list = (hidi_real **)hidi_cuda_workspace(OPERANDS * a.heads * sizeof *a.list);
    if (a.list != NULL)
        HIDI_LAUNCH_ELEMENTS(heads_kernel, OPERANDS * a.heads, (const hidi_real **)a.list, of,
                             a.heads, H);
    return a;
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

/* C [T, T] = beta C + alpha A B, A [T, Dh], B [Dh, T] */
static void scores(const attention_heads *a, int c, hidi_real beta, hidi_real alpha,
                   hidi_cuda_matrices A, hidi_cuda_matrices B)
{
    hidi_cuda_products_at(a->T, a->T, a->Dh, alpha, A, B, beta, a->list + (size_t)c * a->heads,
                          a->T, a->heads);
}

/* C [T, Dh] = beta C + alpha A B, A [T, T], B [T, Dh], rows of C ldc apart */
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
    const attention_heads a = make_lists(qkv, probs, probs, y, qkv, B, T, H, Dh);

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
    enum { dQ = Q2, dK = K2, dV = V2, dS = S, dP = S, dY = Y }; /* dP in place of dS */
    const attention_heads a = make_lists(qkv, probs, scratch, dy, dqkv, B, T, H, Dh);

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
    enum { gQ = Q2, gK = K2, gV = V2, gP = S, gS = S, gY = Y }; /* gS in place of gP */
    const attention_heads a = make_lists(qkv, probs, scratch, gy, gqkv, B, T, H, Dh);

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
