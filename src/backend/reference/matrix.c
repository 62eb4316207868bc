/* matrix.c - matrix products, and what is written with them: linear layers and attention.
 *
 *   gemm        C = beta C + alpha op(A) op(B),  c_ij = sum_l a_il b_lj
 *   linear      Y = beta Y + X W^T + 1 bias^T
 *   attention   Y = softmax(Q K^T / sqrt(Dh)) V  (Vaswani et al., arXiv 1706.03762, eq. 1)
 */
#include <math.h>

#include "backend/reference/reference.h"

enum { TILE = 256 }; /* columns of C whose sums are kept at a time: 2 KB of doubles */

/* sum[j] = sum_l a[l * step] b[l, j] for j < n, rows of b `ldb` apart: the i-k-j order, which runs
 * along the rows of B. */
static void row_times_matrix(double *sum, const hidi_real *a, size_t step, const hidi_real *b,
                             size_t ldb, size_t n, size_t k)
{
    for (size_t j = 0; j < n; j++)
        sum[j] = 0;
    for (size_t l = 0; l < k; l++) {
        double a_l = a[l * step];
        for (size_t j = 0; j < n; j++)
            sum[j] += a_l * b[l * ldb + j];
    }
}

/* sum[j] = sum_l a[l * step] b[j, l]: inner products, which also run along the rows of B. */
static void row_times_transposed(double *sum, const hidi_real *a, size_t step, const hidi_real *b,
                                 size_t ldb, size_t n, size_t k)
{
    for (size_t j = 0; j < n; j++) {
        sum[j] = 0;
        for (size_t l = 0; l < k; l++)
            sum[j] += (double)a[l * step] * b[j * ldb + l];
    }
}

void hidi_reference_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                         hidi_real alpha, const hidi_real *a, size_t lda, const hidi_real *b,
                         size_t ldb, hidi_real beta, hidi_real *c, size_t ldc)
{
    size_t row_step = transpose_a ? 1 : lda; /* from op(A)[i, l] to op(A)[i + 1, l] */
    size_t column_step = transpose_a ? lda : 1;
    double sum[TILE];

    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j += TILE) {
            size_t width = n - j < TILE ? n - j : TILE;
            const hidi_real *a_i = a + i * row_step;
            if (transpose_b)
                row_times_transposed(sum, a_i, column_step, b + j * ldb, ldb, width, k);
            else
                row_times_matrix(sum, a_i, column_step, b + j, ldb, width, k);
            for (size_t l = 0; l < width; l++)
                hidi_reference_blend(&c[i * ldc + j + l], beta, alpha * sum[l]);
        }
}

void hidi_reference_gemm_batched(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                                 hidi_real alpha, const hidi_real *a, size_t stride_a,
                                 const hidi_real *b, size_t stride_b, hidi_real beta, hidi_real *c,
                                 size_t stride_c, size_t batch)
{
    size_t lda = transpose_a ? m : k, ldb = transpose_b ? k : n;

    for (size_t s = 0; s < batch; s++)
        hidi_reference_gemm(transpose_a, transpose_b, m, n, k, alpha, a + s * stride_a, lda,
                            b + s * stride_b, ldb, beta, c + s * stride_c, n);
}

void hidi_reference_linear(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                           const hidi_real *bias, size_t rows, size_t in, size_t out)
{
    hidi_reference_gemm(false, true, rows, out, in, 1, x, in, w, in, beta, y, out);
    if (bias != NULL)
        hidi_reference_add_rows(y, 1, bias, 1, rows, out);
}

/* One head h of one sample b is three matrices Q, K, V [T, Dh] inside qkv [B, T, 3, H, Dh], whose
 * rows are 3 H Dh apart; the same head of y [B, T, H, Dh] has rows H Dh apart. */
static size_t qkv_offset(size_t b, size_t h, size_t T, size_t H, size_t Dh)
{
    return b * T * 3 * H * Dh + h * Dh;
}

static size_t y_offset(size_t b, size_t h, size_t T, size_t H, size_t Dh)
{
    return b * T * H * Dh + h * Dh;
}

