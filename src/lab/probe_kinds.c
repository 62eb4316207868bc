/* probe_kinds.c - the computations of `hidi probe`: each is the library's own function on given
 * tensors. */
#include "lab/probe.h"

#include <stdlib.h>

#include "method/autoencoder_loss.h"
#include "method/dmd.h"
#include "method/flow.h"
#include "method/progressive.h"
#include "method/sampler.h"
#include "eval/frechet.h"

static hidi_var *in(hidi_probe *probe, const char *name)
{
    return hidi_probe_var(probe, name, false);
}

/* --- the network ------------------------------------------------------------------------------ */

static hidi_status run_dit(hidi_probe *p)
{
    hidi_var *out = hidi_dit_forward(p->tape, p->dit[HIDI_PROBE_MODEL], true, in(p, "z"),
                                     in(p, "t"), in(p, "r"), &p->y, NULL);
    return hidi_probe_put(p, "out", out);
}

/* The gradients of <dout, out>. */
static hidi_status run_dit_grad(hidi_probe *p)
{
    hidi_dit *dit = p->dit[HIDI_PROBE_MODEL];
    HIDI_TRY(hidi_params_train(&dit->params));
    hidi_var *z = hidi_probe_var(p, "z", true);
    hidi_var *out = hidi_dit_forward(p->tape, dit, false, z, in(p, "t"), in(p, "r"), &p->y, NULL);
    hidi_var *loss = hidi_sum(p->tape, hidi_mul(p->tape, out, in(p, "dout")));
    HIDI_TRY(hidi_tape_backward(p->tape, loss, NULL));
    HIDI_TRY(hidi_probe_put(p, "out", out));
    HIDI_TRY(hidi_probe_put_grad(p, "grad.z", z));
    return hidi_probe_put_grads(p, &dit->params);
}

/* The derivative along (dz, dt, dr). */
static hidi_status run_dit_jvp(hidi_probe *p)
{
    hidi_var *z = hidi_dual(p->tape, in(p, "z"), in(p, "dz"));
    hidi_var *t = hidi_dual(p->tape, in(p, "t"), in(p, "dt"));
    hidi_var *r = in(p, "r"), *dr = in(p, "dr");
    if (dr != NULL)
        r = hidi_dual(p->tape, r, dr);
    hidi_var *out =
        hidi_dit_forward(p->tape, p->dit[HIDI_PROBE_MODEL], true, z, t, r, &p->y, NULL);
    HIDI_TRY(hidi_probe_put(p, "out", out));
    return hidi_probe_put(p, "dout", hidi_tangent(p->tape, out));
}

/* v in this project's convention, whatever the network predicts. */
static hidi_status run_velocity(hidi_probe *p)
{
    hidi_var *v = hidi_dit_velocity(p->tape, p->dit[HIDI_PROBE_MODEL], true, in(p, "z"), in(p, "t"),
                                    in(p, "r"), &p->y);
    return hidi_probe_put(p, "v", v);
}

/* DDPM's steps from e, with the given noise. */
static hidi_status run_steps(hidi_probe *p, const hidi_sampler *sampler, hidi_real *x,
                             const hidi_real *noise, size_t count)
{
    const hidi_dit *net = p->dit[HIDI_PROBE_MODEL];
    HIDI_TRY(hidi_sampler_check(sampler, net));
    for (long k = sampler->steps; k > 0; k--, noise += count)
        HIDI_TRY(hidi_sample_step_with(sampler, net, p->tape, k, x, &p->y, p->batch, noise));
    return HIDI_OK;
}

