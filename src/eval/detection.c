/* detection.c - real and damaged images are shown to a discriminator, noised; its logits are ranked
 * (AUC, the Wilcoxon-Mann-Whitney statistic), and its gradient is followed to the tokens. */
#include "eval/detection.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/stop.h"
#include "method/adversarial.h"
#include "method/flow.h"

enum { BATCH = 32 };

/* What was measured: [n] real images, then [n] damaged ones. */
typedef struct logits {
    double *D, *worst; /* [2 n] */
} logits;

/* A batch on its way. */
typedef struct pass {
    const hidi_heads *heads;
    const hidi_dit *backbone;
    const hidi_detection_trial *task;
    hidi_tape *tape;
    size_t N, pixels, first, size;
    hidi_real *image, *t, *map; /* [BATCH, C, H, W], [BATCH], [BATCH, pixels or N]     */
    int32_t *label;
    bool *damaged;              /* [BATCH, N]                                          */
    double gradient, weight;    /* sums of the shares over damaged images              */
} pass;

static hidi_status begin(pass *p)
{
    const hidi_dit_config *c = &p->backbone->config;
    const size_t side = c->image_size / c->patch;
    p->N = side * side;
    p->pixels = c->channels * c->image_size * c->image_size;
    const size_t most = p->pixels > p->N ? p->pixels : p->N;
    p->tape = hidi_tape_create(p->backbone->params.backend);
    p->image = malloc(BATCH * p->pixels * sizeof *p->image);
    p->map = malloc(BATCH * most * sizeof *p->map);
    p->t = malloc(BATCH * sizeof *p->t);
    p->label = malloc(BATCH * sizeof *p->label);
    p->damaged = malloc(BATCH * p->N * sizeof *p->damaged);
    if (!p->tape || !p->image || !p->map || !p->t || !p->label || !p->damaged)
        return hidi_error(HIDI_NO_MEMORY, "detection: out of memory");
    return HIDI_OK;
}

static void end(pass *p)
{
    hidi_tape_destroy(p->tape);
    free(p->image);
    free(p->map);
    free(p->t);
    free(p->label);
    free(p->damaged);
}

/* The images of the batch, damaged or not, noised: z and t on the tape. */
static hidi_status show(pass *p, bool damage, hidi_var **z, hidi_var **t)
{
    const hidi_detection_trial *task = p->task;
    const hidi_dit_config *c = &p->backbone->config;
    const hidi_shape shape = hidi_shape4(p->size, c->channels, c->image_size, c->image_size);
    const uint64_t pass_number = damage ? 1 : 0;
    hidi_dataset_range(task->data, task->split, p->first, p->size, p->image, p->label);
    for (size_t i = 0; i < p->size && damage; i++) {
        const hidi_random random = {task->seed, HIDI_STREAM_DEFECT, p->first + i};
        HIDI_TRY(hidi_damage_image(p->image + i * p->pixels, c->channels, c->image_size, c->patch,
                                   task->damaged, task->defect, random, p->damaged + i * p->N));
    }
    hidi_tape_reset(p->tape);
    hidi_var *x = hidi_constant(p->tape, shape, p->image);
    hidi_normal((hidi_random){task->seed, HIDI_STREAM_NOISE, pass_number}, p->first * p->pixels,
                p->image, p->size * p->pixels);
    hidi_var *e = hidi_constant(p->tape, shape, p->image);
    hidi_draw_times(&task->time, (hidi_random){task->seed, HIDI_STREAM_TIME, pass_number},
                    p->first, p->t, p->size);
    *t = hidi_constant(p->tape, hidi_shape1(p->size), p->t);
    hidi_var *noised = hidi_noised(p->tape, x, e, *t);
    HIDI_TRY(hidi_read(p->tape, noised, p->image));
    *z = hidi_input(p->tape, shape, p->image, damage); /* its gradient is looked at */
    return hidi_tape_status(p->tape);
}

/* Mean, or least, of each row of p->map [size, n]. */
static void reduce(const pass *p, size_t n, bool least, double *out)
{
    for (size_t i = 0; i < p->size; i++) {
        double sum = 0, min = INFINITY;
        for (size_t k = 0; k < n; k++) {
            sum += (double)p->map[i * n + k];
            min = fmin(min, (double)p->map[i * n + k]);
        }
        out[i] = least ? min : sum / (double)n;
    }
}

/* Mean over the heads of maps [size, N], into p->map; *found: are there any? */
static hidi_status read_maps(pass *p, hidi_var *const *maps, bool *found)
{
    const hidi_var *mean = hidi_heads_mean_map(p->tape, p->heads, maps);
    HIDI_TRY(hidi_tape_status(p->tape));
    *found = mean != NULL;
    return *found ? hidi_read(p->tape, mean, p->map) : HIDI_OK;
}

/* Adds the share of p->map's weights [size, N] on the damaged tokens. */
static void add_weights(pass *p)
{
    for (size_t k = 0; k < p->size * p->N; k++)
        p->weight += p->damaged[k] ? (double)p->map[k] : 0;
}

