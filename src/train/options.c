/* What an option may be is written as the condition that must hold, beside the words that a user is
 * shown when it does not. */
#include "train/options.h"

#include <math.h>
#include <string.h>

hidi_status hidi_require(bool holds, const char *option, double value, const char *expected)
{
    if (holds)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT, "%s is %g: expected %s", option, value, expected);
}

hidi_status hidi_require_share(const char *option, double value)
{
    return hidi_require(value >= 0 && value <= 1, option, value, "0 to 1");
}

hidi_status hidi_require_not_negative(const char *option, double value)
{
    return hidi_require(value >= 0 && isfinite(value), option, value, "0 or more");
}

hidi_status hidi_require_choice(const char *option, int value, const char *choices)
{
    int n = 1;
    for (const char *at = strchr(choices, ' '); at != NULL; at = strchr(at + 1, ' '))
        n++;
    if (value >= 0 && value < n)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT, "%s is %d: expected 0 to %d, one of: %s", option, value,
                      n - 1, choices);
}

static hidi_status check_size(const char *option, size_t images)
{
    return hidi_require(images >= 1 && images <= HIDI_MAX_BATCH, option, (double)images,
                        "1 to 1000000 images");
}

hidi_status hidi_batch_size_check(size_t batch)
{
    return check_size("batch", batch);
}

hidi_status hidi_batch_sizes_check(size_t batch, size_t micro_batch)
{
    HIDI_TRY(hidi_batch_size_check(batch));
    return check_size("micro_batch", micro_batch);
}

/* Mean and deviation of a logit. */
static hidi_status check_logit(double mean, double deviation)
{
    HIDI_TRY(hidi_require(isfinite(mean), "mean", mean, "a finite number"));
    return hidi_require_not_negative("deviation", deviation);
}

hidi_status hidi_time_check(const hidi_time_options *o)
{
    HIDI_TRY(hidi_require_choice("density", o->density, HIDI_TIME_DENSITIES));
    HIDI_TRY(hidi_require_share("least", o->least));
    HIDI_TRY(hidi_require(o->most >= o->least && o->most <= 1, "most", o->most, "least to 1"));
    return check_logit(o->mean, o->deviation);
}

hidi_status hidi_interval_check(const hidi_interval_options *o)
{
    HIDI_TRY(hidi_require_choice("sampler", o->sampler, HIDI_INTERVAL_SAMPLERS));
    HIDI_TRY(hidi_require_share("same", o->same));
    HIDI_TRY(hidi_require_share("from_zero", o->from_zero));
    return check_logit(o->mean, o->deviation);
}

hidi_status hidi_meanflow_check(const hidi_meanflow_options *o)
{
    HIDI_TRY(hidi_require(isfinite(o->guidance), "guidance", o->guidance, "a finite number"));
    HIDI_TRY(hidi_require_not_negative("p", o->p));
    HIDI_TRY(hidi_require_not_negative("c", o->c));
    HIDI_TRY(hidi_require(o->p == 0 || o->c > 0, "c", o->c, "more than 0, where p is not 0"));
    HIDI_TRY(hidi_require_share("difference", o->difference));
    HIDI_TRY(hidi_require_share("window", o->window));
    HIDI_TRY(hidi_require(o->window == 0 || o->difference == 0, "window", o->window,
                          "0 where du/dt is by differences (difference is not 0)"));
    HIDI_TRY(hidi_require_not_negative("bound", o->bound));
    HIDI_TRY(hidi_require_choice("tangent", o->tangent, HIDI_TANGENTS));
    return hidi_require(o->tangent_warmup >= 0, "tangent_warmup", (double)o->tangent_warmup,
                        "0 or more steps");
}

hidi_status hidi_heads_check(const hidi_heads_config *c)
{
    HIDI_TRY(hidi_require_choice("kind", (int)c->kind, HIDI_HEAD_KINDS));
    HIDI_TRY(hidi_require(c->n >= 1 && c->n <= HIDI_MAX_TAPS, "n", c->n, "1 to 8 heads"));
    for (int i = 0, least = 0; i < c->n; least = c->block[i++] + 1)
        HIDI_TRY(hidi_require(c->block[i] >= least, "block", c->block[i],
                              "numbers from 0, ascending"));
    HIDI_TRY(hidi_require(c->queries <= 1024, "queries", (double)c->queries, "at most 1024"));
    HIDI_TRY(hidi_require(c->temperature >= 0 && c->temperature <= 1e6, "temperature",
                          c->temperature, "0 to 1e6"));
    HIDI_TRY(hidi_require_share("mean", c->mean));
    HIDI_TRY(hidi_require(c->top <= 65536, "top", (double)c->top, "at most 65536"));
    const bool has_key = c->kind == HIDI_HEAD_AWD || c->kind == HIDI_HEAD_APT;
    return hidi_require(!has_key || (c->key_width >= 1 && c->key_width <= 65536), "key_width",
                        (double)c->key_width, "1 to 65536");
}
