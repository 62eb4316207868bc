/* sampler.c - from noise e = z_1 to images z_0, in equal steps from t to r:
 *
 *     Euler      z_r = z_t - (t - r) v_w(z_t, t)
 *     Heun       z_r = z_t - (t - r) (v_w(z_t, t) + v_w(z', r)) / 2,  z' being Euler's z_r
 *     average    z_r = z_t - (t - r) u(z_t, r, t)
 *
 * With one step the last is G(e, y) = e - u(e, 0, 1, y).
 *
 *     Euler-Maruyama of SiT's stochastic equation, whose diffusion is t  [base: arXiv 2401.08740]
 *                z_r = z_t - (t - r) (v_w + e_w) + sqrt(2 t (t - r)) n,   e_w = z_t + (1 - t) v_w
 *
 * in steps - 1 equal steps from 1 to last_step, and a last one from there to 0, without noise.
 * DDPM and DDIM are ddpm.c.
 */
#include "method/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "backend/share_rows.h"
#include "core/random.h"
#include "core/stop.h"
#include "method/ddpm.h"
#include "method/flow.h"

/* Images are independent of each other, so a batch is sampled in pieces, each by one thread from
 * noise to image: of so many tokens, which is enough for a product to be fast.  Too few pieces to
 * be shared out go together, and the kernels are; then processes share whole batches out. */
enum { PIECE_TOKENS = 256, LEAST_PIECES = 4 };

/* --- guidance --------------------------------------------------------------------------------- */

static bool guides_at(const hidi_sampler *s, double t)
{
    return s->solver != HIDI_AVERAGE && s->guidance != 1 && t >= s->guided_from &&
           (s->guided_to == 0 || t <= s->guided_to);
}

/* v_w(z_t, t, y) as this sampler guides it; t_n: t, [B] */
static hidi_var *guided(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape, hidi_var *z,
                        hidi_var *t_n, double t, const hidi_condition *y)
{
    const bool all = s->guided_channels == 0 || s->guided_channels >= net->config.channels;
    if ((all && s->negative == NULL) || !guides_at(s, t))
        return hidi_guided_velocity(tape, net, z, t_n, y, guides_at(s, t) ? s->guidance : 1);
    hidi_var *v = hidi_dit_velocity(tape, net, true, z, t_n, NULL, y);
    hidi_var *v_null = hidi_dit_velocity(tape, net, true, z, t_n, NULL, s->negative);
    return hidi_guided_channels(tape, v, v_null, s->guidance,
                                all ? net->config.channels : s->guided_channels);
}

/* --- a step ----------------------------------------------------------------------------------- */

/* z_r = z_t - h v */
static hidi_var *move(hidi_tape *tape, hidi_var *z, hidi_var *v, hidi_real h)
{
    return hidi_sub(tape, z, hidi_scale(tape, v, h));
}

/* Where step k, of steps .. 1, starts. */
static double start_of(const hidi_sampler *s, long k)
{
    if (s->solver == HIDI_DDIM || s->solver == HIDI_DDPM)
        return hidi_ddpm_time(s, k);
    if (s->solver != HIDI_EULER_MARUYAMA)
        return (double)k / (double)s->steps;
    const double last = s->last_step > 0 ? s->last_step : 0.04;
    return last + (1 - last) * (double)(k - 1) / (double)(s->steps - 1);
}

bool hidi_guides(const hidi_sampler *s, long k)
{
    return guides_at(s, start_of(s, k));
}

/* z_r from z_t */
static hidi_var *advance(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape, hidi_var *z,
                         double t, double r, const hidi_condition *y)
{
    const hidi_real h = (hidi_real)(t - r);
    const hidi_shape batch = hidi_shape1(z->shape.dim[0]);
    hidi_var *t_n = hidi_filled(tape, batch, (hidi_real)t);
    hidi_var *r_n = hidi_filled(tape, batch, (hidi_real)r);
    if (s->solver == HIDI_AVERAGE)
        return move(tape, z, hidi_dit_velocity(tape, net, true, z, t_n, r_n, y), h);

    hidi_var *v_t = guided(s, net, tape, z, t_n, t, y);
    hidi_var *euler = move(tape, z, v_t, h);
    if (s->solver == HIDI_EULER)
        return euler;
    hidi_var *v_r = guided(s, net, tape, euler, r_n, r, y);
    hidi_var *mean = hidi_scale(tape, hidi_add(tape, v_t, v_r), (hidi_real)0.5);
    return move(tape, z, mean, h);
}