static hidi_status run_ddpm(hidi_probe *p)
{
    const hidi_sampler sampler = {.solver = HIDI_DDPM,
                                  .steps = p->set.steps,
                                  .guidance = p->set.meanflow.guidance,
                                  .guided_channels = (size_t)p->set.guided_channels,
                                  .batch = p->batch};
    const hidi_file_tensor *e = hidi_tensor_file_find(&p->in, "e");
    const hidi_file_tensor *noise = hidi_tensor_file_find(&p->in, "noise");
    hidi_real *x = malloc(e->count * sizeof *x), *n = malloc(noise->count * sizeof *n);
    hidi_status status = HIDI_OK;
    if (x == NULL || n == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "out of memory for %ld steps", sampler.steps);
    if (status == HIDI_OK) {
        hidi_file_tensor_real(e, x);
        hidi_file_tensor_real(noise, n);
        status = run_steps(p, &sampler, x, n, e->count);
    }
    if (status == HIDI_OK)
        status = hidi_probe_put_reals(
            p, "x", hidi_shape4(e->dim[0], e->dim[1], e->dim[2], e->dim[3]), x);
    free(x);
    free(n);
    return status;
}

/* --- the losses ------------------------------------------------------------------------------- */

static hidi_status run_flow(hidi_probe *p)
{
    hidi_dit *net = p->dit[HIDI_PROBE_MODEL];
    HIDI_TRY(hidi_params_train(&net->params));
    hidi_var *loss = hidi_flow_loss(p->tape, net, in(p, "x"), in(p, "e"), in(p, "t"), &p->y);
    HIDI_TRY(hidi_tape_backward(p->tape, loss, NULL));
    HIDI_TRY(hidi_probe_put(p, "loss", loss));
    return hidi_probe_put_grads(p, &net->params);
}

static hidi_status run_meanflow(hidi_probe *p)
{
    hidi_dit *student = p->dit[HIDI_PROBE_MODEL];
    hidi_meanflow_terms terms;
    HIDI_TRY(hidi_params_train(&student->params));
    hidi_var *loss = hidi_meanflow_loss(p->tape, student, p->dit[HIDI_PROBE_TEACHER], in(p, "x"),
                                        in(p, "e"), in(p, "t"), in(p, "r"), &p->y, &p->set.meanflow,
                                        NULL, &terms);
    HIDI_TRY(hidi_tape_backward(p->tape, loss, NULL));
    HIDI_TRY(hidi_probe_put(p, "v", terms.v));
    HIDI_TRY(hidi_probe_put(p, "u", terms.u));
    HIDI_TRY(hidi_probe_put(p, "dudt", terms.dudt));
    HIDI_TRY(hidi_probe_put(p, "target", terms.target));
    HIDI_TRY(hidi_probe_put(p, "loss", loss));
    return hidi_probe_put_grads(p, &student->params);
}

static hidi_status run_progressive(hidi_probe *p)
{
    hidi_dit *student = p->dit[HIDI_PROBE_MODEL];
    const hidi_meanflow_options *set = &p->set.meanflow;
    const hidi_progressive_options options = {set->guidance, set->p, set->c};
    hidi_progressive_terms terms;
    HIDI_TRY(hidi_params_train(&student->params));
    hidi_var *loss = hidi_progressive_loss(p->tape, student, p->dit[HIDI_PROBE_TEACHER],
                                           in(p, "x"), in(p, "e"), in(p, "t"), in(p, "r"), &p->y,
                                           &options, &terms);
    HIDI_TRY(hidi_tape_backward(p->tape, loss, NULL));
    HIDI_TRY(hidi_probe_put(p, "u", terms.u));
    HIDI_TRY(hidi_probe_put(p, "target", terms.target));
    HIDI_TRY(hidi_probe_put(p, "loss", loss));
    return hidi_probe_put_grads(p, &student->params);
}

