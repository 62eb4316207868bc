/* train.cu - look-up tables, sin-cos features, cross entropy and the AdamW step: the formulas of
 * reference/train.c.  Sums over rows with the same index, and over classes, are taken in an order
 * that the sizes and indices alone decide. */
#include "backend/cuda/kernels.h"

/* --- look-up --------------------------------------------------------------------------------- */

/* y[i, :] = table[index[i], :] */
HIDI_KERNEL embedding_kernel(hidi_real *y, const hidi_real *table, const int32_t *index,
                             size_t rows, size_t n)
{
    HIDI_FOR_ROWS (i, rows) {
        const hidi_real *entry = table + (size_t)index[i] * n;
        HIDI_FOR_COLUMNS (j, n)
            y[i * n + j] = entry[j];
    }
}

static void embedding(hidi_real *y, const hidi_real *table, const int32_t *index, size_t rows,
                      size_t n)
{
    HIDI_LAUNCH_ROWS(embedding_kernel, rows, n, y, table, index, rows, n);
}

/* gtable[index[i], :] += gy[i, :], in order of i. Block i is in charge of entry index[i] if no
 * earlier row has it, and adds all rows that do: no two blocks write the same entry, and the order
 * is that of the rows. */
HIDI_KERNEL embedding_vjp_kernel(hidi_real *gtable, const int32_t *index, const hidi_real *gy,
                                 size_t rows, size_t n)
{
    HIDI_FOR_GROUPS (hidi_block, i, rows) {
        const int32_t entry = index[i];
        int earlier = 0;

        HIDI_FOR_MEMBERS (hidi_block, before, i)
            earlier |= index[before] == entry;
        if (hidi_block::all<hidi_sum>(earlier) > 0)
            continue; /* the same for the whole block */

        HIDI_FOR_MEMBERS (hidi_block, j, n) {
            hidi_real *g = &gtable[(size_t)entry * n + j], sum = *g;
            for (size_t row = i; row < rows; row++)
                if (index[row] == entry)
                    sum += gy[row * n + j];
            *g = sum;
        }
    }
}

static void embedding_vjp(hidi_real *gtable, const int32_t *index, const hidi_real *gy, size_t rows,
                          size_t n)
{
    if (rows > 0 && n > 0)
        HIDI_LAUNCH(embedding_vjp_kernel, hidi_cuda_blocks_of_groups(rows, hidi_block::THREADS),
                    HIDI_CUDA_BLOCK, 0, hidi_cuda_stream, gtable, index, gy, rows, n);
}

/* --- sin-cos features of a time (DiT's timestep embedding) ----------------------------------- */

/* w_k = 10000^(-k / pairs); in double, as it is multiplied by times of up to 1000 */
static __device__ inline hidi_real frequency(size_t k, size_t pairs)
{
    return (hidi_real)pow(10000.0, -(double)k / (double)pairs);
}

/* (s t) w_k, with s t and the product each rounded to hidi_real, as PyTorch's DiT does (see
 * reference/train.c).  A product that is not added to anything is rounded by itself. */
static __device__ inline hidi_real angle(hidi_real s, hidi_real t, hidi_real w)
{
    hidi_real time = s * t;
    return time * w;
}

/* y[i, k] = cos(s t_i w_k),  y[i, pairs + k] = sin(s t_i w_k) */
HIDI_KERNEL sincos_kernel(hidi_real *y, const hidi_real *t, hidi_real s, size_t rows, size_t pairs)
{
    HIDI_FOR_ROWS (i, rows)
        HIDI_FOR_COLUMNS (k, pairs) {
            hidi_real phi = angle(s, t[i], frequency(k, pairs));
            y[i * 2 * pairs + k] = cos(phi);
            y[i * 2 * pairs + pairs + k] = sin(phi);
        }
}

static void sincos_features(hidi_real *y, const hidi_real *t, hidi_real s, size_t rows, size_t n)
{
    HIDI_LAUNCH_ROWS(sincos_kernel, rows, n / 2, y, t, s, rows, n / 2);
}

