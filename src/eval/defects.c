/* defects.c - a token's patch is damaged, and the rank of that token in each map of the
 * discriminator (AUC: the share of the others below it) is compared with its rank in the undamaged
 * image. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "eval/defects.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "core/stop.h"

const char *hidi_finder_name(hidi_finder finder)
{
    static const char *const names[HIDI_FINDERS] = {"weight", "score", "gradient"};
    return names[finder];
}

/* --- maps ------------------------------------------------------------------------------------- */

/* The mean of the heads' maps [n, N]. */
static hidi_status read_mean(hidi_tape *tape, const hidi_heads *heads, hidi_var *const *map,
                             const char *what, hidi_real *host)
{
    const hidi_var *mean = hidi_heads_mean_map(tape, heads, map);
    HIDI_TRY(hidi_tape_status(tape));
    if (mean == NULL)
        return hidi_error(HIDI_UNSUPPORTED, "these heads have no token %s", what);
    return hidi_read(tape, mean, host);
}

/* gradient [n, N] from g = dD/dz [n, C, H, H] */
static void sum_over_patches(const hidi_dit_config *c, const hidi_real *g, size_t n,
                             hidi_real *gradient)
{
    const size_t H = c->image_size, p = c->patch, side = H / p;
    for (size_t i = 0; i < n * side * side; i++)
        gradient[i] = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c->channels * H * H; k++) {
            const size_t row = k / H % H, column = k % H;
            const hidi_real value = g[i * c->channels * H * H + k];
            gradient[i * side * side + row / p * side + column / p] += value < 0 ? -value : value;
        }
}

/* D's logits of images that are already noised, and their maps. */
static hidi_status maps_of(hidi_tape *tape, const hidi_heads *heads, const hidi_dit *backbone,
                           hidi_real *z, const hidi_condition *y, size_t n, double t,
                           hidi_real *weights, hidi_real *scores, hidi_real *gradient)
{
    const hidi_dit_config *c = &backbone->config;
    hidi_head_output output;
    const hidi_shape shape = hidi_shape4(n, c->channels, c->image_size, c->image_size);
    hidi_var *noised = hidi_input(tape, shape, z, gradient != NULL);
    hidi_var *times = hidi_filled(tape, hidi_shape1(n), (hidi_real)t);
    HIDI_TRY(hidi_heads_forward(tape, heads, true, backbone, true, noised, times, y, &output));
    if (weights != NULL)
        HIDI_TRY(read_mean(tape, heads, output.weights, "weights", weights));
    if (scores != NULL)
        HIDI_TRY(read_mean(tape, heads, output.scores, "scores", scores));
    if (gradient == NULL)
        return HIDI_OK;
    /* Images do not see each other: the gradient of the sum is that of each one's own logit. */
    hidi_var *sum = hidi_scale(tape, hidi_mean(tape, output.logits), (hidi_real)n);
    HIDI_TRY(hidi_tape_backward(tape, sum, NULL));
    HIDI_TRY(hidi_read_grad(tape, noised, z));
    sum_over_patches(c, z, n, gradient);
    return HIDI_OK;
}

hidi_status hidi_token_maps(hidi_tape *tape, const hidi_heads *heads, const hidi_dit *backbone,
                            const hidi_real *x, const hidi_condition *y, size_t n, double t,
                            uint64_t seed, uint64_t step, hidi_real *weights, hidi_real *scores,
                            hidi_real *gradient)
{
    const hidi_dit_config *c = &backbone->config;
    const size_t count = n * c->channels * c->image_size * c->image_size;
    hidi_real *z = malloc((count ? count : 1) * sizeof *z);
    if (z == NULL)
        return hidi_error(HIDI_NO_MEMORY, "token maps: out of memory");
    hidi_normal((hidi_random){seed, HIDI_STREAM_SAMPLE, step}, 0, z, count);
    for (size_t k = 0; k < count; k++) /* z_t = (1 - t) x + t e */
        z[k] = (hidi_real)((1 - t) * (double)x[k] + t * (double)z[k]);
    hidi_tape_reset(tape);
    hidi_status status =
        maps_of(tape, heads, backbone, z, y, n, t, weights, scores, gradient);
    free(z);
    return status;
}

/* --- ranking ---------------------------------------------------------------------------------- */

/* Sums over images so far. */
typedef struct tally {
    double auc, top, auc_clean, top_clean, gain, gain_squared;
    size_t n;
} tally;

void hidi_rank_token(const hidi_real *map, size_t N, size_t at, int sign, double *auc, double *top)
{
    double below = 0;
    *top = 1;
    for (size_t i = 0; i < N; i++) {
        const double difference = sign * ((double)map[at] - (double)map[i]);
        if (i == at)
            continue;
        below += difference > 0 ? 1 : difference < 0 ? 0 : 0.5;
        if (difference <= 0)
            *top = 0;
    }
    *auc = N > 1 ? below / (double)(N - 1) : (double)NAN;
}

static void count(tally *t, const hidi_real *damaged, const hidi_real *clean, size_t N, size_t at,
                  int sign)
{
    double auc, top, auc_clean, top_clean;
    hidi_rank_token(damaged, N, at, sign, &auc, &top);
    hidi_rank_token(clean, N, at, sign, &auc_clean, &top_clean);
    t->auc += auc;
    t->top += top;
    t->auc_clean += auc_clean;
    t->top_clean += top_clean;
    t->gain += auc - auc_clean;
    t->gain_squared += (auc - auc_clean) * (auc - auc_clean);
    t->n++;
}