static hidi_status run_dmd(hidi_probe *p)
{
    hidi_dit *student = p->dit[HIDI_PROBE_MODEL];
    hidi_dmd_terms terms;
    HIDI_TRY(hidi_params_train(&student->params));
    hidi_var *x_gen = hidi_generate(p->tape, student, false, in(p, "e"), &p->y);
    hidi_var *loss = hidi_dmd_loss(p->tape, x_gen, p->dit[HIDI_PROBE_TEACHER],
                                   p->dit[HIDI_PROBE_FAKE], p->set.meanflow.guidance, in(p, "t"),
                                   in(p, "e2"), &p->y, &terms);
    HIDI_TRY(hidi_tape_backward(p->tape, loss, NULL));
    HIDI_TRY(hidi_probe_put(p, "x_gen", x_gen));
    HIDI_TRY(hidi_probe_put(p, "x_real", terms.x_real));
    HIDI_TRY(hidi_probe_put(p, "x_fake", terms.x_fake));
    HIDI_TRY(hidi_probe_put(p, "dm_grad", terms.dm_grad));
    HIDI_TRY(hidi_probe_put(p, "loss", loss));
    return hidi_probe_put_grads(p, &student->params);
}

/* --- the discriminator ------------------------------------------------------------------------ */

/* One [B, N] per head -> result [B, n_heads, N]; NULL stands for the uniform weights 1/N. */
static hidi_status put_tokens(hidi_probe *p, const char *name, hidi_var *const *of_head, size_t N)
{
    const size_t B = p->batch, n = (size_t)p->heads->config.n;
    hidi_real *all = malloc(B * n * N * sizeof *all), *one = malloc(B * N * sizeof *one);
    hidi_status status = HIDI_OK;
    if (all == NULL || one == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "out of memory for result %s", name);
    for (size_t j = 0; j < n && status == HIDI_OK; j++) {
        if (of_head[j] != NULL)
            status = hidi_read(p->tape, of_head[j], one);
        for (size_t b = 0; b < B && status == HIDI_OK; b++)
            for (size_t i = 0; i < N; i++)
                all[(b * n + j) * N + i] =
                    of_head[j] != NULL ? one[b * N + i] : (hidi_real)1 / (hidi_real)N;
    }
    if (status == HIDI_OK)
        status = hidi_probe_put_reals(p, name, hidi_shape3(B, n, N), all);
    free(one);
    free(all);
    return status;
}

/* With dlogits, the gradients of <dlogits, logits>.  Where there is a logit per token, the image's
 * is their mean. */
static hidi_status run_awd(hidi_probe *p)
{
    const hidi_dit *backbone = p->dit[HIDI_PROBE_MODEL];
    const size_t side = backbone->config.image_size / backbone->config.patch, N = side * side;
    hidi_head_output output;
    const hidi_head *head = hidi_head_of(p->heads->config.kind);
    HIDI_TRY(hidi_params_train(&p->heads->params));
    hidi_var *z = hidi_probe_var(p, "z", true), *dlogits = in(p, "dlogits");
    HIDI_TRY(hidi_heads_forward(p->tape, p->heads, false, backbone, true, z, in(p, "t"), &p->y,
                                &output));
    hidi_var *logits = output.logits;
    if (head->per_token) {
        HIDI_TRY(hidi_probe_put(p, "token_logits", logits));
        logits = hidi_mean_samples(p->tape, logits);
    }
    HIDI_TRY(hidi_probe_put(p, "logits", logits));
    if (head->has_scores) {
        HIDI_TRY(put_tokens(p, "weights", output.weights, N));
        HIDI_TRY(put_tokens(p, "scores", output.scores, N));
    }
    if (dlogits == NULL)
        return HIDI_OK;
    HIDI_TRY(hidi_tape_backward(
        p->tape, hidi_sum(p->tape, hidi_mul(p->tape, logits, dlogits)), NULL));
    HIDI_TRY(hidi_probe_put_grad(p, "grad.z", z));
    return hidi_probe_put_grads(p, &p->heads->params);
}

/* --- the autoencoder -------------------------------------------------------------------------- */

/* The latents' means and log-variances, not scaled. */
static hidi_status run_encode(hidi_probe *p)
{
    const size_t z = p->coder->config.latent_channels;
    hidi_var *moments = hidi_encode(p->tape, p->coder, true, in(p, "x"));
    HIDI_TRY(hidi_probe_put(p, "mean", hidi_channels_of(p->tape, moments, 0, z)));
    return hidi_probe_put(p, "logvar", hidi_channels_of(p->tape, moments, z, z));
}