/* d/dt cos(s t w) = -s w sin(s t w),  d/dt sin(s t w) = s w cos(s t w) */
HIDI_KERNEL sincos_jvp_kernel(hidi_real *dy, hidi_real beta, const hidi_real *t,
                              const hidi_real *dt, hidi_real s, size_t rows, size_t pairs)
{
    HIDI_FOR_ROWS (i, rows)
        HIDI_FOR_COLUMNS (k, pairs) {
            hidi_real w = frequency(k, pairs), phi = angle(s, t[i], w), rate = s * w * dt[i];
            blend(&dy[i * 2 * pairs + k], beta, -sin(phi) * rate);
            blend(&dy[i * 2 * pairs + pairs + k], beta, cos(phi) * rate);
        }
}

static void sincos_jvp(hidi_real *dy, hidi_real beta, const hidi_real *t, const hidi_real *dt,
                       hidi_real s, size_t rows, size_t n)
{
    HIDI_LAUNCH_ROWS(sincos_jvp_kernel, rows, n / 2, dy, beta, t, dt, s, rows, n / 2);
}

/* gt[i] = beta gt[i] + <gy[i, :], (dy/dt)(t_i)> */
template <typename GROUP>
HIDI_KERNEL sincos_vjp_kernel(hidi_real *gt, hidi_real beta, const hidi_real *t,
                              const hidi_real *gy, hidi_real s, size_t rows, size_t pairs)
{
    HIDI_FOR_GROUPS (GROUP, i, rows) {
        const hidi_real *g_cos = gy + i * 2 * pairs, *g_sin = g_cos + pairs;
        hidi_real sum = 0;

        HIDI_FOR_MEMBERS (GROUP, k, pairs) {
            hidi_real w = frequency(k, pairs), phi = angle(s, t[i], w), rate = s * w;
            sum += rate * (cos(phi) * g_sin[k] - sin(phi) * g_cos[k]);
        }
        sum = GROUP::template all<hidi_sum>(sum);
        if (threadIdx.x % GROUP::THREADS == 0)
            blend(&gt[i], beta, sum);
    }
}

static void sincos_vjp(hidi_real *gt, hidi_real beta, const hidi_real *t, const hidi_real *gy,
                       hidi_real s, size_t rows, size_t n)
{
    HIDI_LAUNCH_GROUPS(sincos_vjp_kernel, rows, n / 2, gt, beta, t, gy, s, rows, n / 2);
}

/* --- cross entropy --------------------------------------------------------------------------- */

/* loss_i = -log p_label = log sum_j exp(x_j - max x) - (x_label - max x),  p = softmax(x) */
template <typename GROUP>
HIDI_KERNEL cross_entropy_kernel(hidi_real *loss, hidi_real *probs, const hidi_real *logits,
                                 const int32_t *label, size_t rows, size_t n)
{
    HIDI_FOR_GROUPS (GROUP, i, rows) {
        const hidi_real *x = logits + i * n;
        const hidi_softmax_row row = softmax_row<GROUP>(probs + i * n, x, n);

        if (threadIdx.x % GROUP::THREADS == 0)
            loss[i] = log(row.sum) - (x[label[i]] - row.max);
    }
}

static void cross_entropy(hidi_real *loss, hidi_real *probs, const hidi_real *logits,
                          const int32_t *label, size_t rows, size_t n)
{
    if (n > 0)
        HIDI_LAUNCH_GROUPS(cross_entropy_kernel, rows, n, loss, probs, logits, label, rows, n);
}

/* dloss_i = <p_i - onehot(label_i), dlogits_i> */
template <typename GROUP>
HIDI_KERNEL cross_entropy_jvp_kernel(hidi_real *dloss, const hidi_real *probs, const int32_t *label,
                                     const hidi_real *dlogits, size_t rows, size_t n)
{
    HIDI_FOR_GROUPS (GROUP, i, rows) {
        const hidi_real *p = probs + i * n, *d = dlogits + i * n;
        hidi_real sum = 0;

        HIDI_FOR_MEMBERS (GROUP, j, n)
            sum += p[j] * d[j];
        sum = GROUP::template all<hidi_sum>(sum);
        if (threadIdx.x % GROUP::THREADS == 0)
            dloss[i] = sum - d[label[i]];
    }
}

