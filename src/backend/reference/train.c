/* train.c - what training needs at its two ends: embeddings of classes and times; the cross
 * entropy of a classifier, and AdamW.
 *
 *   embedding       y_i = table_(index_i)
 *   sincos          y_i = [cos(s t_i w_k), sin(s t_i w_k)],  w_k = 10000^(-k / (n/2)),  k < n/2
 *   cross_entropy   loss_i = -log softmax(x_i)_(label_i)
 *   adamw           arXiv 1711.05101, algorithm 2
 */
#include <math.h>

#include "backend/reference/reference.h"

#define blend hidi_reference_blend

void hidi_reference_embedding(hidi_real *y, const hidi_real *table, const int32_t *index,
                              size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            y[i * n + j] = table[(size_t)index[i] * n + j];
}

void hidi_reference_embedding_vjp(hidi_real *gtable, const int32_t *index, const hidi_real *gy,
                                  size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            gtable[(size_t)index[i] * n + j] += gy[i * n + j];
}

/* --- sin-cos features of a time (DiT's timestep embedding) ----------------------------------- */

/* w_k = 10000^(-k / half) */
static hidi_real frequency(size_t k, size_t half)
{
    return (hidi_real)pow(10000, -(double)k / (double)half);
}

/* (s t) w_k, with s t and the product each rounded to hidi_real, as PyTorch's DiT does.  In single
 * precision the rounding of a large angle is far more than that of its sine, so it is part of
 * what the network was trained with. */
static hidi_real angle(hidi_real s, hidi_real t, hidi_real w)
{
    hidi_real time = s * t;
    return time * w;
}

void hidi_reference_sincos(hidi_real *y, const hidi_real *t, hidi_real s, size_t rows, size_t n)
{
    size_t half = n / 2;

    for (size_t k = 0; k < half; k++) {
        hidi_real w = frequency(k, half);
        for (size_t i = 0; i < rows; i++) {
            y[i * n + k] = (hidi_real)cos(angle(s, t[i], w));
            y[i * n + half + k] = (hidi_real)sin(angle(s, t[i], w));
        }
    }
}

/* d/dt cos(s t w) = -s w sin(s t w),  d/dt sin(s t w) = s w cos(s t w) */
void hidi_reference_sincos_jvp(hidi_real *dy, hidi_real beta, const hidi_real *t,
                               const hidi_real *dt, hidi_real s, size_t rows, size_t n)
{
    size_t half = n / 2;

    for (size_t k = 0; k < half; k++) {
        hidi_real w = frequency(k, half);
        for (size_t i = 0; i < rows; i++) {
            double phi = angle(s, t[i], w), rate = (double)s * w * dt[i];
            blend(&dy[i * n + k], beta, -sin(phi) * rate);
            blend(&dy[i * n + half + k], beta, cos(phi) * rate);
        }
    }
}

void hidi_reference_sincos_vjp(hidi_real *gt, hidi_real beta, const hidi_real *t,
                               const hidi_real *gy, hidi_real s, size_t rows, size_t n)
{
    size_t half = n / 2;

    for (size_t i = 0; i < rows; i++) {
        double sum = 0;
        for (size_t k = 0; k < half; k++) {
            hidi_real w = frequency(k, half);
            double phi = angle(s, t[i], w), rate = (double)s * w;
            sum += -sin(phi) * rate * gy[i * n + k] + cos(phi) * rate * gy[i * n + half + k];
        }
        blend(&gt[i], beta, sum);
    }
}

/* --- cross entropy --------------------------------------------------------------------------- */

/* -log softmax(x)_label = log sum_j exp(x_j - max x) - (x_label - max x) */
void hidi_reference_cross_entropy(hidi_real *loss, hidi_real *probs, const hidi_real *logits,
                                  const int32_t *label, size_t rows, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = 0; i < rows; i++) {
        const hidi_real *x = logits + i * n;
        double max = x[0], sum = 0;

        for (size_t j = 1; j < n; j++)
            max = x[j] > max ? x[j] : max;
        for (size_t j = 0; j < n; j++)
            sum += exp(x[j] - max);
        loss[i] = (hidi_real)(log(sum) - (x[label[i]] - max));
    }
    hidi_reference_softmax(probs, logits, rows, n);
}

void hidi_reference_cross_entropy_jvp(hidi_real *dloss, const hidi_real *probs,
                                      const int32_t *label, const hidi_real *dlogits, size_t rows,
                                      size_t n)
{
    if (n == 0)
        return;
    for (size_t i = 0; i < rows; i++) {
        const hidi_real *p = probs + i * n, *d = dlogits + i * n;
        double sum = 0;

        for (size_t j = 0; j < n; j++)
            sum += (double)p[j] * d[j];
        dloss[i] = (hidi_real)(sum - d[label[i]]);
    }
}

void hidi_reference_cross_entropy_vjp(hidi_real *glogits, hidi_real beta, const hidi_real *probs,
                                      const int32_t *label, const hidi_real *gloss, size_t rows,
                                      size_t n)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) {
            double onehot = j == (size_t)label[i] ? 1 : 0;
            blend(&glogits[i * n + j], beta, gloss[i] * (probs[i * n + j] - onehot));
        }
}

/* --- AdamW (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2; PyTorch scales decay by lr) -- */

void hidi_reference_adamw(hidi_real *w, const hidi_real *g, hidi_real *m, hidi_real *v, size_t n,
                          hidi_real scale, double lr, double b1, double b2, double eps,
                          double decay, long step)
{
    double correction1 = 1 - pow(b1, (double)step);
    double correction2 = 1 - pow(b2, (double)step);

    for (size_t i = 0; i < n; i++) {
        double grad = (double)g[i] * scale;
        double m_i = b1 * m[i] + (1 - b1) * grad;
        double v_i = b2 * v[i] + (1 - b2) * grad * grad;
        double update = m_i / correction1 / (sqrt(v_i / correction2) + eps);

        w[i] = (hidi_real)(w[i] - lr * decay * w[i] - lr * update);
        m[i] = (hidi_real)m_i;
        v[i] = (hidi_real)v_i;
    }
}