/* Euler-Maruyama's step number k. */
static hidi_var *diffuse(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape, hidi_var *z,
                         long k, const hidi_condition *y, hidi_var *noise)
{
    const double t = start_of(s, k), r = k > 1 ? start_of(s, k - 1) : 0, h = t - r;
    hidi_var *t_n = hidi_filled(tape, hidi_shape1(z->shape.dim[0]), (hidi_real)t);
    hidi_var *v = guided(s, net, tape, z, t_n, t, y);
    hidi_var *e = hidi_add(tape, z, hidi_scale(tape, v, (hidi_real)(1 - t)));
    z = move(tape, z, hidi_add(tape, v, e), (hidi_real)h);
    if (k == 1)
        return z;
    return hidi_add(tape, z, hidi_scale(tape, noise, (hidi_real)sqrt(2 * t * h)));
}

static hidi_status step_with(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape, long k,
                             hidi_real *x, const hidi_condition *y, size_t n,
                             const hidi_real *noise)
{
    const hidi_dit_config *c = &net->config;
    const hidi_shape shape = hidi_shape4(n, c->channels, c->image_size, c->image_size);
    if (s->solver == HIDI_DDIM || s->solver == HIDI_DDPM)
        return hidi_ddpm_step(s, net, tape, k, x, y, n, noise);
    hidi_tape_reset(tape);
    hidi_var *z = hidi_constant(tape, shape, x);
    if (z != NULL && s->solver == HIDI_EULER_MARUYAMA)
        z = diffuse(s, net, tape, z, k, y, noise ? hidi_constant(tape, shape, noise) : NULL);
    else if (z != NULL)
        z = advance(s, net, tape, z, start_of(s, k), start_of(s, k - 1), y);
    HIDI_TRY(hidi_tape_status(tape));
    return hidi_read(tape, z, x);
}

/* --- the noise of a step ---------------------------------------------------------------------- */

/* The last step of those that take noise has none. */
static bool takes_noise(const hidi_sampler *s, long k)
{
    return k > 1 && (s->solver == HIDI_DDPM || s->solver == HIDI_EULER_MARUYAMA);
}

/* Draws of image number first + i, those of step k after those of k - 1. */
static void draw_noise(const hidi_sampler *s, long k, size_t n, size_t pixels, hidi_real *noise)
{
    const size_t each = pixels + pixels % 2; /* draws come in pairs */
    for (size_t i = 0; i < n; i++)
        hidi_normal((hidi_random){s->seed, HIDI_STREAM_STEP_NOISE, s->first + i},
                    (size_t)(k - 1) * each, noise + i * pixels, pixels);
}

hidi_status hidi_sample_step_with(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape,
                                  long k, hidi_real *x, const hidi_condition *y, size_t n,
                                  const hidi_real *noise)
{
    return step_with(s, net, tape, k, x, y, n, noise);
}