/* P = softmax(Q K^T / sqrt(Dh)),  Y = P V */
void hidi_reference_attention(hidi_real *y, hidi_real *probs, const hidi_real *qkv, size_t B,
                              size_t T, size_t H, size_t Dh)
{
    size_t width = H * Dh, ld = 3 * width;
    hidi_real scale = (hidi_real)(1 / sqrt((double)Dh));

    if (Dh == 0)
        return;
    for (size_t b = 0; b < B; b++)
        for (size_t h = 0; h < H; h++) {
            const hidi_real *Q = qkv + qkv_offset(b, h, T, H, Dh);
            const hidi_real *K = Q + width, *V = K + width;
            hidi_real *P = probs + (b * H + h) * T * T;
            hidi_real *Y = y + y_offset(b, h, T, H, Dh);

            hidi_reference_gemm(false, true, T, T, Dh, scale, Q, ld, K, ld, 0, P, T);
            hidi_reference_softmax(P, P, T, T);
            hidi_reference_gemm(false, false, T, Dh, T, 1, P, T, V, ld, 0, Y, width);
        }
}

/* dS = (dQ K^T + Q dK^T) / sqrt(Dh),  dP = J_softmax(P) dS,  dY = dP V + P dV */
void hidi_reference_attention_jvp(hidi_real *dy, const hidi_real *qkv, const hidi_real *dqkv,
                                  const hidi_real *probs, hidi_real *scratch, size_t B, size_t T,
                                  size_t H, size_t Dh)
{
    size_t width = H * Dh, ld = 3 * width;
    hidi_real scale = (hidi_real)(1 / sqrt((double)Dh));

    if (Dh == 0)
        return;
    for (size_t b = 0; b < B; b++)
        for (size_t h = 0; h < H; h++) {
            const hidi_real *Q = qkv + qkv_offset(b, h, T, H, Dh);
            const hidi_real *K = Q + width, *V = K + width;
            const hidi_real *dQ = dqkv + qkv_offset(b, h, T, H, Dh);
            const hidi_real *dK = dQ + width, *dV = dK + width;
            const hidi_real *P = probs + (b * H + h) * T * T;
            hidi_real *dS = scratch + (b * H + h) * T * T, *dP = dS; /* in place */
            hidi_real *dY = dy + y_offset(b, h, T, H, Dh);

            hidi_reference_gemm(false, true, T, T, Dh, scale, dQ, ld, K, ld, 0, dS, T);
            hidi_reference_gemm(false, true, T, T, Dh, scale, Q, ld, dK, ld, 1, dS, T);
            hidi_reference_softmax_jacobian(dP, 0, P, dS, T, T);
            hidi_reference_gemm(false, false, T, Dh, T, 1, dP, T, V, ld, 0, dY, width);
            hidi_reference_gemm(false, false, T, Dh, T, 1, P, T, dV, ld, 1, dY, width);
        }
}

/* gV = P^T gY,  gP = gY V^T,  gS = J_softmax(P) gP,
 * gQ = gS K / sqrt(Dh),  gK = gS^T Q / sqrt(Dh) */
void hidi_reference_attention_vjp(hidi_real *gqkv, hidi_real beta, const hidi_real *qkv,
                                  const hidi_real *gy, const hidi_real *probs, hidi_real *scratch,
                                  size_t B, size_t T, size_t H, size_t Dh)
{
    size_t width = H * Dh, ld = 3 * width;
    hidi_real scale = (hidi_real)(1 / sqrt((double)Dh));

    if (Dh == 0)
        return;
    for (size_t b = 0; b < B; b++)
        for (size_t h = 0; h < H; h++) {
            const hidi_real *Q = qkv + qkv_offset(b, h, T, H, Dh);
            const hidi_real *K = Q + width, *V = K + width;
            hidi_real *gQ = gqkv + qkv_offset(b, h, T, H, Dh);
            hidi_real *gK = gQ + width, *gV = gK + width;
            const hidi_real *P = probs + (b * H + h) * T * T;
            hidi_real *gP = scratch + (b * H + h) * T * T, *gS = gP; /* in place */
            const hidi_real *gY = gy + y_offset(b, h, T, H, Dh);

            hidi_reference_gemm(true, false, T, Dh, T, 1, P, T, gY, width, beta, gV, ld);
            hidi_reference_gemm(false, true, T, T, Dh, 1, gY, width, V, ld, 0, gP, T);
            hidi_reference_softmax_jacobian(gS, 0, P, gP, T, T);
            hidi_reference_gemm(false, false, T, Dh, T, scale, gS, T, K, ld, beta, gQ, ld);
            hidi_reference_gemm(true, false, T, Dh, T, scale, gS, T, Q, ld, beta, gK, ld);
        }
}