/* Adds the share of |g|^2 of p->map's gradients [size, C, H, W] on the damaged tokens. */
static void add_gradients(pass *p)
{
    const hidi_dit_config *c = &p->backbone->config;
    const size_t H = c->image_size, side = H / c->patch;
    for (size_t i = 0; i < p->size; i++) {
        double all = 0, damaged = 0;
        for (size_t k = 0; k < p->pixels; k++) {
            const size_t token = k / H % H / c->patch * side + k % H / c->patch;
            const double g = (double)p->map[i * p->pixels + k];
            all += g * g;
            damaged += p->damaged[i * p->N + token] ? g * g : 0;
        }
        p->gradient += all > 0 ? damaged / all : (double)p->task->damaged / (double)p->N;
    }
}

/* One batch, damaged or not: its logits to D and worst [size]. */
static hidi_status look(pass *p, bool damage, double *D, double *worst)
{
    const hidi_condition y = {.number = p->label, .captions = p->task->data->captions};
    hidi_head_output output;
    hidi_var *z, *t;
    bool has_scores, has_weights = false;
    HIDI_TRY(show(p, damage, &z, &t));
    HIDI_TRY(hidi_heads_forward(p->tape, p->heads, true, p->backbone, true, z, t, &y,
                                &output));
    HIDI_TRY(hidi_read(p->tape, output.logits, p->map));
    reduce(p, hidi_count(output.logits->shape) / p->size, false, D);
    HIDI_TRY(read_maps(p, output.scores, &has_scores));
    if (has_scores)
        reduce(p, p->N, true, worst);
    if (!damage)
        return HIDI_OK;
    HIDI_TRY(read_maps(p, output.weights, &has_weights));
    if (has_weights)
        add_weights(p);
    /* Images do not see each other, and a common factor is in no share. */
    hidi_var *loss = hidi_generator_loss(p->tape, HIDI_NON_SATURATING, output.logits);
    HIDI_TRY(hidi_tape_backward(p->tape, loss, NULL));
    HIDI_TRY(hidi_read_grad(p->tape, z, p->map));
    add_gradients(p);
    return HIDI_OK;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Share of the pairs with real[i] > fake[j], equal ones half; both are sorted. */
static double rank(double *real, double *fake, size_t n)
{
    double below = 0;
    qsort(real, n, sizeof *real, compare);
    qsort(fake, n, sizeof *fake, compare);
    for (size_t i = 0, less = 0, no_more = 0; i < n; i++) {
        while (less < n && fake[less] < real[i])
            less++;
        while (no_more < n && fake[no_more] <= real[i])
            no_more++;
        below += 0.5 * (double)(less + no_more);
    }
    return below / ((double)n * (double)n);
}

/* Hanley and McNeil (1982), for n images of each kind. */
static double standard_error(double auc, double n)
{
    const double q1 = auc / (2 - auc), q2 = 2 * auc * auc / (1 + auc);
    const double variance = auc * (1 - auc) + (n - 1) * (q1 - auc * auc + q2 - auc * auc);
    return sqrt(fmax(variance, 0)) / n;
}

static void finish(const pass *p, const logits *l, hidi_detection_result *result)
{
    const size_t n = p->task->n;
    const hidi_head *head = hidi_head_of(p->heads->config.kind);
    double right = 0;
    for (size_t i = 0; i < n; i++)
        right += (l->D[i] > 0) + (l->D[n + i] < 0);
    result->accuracy = right / (2 * (double)n);
    result->auc = rank(l->D, l->D + n, n);
    result->auc_error = standard_error(result->auc, (double)n);
    result->auc_worst = head->has_scores ? rank(l->worst, l->worst + n, n) : (double)NAN;
    result->gradient_share = p->gradient / (double)n;
    result->weight_share = head->has_weights ? p->weight / (double)n : (double)NAN;
}

hidi_status hidi_measure_detection(const hidi_heads *heads, const hidi_dit *backbone,
                                   const hidi_detection_trial *task, hidi_detection_result *result)
{
    pass p = {.heads = heads, .backbone = backbone, .task = task};
    const size_t n = task->n;
    HIDI_TRY(hidi_dataset_has(task->data, task->split, n));
    logits l = {malloc((2 * n + 1) * sizeof *l.D), malloc((2 * n + 1) * sizeof *l.worst)};
    hidi_status status = begin(&p);
    if (l.D == NULL || l.worst == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "detection: out of memory");
    for (; p.first < n && status == HIDI_OK; p.first += BATCH) {
        p.size = n - p.first < BATCH ? n - p.first : BATCH;
        status = hidi_check_stop();
        for (size_t d = 0; d < 2 && status == HIDI_OK; d++)
            status = look(&p, d == 1, l.D + d * n + p.first, l.worst + d * n + p.first);
    }
    if (status == HIDI_OK)
        finish(&p, &l, result);
    end(&p);
    free(l.D);
    free(l.worst);
    return status;
}
