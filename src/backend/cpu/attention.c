/* attention.c - attention and its derivatives: each thread has a share of the B * H heads.
 *
 * Q, K and V of a head are [T, Dh] matrices inside qkv [B, T, 3, H, Dh], with rows 3 H Dh apart:
 * all products read them in place.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <math.h>

#include "backend/cpu/cpu.h"

#ifdef HAVE_CBLAS

/* Sizes, and the offsets of head number i of B * H. */
typedef struct layout {
    size_t T, H, Dh;
    size_t width; /* H Dh: from Q to K, from K to V, and between rows of y */
    size_t ld;    /* 3 H Dh: between rows of Q                             */
} layout;

static layout layout_of(size_t T, size_t H, size_t Dh)
{
    layout l = { T, H, Dh, H * Dh, 3 * H * Dh };
    return l;
}

static size_t q_at(const layout *l, size_t i)
{
    return i / l->H * l->T * l->ld + i % l->H * l->Dh;
}

static size_t y_at(const layout *l, size_t i)
{
    return i / l->H * l->T * l->width + i % l->H * l->Dh;
}

static hidi_real temperature(size_t Dh)
{
    return (hidi_real)(1 / sqrt((double)Dh));
}

#define gemm hidi_cpu_gemm_serial

/* S = Q K^T,  P = softmax(S / sqrt(Dh)),  Y = P V */
static void head(const layout *l, hidi_real *Y, hidi_real *P, const hidi_real *Q)
{
    const hidi_real *K = Q + l->width, *V = K + l->width;
    size_t T = l->T, Dh = l->Dh;

    gemm(false, true, T, T, Dh, 1, Q, l->ld, K, l->ld, 0, P, T);
    hidi_kernels->softmax(P, temperature(Dh), P, T, T);
    gemm(false, false, T, Dh, T, 1, P, T, V, l->ld, 0, Y, l->width);
}

/* dS = dQ K^T + Q dK^T,  dP = J_softmax(P) dS / sqrt(Dh),  dY = dP V + P dV */
static void head_jvp(const layout *l, hidi_real *dY, const hidi_real *Q, const hidi_real *dQ,
                     const hidi_real *P, hidi_real *dS)
{
    const hidi_real *K = Q + l->width, *V = K + l->width;
    const hidi_real *dK = dQ + l->width, *dV = dK + l->width;
    hidi_real *dP = dS;
    size_t T = l->T, Dh = l->Dh;

    gemm(false, true, T, T, Dh, 1, dQ, l->ld, K, l->ld, 0, dS, T);
    gemm(false, true, T, T, Dh, 1, Q, l->ld, dK, l->ld, 1, dS, T);
    hidi_kernels->softmax_jacobian(dP, 0, temperature(Dh), P, dS, T, T);
    gemm(false, false, T, Dh, T, 1, dP, T, V, l->ld, 0, dY, l->width);
    gemm(false, false, T, Dh, T, 1, P, T, dV, l->ld, 1, dY, l->width);
}

/* gV = P^T gY,  gP = gY V^T,  gS = J_softmax(P) gP / sqrt(Dh),  gQ = gS K,  gK = gS^T Q */
static void head_vjp(const layout *l, hidi_real *gQ, hidi_real beta, const hidi_real *Q,
                     const hidi_real *gY, const hidi_real *P, hidi_real *gP)
{
    const hidi_real *K = Q + l->width, *V = K + l->width;
    hidi_real *gK = gQ + l->width, *gV = gK + l->width, *gS = gP;
    size_t T = l->T, Dh = l->Dh;

    gemm(true, false, T, Dh, T, 1, P, T, gY, l->width, beta, gV, l->ld);
    gemm(false, true, T, T, Dh, 1, gY, l->width, V, l->ld, 0, gP, T);
    hidi_kernels->softmax_jacobian(gS, 0, temperature(Dh), P, gP, T, T);
    gemm(false, false, T, Dh, T, 1, gS, T, K, l->ld, beta, gQ, l->ld);
    gemm(true, false, T, Dh, T, 1, gS, T, Q, l->ld, beta, gK, l->ld);
}

/* Threads are woken if there is enough work (HIDI_CPU_MIN_WORK): a probability is 2 Dh products. */
#define PARALLEL_HEADS parallel if (B * H * T * T * Dh >= HIDI_CPU_MIN_WORK)

void hidi_cpu_attention(hidi_real *y, hidi_real *probs, const hidi_real *qkv, size_t B, size_t T,
                        size_t H, size_t Dh)
{
    const layout l = layout_of(T, H, Dh);

    if (Dh == 0)
        return;
    HIDI_OMP(PARALLEL_HEADS)
    {
        hidi_share s = hidi_cpu_share(B * H, 1);
        for (size_t i = s.begin; i < s.end; i++)
            head(&l, y + y_at(&l, i), probs + i * T * T, qkv + q_at(&l, i));
    }
}

void hidi_cpu_attention_jvp(hidi_real *dy, const hidi_real *qkv, const hidi_real *dqkv,
                            const hidi_real *probs, hidi_real *scratch, size_t B, size_t T,
                            size_t H, size_t Dh)
{
    const layout l = layout_of(T, H, Dh);

    if (Dh == 0)
        return;
    HIDI_OMP(PARALLEL_HEADS)
    {
        hidi_share s = hidi_cpu_share(B * H, 1);
        for (size_t i = s.begin; i < s.end; i++)
            head_jvp(&l, dy + y_at(&l, i), qkv + q_at(&l, i), dqkv + q_at(&l, i),
                     probs + i * T * T, scratch + i * T * T);
    }
}

void hidi_cpu_attention_vjp(hidi_real *gqkv, hidi_real beta, const hidi_real *qkv,
                            const hidi_real *gy, const hidi_real *probs, hidi_real *scratch,
                            size_t B, size_t T, size_t H, size_t Dh)
{
    const layout l = layout_of(T, H, Dh);

    if (Dh == 0)
        return;
    HIDI_OMP(PARALLEL_HEADS)
    {
        hidi_share s = hidi_cpu_share(B * H, 1);
        for (size_t i = s.begin; i < s.end; i++)
            head_vjp(&l, gqkv + q_at(&l, i), beta, qkv + q_at(&l, i), gy + y_at(&l, i),
                     probs + i * T * T, scratch + i * T * T);
    }
}

#endif
