/* adversary.c - the two sides of it (method/adversarial.c), each on its own draws of noise and t:
 *
 *     z_t   = (1 - t) x + t e'
 *     L_adv = softplus(-D(x_gen)), the heads and the backbone frozen
 *     L_D   = softplus(D(x_g)) + softplus(-D(x)), or hinge, + lambda_R1 (D(x) - D(x + sigma n))^2
 */
#include "train/adversary.h"

#include "method/adversarial.h"
#include "method/flow.h"
#include "model/params_file.h"
#include "train/options.h"

/* Where noise e' and time t come from: every use has streams of its own. */
typedef struct level {
    hidi_stream noise, time;
} level;

static const level deceived = {HIDI_STREAM_ADVERSARY_NOISE, HIDI_STREAM_ADVERSARY_TIME};
static const level of_fake = {HIDI_STREAM_HEADS_FAKE_NOISE, HIDI_STREAM_HEADS_FAKE_TIME};
static const level of_real = {HIDI_STREAM_HEADS_REAL_NOISE, HIDI_STREAM_HEADS_REAL_TIME};

/* D(z_t + n); n: a perturbation, or NULL */
static hidi_var *discriminate(const hidi_adversary *a, hidi_tape *tape, hidi_batch *batch,
                              hidi_var *x, const level *l, hidi_var *n, bool frozen)
{
    hidi_head_output output = {.logits = NULL};
    hidi_var *e = hidi_batch_noise(batch, tape, l->noise);
    hidi_var *t = hidi_batch_times(batch, tape, &a->options.time, l->time);
    hidi_var *z = hidi_noised(tape, x, e, t);
    if (n != NULL)
        z = hidi_add(tape, z, n);
    hidi_heads_forward(tape, a->heads, frozen, a->backbone, frozen || !a->backbone_learns, z, t,
                       &batch->y, &output);
    return output.logits;
}

hidi_var *hidi_adversary_deceived(const hidi_adversary *a, hidi_tape *tape, hidi_batch *batch,
                                  hidi_var *x_gen)
{
    hidi_var *d_fake = discriminate(a, tape, batch, x_gen, &deceived, NULL, true);
    return hidi_generator_loss(tape, (hidi_adversarial)a->options.loss, d_fake);
}

hidi_var *hidi_adversary_loss(const hidi_adversary *a, hidi_tape *tape, hidi_batch *batch,
                              hidi_var *x_g, hidi_var *x, hidi_adversary_terms *terms)
{
    const hidi_adversary_options *o = &a->options;
    hidi_var *d_fake = discriminate(a, tape, batch, x_g, &of_fake, NULL, false);
    hidi_var *d_real = discriminate(a, tape, batch, x, &of_real, NULL, false);
    hidi_var *loss = hidi_discriminator_loss(tape, (hidi_adversarial)o->loss, d_fake, d_real);
    *terms = (hidi_adversary_terms){loss, NULL, hidi_mean(tape, hidi_stop_gradient(tape, d_real)),
                                    hidi_mean(tape, hidi_stop_gradient(tape, d_fake))};
    if (o->r1_weight == 0)
        return loss;
    hidi_var *n = hidi_batch_noise(batch, tape, HIDI_STREAM_R1_NOISE);
    n = hidi_scale(tape, n, (hidi_real)o->r1_sigma);
    hidi_var *d_perturbed = discriminate(a, tape, batch, x, &of_real, n, false);
    terms->r1 = hidi_approximate_r1(tape, d_real, d_perturbed);
    return hidi_add(tape, loss, hidi_scale(tape, terms->r1, (hidi_real)o->r1_weight));
}

hidi_status hidi_adversary_step(hidi_adversary *a, double rate, double *grad_norm)
{
    return hidi_optimizer_step(&a->optimizer, rate * a->options.head_rate, grad_norm);
}

hidi_adversary_options hidi_adversary_defaults(double weight, double head_rate)
{
    return (hidi_adversary_options){
        .weight = weight,
        .time = {.density = HIDI_TIME_UNIFORM, .least = 0, .most = 0.3, .mean = 0, .deviation = 1},
        .loss = HIDI_NON_SATURATING,
        .r1_weight = 0,
        .r1_sigma = 0.05,
        .head_rate = head_rate,
        .heads = {.kind = HIDI_HEAD_AWD, .n = 2, .block = {1, 3}, .key_width = 32,
                  .conditional = false}};
}

hidi_status hidi_adversary_check(const hidi_adversary_options *o)
{
    HIDI_TRY(hidi_require_not_negative("adversary_weight", o->weight));
    HIDI_TRY(hidi_error_prefix(hidi_time_check(&o->time), "adversary_time"));
    HIDI_TRY(hidi_require_choice("adversarial_loss", o->loss, HIDI_ADVERSARIAL_KINDS));
    HIDI_TRY(hidi_require_not_negative("r1_weight", o->r1_weight));
    HIDI_TRY(hidi_require_not_negative("r1_sigma", o->r1_sigma));
    HIDI_TRY(hidi_require(o->r1_weight == 0 || o->r1_sigma > 0, "r1_sigma", o->r1_sigma,
                          "more than 0, where r1_weight is not 0"));
    HIDI_TRY(hidi_require_not_negative("head_rate", o->head_rate));
    return o->weight > 0 ? hidi_error_prefix(hidi_heads_check(&o->heads), "heads") : HIDI_OK;
}

hidi_status hidi_adversary_init(hidi_adversary *a, const hidi_adversary_options *options,
                                const hidi_dit *backbone, bool backbone_learns,
                                const hidi_adamw *adamw, uint64_t seed)
{
    *a = (hidi_adversary){.options = *options, .backbone = backbone,
                          .backbone_learns = backbone_learns};
    if (options->weight == 0)
        return HIDI_OK;
    const size_t depth = backbone->config.depth;
    hidi_heads_config *config = &a->options.heads;
    config->width = backbone->config.width;
    if (config->block[config->n - 1] >= (int)depth)
        return hidi_error(HIDI_BAD_ARGUMENT, "heads read after block %d, but the teacher has "
                                             "blocks 0 to %zu",
                          config->block[config->n - 1], depth - 1);
    HIDI_TRY(hidi_heads_create(&a->heads, backbone->params.backend, config));
    HIDI_TRY(hidi_heads_initialise(a->heads, seed));
    return hidi_optimizer_init(&a->optimizer, &a->heads->params, adamw);
}

void hidi_adversary_free(hidi_adversary *a)
{
    hidi_optimizer_free(&a->optimizer);
    hidi_heads_destroy(a->heads);
    a->heads = NULL;
}

hidi_status hidi_adversary_to_file(const hidi_adversary *a, hidi_tensor_file *file)
{
    if (a->heads == NULL)
        return HIDI_OK;
    HIDI_TRY(hidi_heads_to_file(a->heads, "discriminator.", file));
    return hidi_optimizer_to_file(&a->optimizer, "discriminator_adamw.", file);
}

hidi_status hidi_adversary_from_file(hidi_adversary *a, const hidi_tensor_file *file)
{
    if (a->heads == NULL)
        return HIDI_OK;
    hidi_params *params = &a->heads->params;
    HIDI_TRY(hidi_params_from_file(params, params->value, "discriminator.", file));
    return hidi_optimizer_from_file(&a->optimizer, "discriminator_adamw.", file);
}