hidi_status hidi_sample_step(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape, long k,
                             hidi_real *x, const hidi_condition *y, size_t n)
{
    const hidi_dit_config *c = &net->config;
    const size_t pixels = c->channels * c->image_size * c->image_size;
    if (!takes_noise(s, k))
        return step_with(s, net, tape, k, x, y, n, NULL);
    hidi_real *noise = malloc(n * pixels * sizeof *noise);
    if (noise == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for the noise of %zu samples", n);
    draw_noise(s, k, n, pixels, noise);
    const hidi_status status = step_with(s, net, tape, k, x, y, n, noise);
    free(noise);
    return status;
}

/* --- all steps -------------------------------------------------------------------------------- */

/* x: e [n, C, H, W] on entry, images on return */
static hidi_status sample_piece(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape,
                                hidi_real *x, const hidi_condition *y, size_t n)
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

/* Images that are shared out. */
typedef struct pieces {
    const hidi_sampler *sampler;
    const hidi_dit *net;
    hidi_tape *tape;
    hidi_real *x;
    const hidi_condition *y;
    size_t n, size; /* images in all, and of a piece */
} pieces;

static hidi_status sample_one_of(void *context, int member, size_t piece)
{
    const pieces *p = context;
    const hidi_dit_config *c = &p->net->config;
    const size_t first = piece * p->size, left = p->n - first;
    const hidi_condition y = hidi_condition_from(p->y, first);
    hidi_sampler part = *p->sampler;
    part.first += first;
    return sample_piece(&part, p->net, hidi_tape_companion(p->tape, member),
                        p->x + first * c->channels * c->image_size * c->image_size, &y,
                        left < p->size ? left : p->size);
}

static size_t pixels_of(const hidi_dit *net)
{
    return net->config.channels * net->config.image_size * net->config.image_size;
}

/* The images of a piece, for a batch of n; n: it is not cut. */
static size_t piece_size(const hidi_dit *net, size_t n)
{
    const size_t side = net->config.image_size / net->config.patch, tokens = side * side;
    const size_t size = tokens < PIECE_TOKENS ? PIECE_TOKENS / tokens : 1;
    const bool is_cut = (n + size - 1) / size >= LEAST_PIECES &&
                        !net->params.backend->large_batches();
    return is_cut ? size : n;
}

/* A batch that is cut; or as many that are not as there are processes. */
size_t hidi_sample_at_once(const hidi_sampler *s, const hidi_dit *net, size_t n)
{
    const size_t batch = n < s->batch ? n : s->batch;
    if (piece_size(net, batch) < batch)
        return batch;
    const size_t batches = batch > 0 ? n / batch : 0, processes = (size_t)hidi_processes();
    return batch * (batches < processes ? batches : processes);
}

/* Images first .. first + n - 1 of x, such as hidi_sample_at_once gives. */
static hidi_status sample_some(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape,
                               hidi_real *x, const hidi_condition *y, size_t first, size_t n)
{
    const hidi_backend *backend = net->params.backend;
    const hidi_condition y_first = hidi_condition_from(y, first);
    const size_t batch = n < s->batch ? n : s->batch, bytes = pixels_of(net) * sizeof *x;
    hidi_sampler part = *s;
    part.first += first;
    pieces p = {&part, net, tape, x + first * pixels_of(net), &y_first, n, piece_size(net, batch)};
    const size_t count = (n + p.size - 1) / p.size;
    const hidi_piece_rows rows = {p.x, p.size * bytes, n * bytes};
    if (p.size == batch)
        return hidi_backend_rows_in_turn(count, sample_one_of, &p, &rows, 1);
    HIDI_TRY(hidi_tape_companions(tape, hidi_backend_members(backend, count)));
    return hidi_backend_share_rows(backend, count, sample_one_of, &p, &rows, 1);
}

hidi_status hidi_sampler_check(const hidi_sampler *s, const hidi_dit *net)
{
    if (s->steps < 1 || s->batch < 1)
        return hidi_error(HIDI_BAD_ARGUMENT, "sampling needs at least 1 step and a batch of 1");
    if (s->solver == HIDI_AVERAGE && !net->config.has_interval)
        return hidi_error(HIDI_BAD_ARGUMENT, "the average-velocity sampler needs a student "
                                             "(a network with an interval embedder)");
    if (s->solver == HIDI_DDIM || s->solver == HIDI_DDPM)
        return hidi_ddpm_check(s, net);
    if (s->solver == HIDI_EULER_MARUYAMA && (s->steps < 2 || !(s->last_step < 1)))
        return hidi_error(HIDI_BAD_ARGUMENT, "euler-maruyama takes 2 steps or more, of which the "
                                             "last is shorter than 1");
    return HIDI_OK;
}

hidi_status hidi_sample(const hidi_sampler *s, const hidi_dit *net, hidi_tape *tape, hidi_real *x,
                        const hidi_condition *y, size_t n, hidi_progress *progress)
{
    HIDI_TRY(hidi_sampler_check(s, net));
    for (size_t i = 0; i < n;) {
        const size_t count = hidi_sample_at_once(s, net, n - i);
        HIDI_TRY(sample_some(s, net, tape, x, y, i, count));
        i += count;
        if (progress != NULL)
            hidi_progress_update(progress, (long)i, NULL);
    }
    return HIDI_OK;
}

long hidi_sampler_evaluations(const hidi_sampler *s)
{
    long n = 0;
    if (s->solver == HIDI_AVERAGE)
        return s->steps;
    for (long k = s->steps; k > 0; k--) {
        n += hidi_guides(s, k) ? 2 : 1;
        if (s->solver == HIDI_HEUN)
            n += guides_at(s, start_of(s, k - 1)) ? 2 : 1;
    }
    return n;
}

void hidi_sample_inputs(uint64_t seed, const hidi_dit_config *c, size_t first, size_t n,
                        hidi_real *e, int32_t *y)
{
    const size_t pixels = c->channels * c->image_size * c->image_size;
    for (size_t i = 0; i < n; i++) {
        hidi_normal((hidi_random){seed, HIDI_STREAM_SAMPLE, first + i}, 0, e + i * pixels, pixels);
        y[i] = (int32_t)(c->n_classes > 0 ? (first + i) % c->n_classes : first + i);
    }
}
