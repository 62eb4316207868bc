/* All parameters of a network move together: one norm to clip by, one AdamW update, one average,
 * each a single call of the backend over the whole array [base: AdamW, arXiv 1711.05101]. */
#include "train/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/params_file.h"
#include "train/options.h"

hidi_status hidi_schedule_check(const hidi_schedule *s)
{
    HIDI_TRY(hidi_require_not_negative("rate", s->rate));
    HIDI_TRY(hidi_require(s->warmup >= 0, "warmup", (double)s->warmup, "0 or more steps"));
    HIDI_TRY(hidi_require_choice("decay", s->decay, HIDI_DECAY_KINDS));
    HIDI_TRY(hidi_require_share("final", s->final));
    return hidi_require(s->steps >= 1, "steps", (double)s->steps, "1 or more");
}

double hidi_learning_rate(const hidi_schedule *s, long step)
{
    if (step < s->warmup)
        return s->rate * (double)(step + 1) / (double)s->warmup;
    if (s->decay == HIDI_DECAY_NONE || s->steps <= s->warmup)
        return s->rate;
    double done = (double)(step - s->warmup) / (double)(s->steps - s->warmup);
    done = done > 1 ? 1 : done;
    const double shape =
        s->decay == HIDI_DECAY_COSINE ? 0.5 * (1 + cos(3.141592653589793 * done)) : 1 - done;
    return s->rate * (s->final + (1 - s->final) * shape);
}

hidi_adamw hidi_adamw_defaults(void)
{
    return (hidi_adamw){.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .decay = 0, .clip = 1};
}

hidi_status hidi_adamw_check(const hidi_adamw *c)
{
    const char *below_one = "0 to less than 1";
    HIDI_TRY(hidi_require(c->beta1 >= 0 && c->beta1 < 1, "beta1", c->beta1, below_one));
    HIDI_TRY(hidi_require(c->beta2 >= 0 && c->beta2 < 1, "beta2", c->beta2, below_one));
    HIDI_TRY(hidi_require(c->eps > 0 && isfinite(c->eps), "eps", c->eps, "more than 0"));
    HIDI_TRY(hidi_require_not_negative("decay", c->decay));
    return hidi_require_not_negative("clip", c->clip);
}

hidi_status hidi_ema_check(double decay)
{
    return hidi_require(decay >= 0 && decay < 1, "ema", decay, "0 to less than 1");
}

hidi_status hidi_optimizer_init(hidi_optimizer *optimizer, hidi_params *params,
                                const hidi_adamw *config)
{
    const hidi_backend *backend = params->backend;
    const size_t bytes = params->count * sizeof(hidi_real);
    memset(optimizer, 0, sizeof *optimizer);
    HIDI_TRY(hidi_adamw_check(config));
    HIDI_TRY(hidi_params_train(params));
    optimizer->config = *config;
    optimizer->params = params;
    optimizer->m = backend->allocate(bytes);
    optimizer->v = backend->allocate(bytes);
    if (optimizer->m == NULL || optimizer->v == NULL) {
        hidi_optimizer_free(optimizer);
        return hidi_error(HIDI_NO_MEMORY, "no memory for the optimiser of %zu parameters",
                          params->count);
    }
    backend->fill(optimizer->m, 0, params->count);
    backend->fill(optimizer->v, 0, params->count);
    return HIDI_OK;
}

void hidi_optimizer_free(hidi_optimizer *optimizer)
{
    if (optimizer->params != NULL) {
        optimizer->params->backend->release(optimizer->m);
        optimizer->params->backend->release(optimizer->v);
    }
    memset(optimizer, 0, sizeof *optimizer);
}

hidi_status hidi_optimizer_step(hidi_optimizer *optimizer, double rate, double *norm)
{
    hidi_params *params = optimizer->params;
    const hidi_adamw *c = &optimizer->config;
    *norm = hidi_params_grad_norm(params);
    HIDI_TRY(params->backend->check());
    if (!isfinite(*norm)) {
        const char *name = hidi_params_not_finite(params, false);
        return hidi_error(HIDI_NOT_FINITE, "the gradient of %s is not finite",
                          name ? name : "all parameters together");
    }
    const double scale = c->clip > 0 && *norm > c->clip ? c->clip / *norm : 1;
    optimizer->updates++;
    params->backend->adamw(params->value, params->grad, optimizer->m, optimizer->v, params->count,
                           (hidi_real)scale, rate, c->beta1, c->beta2, c->eps, c->decay,
                           optimizer->updates);
    hidi_params_zero_grad(params);
    return HIDI_OK;
}

hidi_status hidi_optimizer_to_file(const hidi_optimizer *optimizer, const char *prefix,
                                   hidi_tensor_file *file)
{
    char name[64];
    const int64_t updates = optimizer->updates;
    snprintf(name, sizeof name, "%sm.", prefix);
    HIDI_TRY(hidi_params_to_file(optimizer->params, optimizer->m, name, file));
    snprintf(name, sizeof name, "%sv.", prefix);
    HIDI_TRY(hidi_params_to_file(optimizer->params, optimizer->v, name, file));
    snprintf(name, sizeof name, "%supdates", prefix);
    return hidi_tensor_file_add(file, name, HIDI_I64, 0, NULL, &updates);
}

hidi_status hidi_optimizer_from_file(hidi_optimizer *optimizer, const char *prefix,
                                     const hidi_tensor_file *file)
{
    char name[64];
    const hidi_file_tensor *tensor;
    int32_t updates;
    snprintf(name, sizeof name, "%sm.", prefix);
    HIDI_TRY(hidi_params_from_file(optimizer->params, optimizer->m, name, file));
    snprintf(name, sizeof name, "%sv.", prefix);
    HIDI_TRY(hidi_params_from_file(optimizer->params, optimizer->v, name, file));
    snprintf(name, sizeof name, "%supdates", prefix);
    HIDI_TRY(hidi_tensor_file_need(file, name, &tensor));
    if (tensor->count != 1)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %s is not a single number", file->path, name);
    HIDI_TRY(hidi_file_tensor_int(tensor, &updates));
    optimizer->updates = updates;
    return HIDI_OK;
}

void hidi_ema_update(hidi_params *average, const hidi_params *params, double decay, long updates)
{
    const double early = (1.0 + (double)updates) / (10.0 + (double)updates);
    const double d = decay < early ? decay : early;
    params->backend->lerp(average->value, (hidi_real)(1 - d), params->value, params->count);
}