static hidi_found result(const tally *t)
{
    const double n = (double)t->n, gain = t->gain / n;
    if (t->n == 0)
        return (hidi_found){NAN, NAN, NAN, NAN, NAN};
    const double variance = fmax(t->gain_squared / n - gain * gain, 0);
    return (hidi_found){t->auc / n, t->top / n, t->auc_clean / n, t->top_clean / n,
                        sqrt(variance / n)};
}

enum { BATCH = 64 };

/* What a batch needs: images clean and damaged, and the maps of both. */
typedef struct batch {
    hidi_real *clean, *damaged;          /* [BATCH, C, H, W]                       */
    hidi_real *map[2][HIDI_FINDERS];     /* [BATCH, N] clean, damaged; NULL: none  */
    int32_t *label;                      /* [BATCH]                                */
    size_t *at;                          /* [BATCH]                                */
} batch;

static void batch_free(batch *b)
{
    free(b->clean);
    free(b->damaged);
    for (int i = 0; i < 2 * HIDI_FINDERS; i++)
        free(b->map[i / HIDI_FINDERS][i % HIDI_FINDERS]);
    free(b->label);
    free(b->at);
}

static hidi_status batch_init(batch *b, const hidi_head *head, size_t pixels, size_t N)
{
    const bool has[HIDI_FINDERS] = {head->has_weights, head->has_scores, true};
    memset(b, 0, sizeof *b);
    b->clean = malloc(BATCH * pixels * sizeof *b->clean);
    b->damaged = malloc(BATCH * pixels * sizeof *b->damaged);
    b->label = malloc(BATCH * sizeof *b->label);
    b->at = malloc(BATCH * sizeof *b->at);
    bool complete = b->clean && b->damaged && b->label && b->at;
    for (int i = 0; i < 2 * HIDI_FINDERS; i++) {
        hidi_real **map = &b->map[i / HIDI_FINDERS][i % HIDI_FINDERS];
        if (!has[i % HIDI_FINDERS])
            continue;
        *map = malloc(BATCH * N * sizeof **map);
        complete = complete && *map != NULL;
    }
    return complete ? HIDI_OK : hidi_error(HIDI_NO_MEMORY, "defects: out of memory");
}

/* n images from number `first` on, and the same with a defect. */
static hidi_status plant(batch *b, const hidi_dataset *data, hidi_split split, size_t first,
                         size_t n, size_t patch, hidi_defect kind, uint64_t seed)
{
    const size_t C = data->channels, H = data->height, pixels = C * H * H;
    hidi_dataset_range(data, split, first, n, b->clean, b->label);
    memcpy(b->damaged, b->clean, n * pixels * sizeof *b->clean);
    for (size_t i = 0; i < n; i++) {
        double draw;
        hidi_uniform((hidi_random){seed, HIDI_STREAM_LABEL, first + i}, 0, &draw, 1);
        HIDI_TRY(hidi_defect_place(b->clean + i * pixels, C, H, patch, draw, &b->at[i]));
        HIDI_TRY(hidi_plant_defect(b->damaged + i * pixels, C, H, patch, b->at[i], kind,
                                   (hidi_random){seed, HIDI_STREAM_DEFECT, first + i}));
    }
    return HIDI_OK;
}

hidi_status hidi_find_defects(const hidi_heads *heads, const hidi_dit *backbone,
                              const hidi_dataset *data, hidi_split split, size_t n,
                              hidi_defect kind, double t, uint64_t seed,
                              hidi_found found[HIDI_FINDERS])
{
    const hidi_dit_config *c = &backbone->config;
    const size_t side = c->image_size / c->patch, N = side * side;
    /* A low score, which says fake, and a large weight or gradient point at the token. */
    static const int sign[HIDI_FINDERS] = {1, -1, 1};
    tally tallies[HIDI_FINDERS] = {{0}};
    batch b;
    hidi_tape *tape = hidi_tape_create(backbone->params.backend);
    hidi_status status = batch_init(&b, hidi_head_of(heads->config.kind),
                                    c->channels * c->image_size * c->image_size, N);
    if (tape == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "defects: no memory for a tape");
    if (status == HIDI_OK)
        status = hidi_dataset_has(data, split, n);
    for (size_t first = 0; first < n && status == HIDI_OK; first += BATCH) {
        const size_t B = n - first < BATCH ? n - first : BATCH;
        const hidi_condition y = {.number = b.label, .captions = data->captions};
        status = hidi_check_stop();
        if (status == HIDI_OK)
            status = plant(&b, data, split, first, B, c->patch, kind, seed);
        for (int d = 0; d < 2 && status == HIDI_OK; d++)
            status = hidi_token_maps(tape, heads, backbone, d ? b.damaged : b.clean, &y, B, t,
                                     seed, first, b.map[d][0], b.map[d][1], b.map[d][2]);
        for (int f = 0; f < HIDI_FINDERS && status == HIDI_OK; f++)
            for (size_t i = 0; i < B && b.map[0][f] != NULL; i++)
                count(&tallies[f], b.map[1][f] + i * N, b.map[0][f] + i * N, N, b.at[i], sign[f]);
    }
    for (int f = 0; f < HIDI_FINDERS; f++)
        found[f] = result(&tallies[f]);
    batch_free(&b);
    hidi_tape_destroy(tape);
    return status;
}