static hidi_status run_decode(hidi_probe *p)
{
    return hidi_probe_put(p, "image", hidi_decode(p->tape, p->coder, true, in(p, "z")));
}

/* The loss of its training. */
static hidi_status run_vae(hidi_probe *p)
{
    hidi_autoencoder_terms terms;
    HIDI_TRY(hidi_params_train(&p->coder->params));
    hidi_var *loss = hidi_autoencoder_loss(p->tape, p->coder, in(p, "x"), in(p, "e"),
                                           p->set.kl_weight, &terms);
    HIDI_TRY(hidi_tape_backward(p->tape, loss, NULL));
    HIDI_TRY(hidi_probe_put(p, "z", terms.z));
    HIDI_TRY(hidi_probe_put(p, "image", terms.image));
    HIDI_TRY(hidi_probe_put(p, "error", terms.error));
    HIDI_TRY(hidi_probe_put(p, "kl", terms.kl));
    HIDI_TRY(hidi_probe_put(p, "loss", loss));
    return hidi_probe_put_grads(p, &p->coder->params);
}

/* --- the metrics ------------------------------------------------------------------------------ */

static hidi_status run_features(hidi_probe *p)
{
    const hidi_file_tensor *tensor = hidi_tensor_file_find(&p->in, "images");
    hidi_real *images = malloc(tensor->count * sizeof *images);
    double *features = malloc(p->batch * HIDI_FEATURES * sizeof *features);
    hidi_status status = HIDI_OK;
    if (images == NULL || features == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "out of memory for features");
    if (status == HIDI_OK) {
        hidi_file_tensor_real(tensor, images);
        status = hidi_feature_net_extract(p->net, p->tape, images, p->batch, features);
    }
    if (status == HIDI_OK)
        status = hidi_probe_put_doubles(p, "features", hidi_shape2(p->batch, HIDI_FEATURES),
                                        features);
    free(images);
    free(features);
    return status;
}

/* Mean and covariance of the points in a tensor. */
static hidi_status moments_of(hidi_probe *p, const char *name, hidi_moments *moments)
{
    const hidi_file_tensor *points = hidi_tensor_file_find(&p->in, name);
    HIDI_TRY(hidi_moments_init(moments, points->dim[1]));
    double *values = malloc(points->count * sizeof *values);
    if (values == NULL) {
        hidi_moments_free(moments);
        return hidi_error(HIDI_NO_MEMORY, "out of memory for %s", name);
    }
    hidi_file_tensor_double(points, values);
    hidi_moments_add(moments, values, points->dim[0]);
    free(values);
    hidi_status status = hidi_moments_finish(moments);
    if (status != HIDI_OK)
        hidi_moments_free(moments);
    return status;
}

static hidi_status run_frechet(hidi_probe *p)
{
    const hidi_shape scalar = hidi_shape0();
    hidi_moments m1, m2;
    hidi_frechet d;
    HIDI_TRY(moments_of(p, "f1", &m1));
    hidi_status status = moments_of(p, "f2", &m2);
    if (status == HIDI_OK) {
        status = hidi_frechet_distance(&d, &m1, &m2);
        hidi_moments_free(&m2);
    }
    hidi_moments_free(&m1);
    HIDI_TRY(status);
    HIDI_TRY(hidi_probe_put_doubles(p, "distance", scalar, &d.distance));
    HIDI_TRY(hidi_probe_put_doubles(p, "mean_term", scalar, &d.mean_term));
    HIDI_TRY(hidi_probe_put_doubles(p, "trace_1", scalar, &d.trace_1));
    HIDI_TRY(hidi_probe_put_doubles(p, "trace_2", scalar, &d.trace_2));
    return hidi_probe_put_doubles(p, "cross_term", scalar, &d.cross_term);
}

