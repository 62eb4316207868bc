/* sampler.c - from noise e = z_1 to images z_0, in equal steps from t to r:
 *
 *     Euler      z_r = z_t - (t - r) v_w(z_t, t)
 *     Heun       z_r = z_t - (t - r) (v_w(z_t, t) + v_w(z', r)) / 2,  z' being Euler's z_r
 *     average    z_r = z_t - (t - r) u(z_t, r, t)
 *
 * With one step the last is G(e, y) = e - u(e, 0, 1, y).
 */
#include "method/sampler.h"

#include <math.h>

#include "core/random.h"
#include "core/stop.h"
#include "method/flow.h"

/* Images are independent of each other, so a batch is sampled in pieces, each by one thread from
 * noise to image: of so many tokens, which is enough for a product to be fast.  Too few pieces to
 * be shared out go together, and the kernels are. */
enum { PIECE_TOKENS = 256, LEAST_PIECES = 4 };

/* z_r = z_t - h v */
static hidi_var *move(hidi_tape *tape, hidi_var *z, hidi_var *v, hidi_real h)
{
    return hidi_sub(tape, z, hidi_scale(tape, v, h));
}

/* z_r from z_t */
static hidi_var *advance(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape, hidi_var *z,
                         double t, double r, const int32_t *y)
{
    const double w = s->guidance;
    const hidi_real h = (hidi_real)(t - r);
    const hidi_shape batch = hidi_shape1(z->shape.dim[0]);
    hidi_var *t_n = hidi_filled(tape, batch, (hidi_real)t);
    hidi_var *r_n = hidi_filled(tape, batch, (hidi_real)r);
    if (s->solver == HIDI_AVERAGE)
        return move(tape, z, hidi_dit_velocity(tape, net, true, z, t_n, r_n, y), h);

    hidi_var *v_t = hidi_guided_velocity(tape, net, z, t_n, y, w);
    hidi_var *euler = move(tape, z, v_t, h);
    if (s->solver == HIDI_EULER)
        return euler;
    hidi_var *v_r = hidi_guided_velocity(tape, net, euler, r_n, y, w);
    hidi_var *mean = hidi_scale(tape, hidi_add(tape, v_t, v_r), (hidi_real)0.5);
    return move(tape, z, mean, h);
}

hidi_status hidi_sample_step(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape, long k,
                             hidi_real *x, const int32_t *y, size_t n)
{
    const hidi_dit_config *c = &net->config;
    const hidi_shape shape = hidi_shape4(n, c->channels, c->image_size, c->image_size);
    const double t = (double)k / (double)s->steps, r = (double)(k - 1) / (double)s->steps;
    hidi_tape_reset(tape);
    hidi_var *z = hidi_constant(tape, shape, x);
    if (z != NULL)
        z = advance(s, net, tape, z, t, r, y);
    HIDI_TRY(hidi_tape_status(tape));
    return hidi_read(tape, z, x);
}

/* x: e [n, C, H, W] on entry, images on return */
static hidi_status sample_piece(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape,
                                hidi_real *x, const int32_t *y, size_t n)
{
    const hidi_dit_config *c = &net->config;
    const hidi_shape shape = hidi_shape4(n, c->channels, c->image_size, c->image_size);
    for (long k = s->steps; k > 0; k--) {
        HIDI_TRY(hidi_check_stop());
        HIDI_TRY(hidi_sample_step(s, net, tape, k, x, y, n));
    }
    for (size_t i = 0; i < hidi_count(shape); i++)
        if (!isfinite(x[i]))
            return hidi_error(HIDI_NOT_FINITE, "a sample is not finite");
    return HIDI_OK;
}

/* A batch that is shared out. */
typedef struct pieces {
    const hidi_sampler *sampler;
    const hidi_dit *net;
    hidi_tape *tape;
    hidi_real *x;
    const int32_t *y;
    size_t n, size; /* images of the batch, and of a piece */
} pieces;

static hidi_status sample_one_of(void *context, int member, size_t piece)
{
    const pieces *p = context;
    const hidi_dit_config *c = &p->net->config;
    const size_t first = piece * p->size, left = p->n - first;
    return sample_piece(p->sampler, p->net, hidi_tape_companion(p->tape, member),
                        p->x + first * c->channels * c->image_size * c->image_size, p->y + first,
                        left < p->size ? left : p->size);
}

static hidi_status sample_batch(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape,
                                hidi_real *x, const int32_t *y, size_t n)
{
    const hidi_dit_config *c = &net->config;
    const hidi_backend *backend = net->params.backend;
    const size_t side = c->image_size / c->patch, tokens = side * side;
    pieces p = {s, net, tape, x, y, n, tokens < PIECE_TOKENS ? PIECE_TOKENS / tokens : 1};
    const size_t count = (n + p.size - 1) / p.size;
    if (count < LEAST_PIECES || backend->large_batches())
        return sample_piece(s, net, tape, x, y, n);
    HIDI_TRY(hidi_tape_companions(tape, hidi_backend_members(backend, count)));
    return hidi_backend_share_out(backend, count, sample_one_of, &p);
}

hidi_status hidi_sample(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape, hidi_real *x,
                        const int32_t *y, size_t n, hidi_progress *progress)
{
    const hidi_dit_config *c = &net->config;
    const size_t pixels = c->channels * c->image_size * c->image_size;
    if (s->steps < 1 || s->batch < 1)
        return hidi_error(HIDI_BAD_ARGUMENT, "sampling needs at least 1 step and a batch of 1");
    if (s->solver == HIDI_AVERAGE && !c->has_interval)
        return hidi_error(HIDI_BAD_ARGUMENT, "the average-velocity sampler needs a student "
                                             "(a network with an interval embedder)");
    for (size_t i = 0; i < n; i += s->batch) {
        const size_t count = n - i < s->batch ? n - i : s->batch;
        HIDI_TRY(sample_batch(s, net, tape, x + i * pixels, y + i, count));
        if (progress != NULL)
            hidi_progress_update(progress, (long)(i + count), NULL);
    }
    return HIDI_OK;
}

long hidi_sampler_evaluations(const hidi_sampler *s)
{
    if (s->solver == HIDI_AVERAGE)
        return s->steps;
    return s->steps * (s->solver == HIDI_HEUN ? 2 : 1) * (s->guidance == 1 ? 1 : 2);
}

void hidi_sample_inputs(uint64_t seed, const hidi_dit_config *c, size_t first, size_t n,
                        hidi_real *e, int32_t *y)
{
    const size_t pixels = c->channels * c->image_size * c->image_size;
    for (size_t i = 0; i < n; i++) {
        hidi_normal((hidi_random){seed, HIDI_STREAM_SAMPLE, first + i}, 0, e + i * pixels, pixels);
        y[i] = (int32_t)((first + i) % c->n_classes);
    }
}