static void cross_entropy_jvp(hidi_real *dloss, const hidi_real *probs, const int32_t *label,
                              const hidi_real *dlogits, size_t rows, size_t n)
{
    if (n > 0)
        HIDI_LAUNCH_GROUPS(cross_entropy_jvp_kernel, rows, n, dloss, probs, label, dlogits, rows,
                           n);
}

/* glogits = beta glogits + gloss[i] (p_i - onehot(label_i)) */
HIDI_KERNEL cross_entropy_vjp_kernel(hidi_real *glogits, hidi_real beta, const hidi_real *probs,
                                     const int32_t *label, const hidi_real *gloss, size_t rows,
                                     size_t n)
{
    HIDI_FOR_ROWS (i, rows)
        HIDI_FOR_COLUMNS (j, n) {
            hidi_real onehot = (hidi_real)(j == (size_t)label[i]);
            blend(&glogits[i * n + j], beta, gloss[i] * (probs[i * n + j] - onehot));
        }
}

static void cross_entropy_vjp(hidi_real *glogits, hidi_real beta, const hidi_real *probs,
                              const int32_t *label, const hidi_real *gloss, size_t rows, size_t n)
{
    HIDI_LAUNCH_ROWS(cross_entropy_vjp_kernel, rows, n, glogits, beta, probs, label, gloss, rows,
                     n);
}

/* --- AdamW (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2; PyTorch scales decay by lr) -- */

/* What does not depend on the element, computed in double. */
typedef struct adamw_factors {
    hidi_real scale;  /* of the gradient       */
    hidi_real decay;  /* lr * decay            */
    hidi_real b1, b2;
    hidi_real one_b1; /* 1 - b1                */
    hidi_real one_b2; /* 1 - b2                */
    hidi_real rate;   /* lr / (1 - b1^step)    */
    hidi_real root;   /* 1 / sqrt(1 - b2^step) */
    hidi_real eps;
} adamw_factors;

/* m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
 * w -= lr decay w + lr (m / (1 - b1^step)) / (sqrt(v / (1 - b2^step)) + eps) */
HIDI_KERNEL adamw_kernel(hidi_real *w, const hidi_real *g, hidi_real *m, hidi_real *v, size_t n,
                         adamw_factors f)
{
    HIDI_FOR_ELEMENTS (i, n) {
        hidi_real grad = g[i] * f.scale;
        hidi_real m_i = f.b1 * m[i] + f.one_b1 * grad;
        hidi_real v_i = f.b2 * v[i] + f.one_b2 * (grad * grad);

        w[i] -= f.decay * w[i] + f.rate * m_i / (sqrt(v_i) * f.root + f.eps);
        m[i] = m_i;
        v[i] = v_i;
    }
}

static void adamw(hidi_real *w, const hidi_real *g, hidi_real *m, hidi_real *v, size_t n,
                  hidi_real scale, double lr, double b1, double b2, double eps, double decay,
                  long step)
{
    adamw_factors f;

    f.scale = scale;
    f.decay = (hidi_real)(lr * decay);
    f.b1 = (hidi_real)b1;
    f.b2 = (hidi_real)b2;
    f.one_b1 = (hidi_real)(1 - b1);
    f.one_b2 = (hidi_real)(1 - b2);
    f.rate = (hidi_real)(lr / (1 - pow(b1, (double)step)));
    f.root = (hidi_real)(1 / sqrt(1 - pow(b2, (double)step)));
    f.eps = (hidi_real)eps;
    HIDI_LAUNCH_ELEMENTS(adamw_kernel, n, w, g, m, v, n, f);
}

void hidi_cuda_train_slots(hidi_backend *table)
{
    table->embedding = embedding;
    table->embedding_vjp = embedding_vjp;
    table->sincos = sincos_features; /* sincos is a function of CUDA's */
    table->sincos_jvp = sincos_jvp;
    table->sincos_vjp = sincos_vjp;
    table->cross_entropy = cross_entropy;
    table->cross_entropy_jvp = cross_entropy_jvp;
    table->cross_entropy_vjp = cross_entropy_vjp;
    table->adamw = adamw;
}