/* --- the table -------------------------------------------------------------------------------- */

#define RAW (1 + HIDI_VELOCITY)
#define ROLE(name) (1u << HIDI_PROBE_##name)
#define GIVEN(name, type) {name, HIDI_PROBE_##type, false}
#define PERHAPS(name, type) {name, HIDI_PROBE_##type, true}
#define END {NULL, HIDI_PROBE_NONE, false}
#define POINT GIVEN("z", IMAGES), GIVEN("t", TIMES), GIVEN("y", LABELS)

const hidi_probe_kind hidi_probe_kinds[] = {
    {"dit", ROLE(MODEL), false, "", RAW, {POINT, PERHAPS("r", TIMES), END}, run_dit, 0},
    {"dit-grad", ROLE(MODEL), false, "", RAW,
     {POINT, GIVEN("dout", OUTPUTS), PERHAPS("r", TIMES), END},
     run_dit_grad, 0},
    {"dit-jvp", ROLE(MODEL), false, "", RAW,
     {POINT, GIVEN("dz", IMAGES), GIVEN("dt", NUMBERS), PERHAPS("r", TIMES),
      PERHAPS("dr", NUMBERS), END},
     run_dit_jvp, 0},
    {"flow", ROLE(MODEL), false, "", 0,
     {GIVEN("x", IMAGES), GIVEN("e", IMAGES), GIVEN("t", TIMES), GIVEN("y", LABELS), END},
     run_flow, 0},
    {"meanflow", ROLE(MODEL) | ROLE(TEACHER), true, "guidance p c difference bound", 0,
     {GIVEN("x", IMAGES), GIVEN("e", IMAGES), GIVEN("t", TIMES), GIVEN("r", TIMES),
      GIVEN("y", LABELS), END},
     run_meanflow, 0},
    {"progressive", ROLE(MODEL) | ROLE(TEACHER), true, "guidance p c", 0,
     {GIVEN("x", IMAGES), GIVEN("e", IMAGES), GIVEN("t", TIMES), GIVEN("r", TIMES),
      GIVEN("y", LABELS), END},
     run_progressive, 0},
    {"dmd", ROLE(MODEL) | ROLE(TEACHER) | ROLE(FAKE), true, "guidance", 0,
     {GIVEN("e", IMAGES), GIVEN("y", LABELS), GIVEN("t", TIMES), GIVEN("e2", IMAGES), END},
     run_dmd, 0},
    {"velocity", ROLE(MODEL), false, "", 0, {POINT, PERHAPS("r", TIMES), END}, run_velocity, 0},
    {"ddpm", ROLE(MODEL), false, "guidance sample.steps sample.guided_channels", 1 + HIDI_EPSILON,
     {GIVEN("e", IMAGES), GIVEN("y", LABELS), GIVEN("noise", NOISES), END},
     run_ddpm, 0},
    {"awd", ROLE(MODEL) | ROLE(HEADS), false, "", 0,
     {POINT, PERHAPS("dlogits", NUMBERS), END},
     run_awd, 0},
    {"encode", ROLE(CODER), false, "", 0, {GIVEN("x", ANY_IMAGES), END}, run_encode, HIDI_ENCODER},
    {"decode", ROLE(CODER), false, "", 0, {GIVEN("z", ANY_IMAGES), END}, run_decode, HIDI_DECODER},
    {"vae", ROLE(CODER), false, "kl_weight", 0,
     {GIVEN("x", ANY_IMAGES), GIVEN("e", LATENTS), END}, run_vae, HIDI_ENCODER_AND_DECODER},
    {"features", ROLE(NET), false, "", 0, {GIVEN("images", IMAGES), END}, run_features, 0},
    {"frechet", 0, false, "", 0, {GIVEN("f1", POINTS), GIVEN("f2", POINTS), END}, run_frechet, 0},
    {NULL, 0, false, "", 0, {END}, NULL, 0}};
