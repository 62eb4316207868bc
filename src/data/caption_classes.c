/* caption_classes.c - what the small feature net tells captions apart by, where they are
 * embeddings: clusters of their tokens' means [ours].
 *
 *     m_i = mean of the tokens of caption i;   class_i = argmin_k |m_i - c_k|
 *
 * c_1 .. c_K by k-means on captions that are spread evenly over the list, from centres of which
 * each is the caption that is farthest from those before it: nothing is drawn. */
#include "data/caption_list.h"

#include <stdlib.h>

#include "core/stop.h"

enum { MOST_CAPTIONS = 2000, ROUNDS = 20 };

/* A clustering on its way. */
typedef struct clusters {
    const hidi_captions *captions;
    size_t n, K, width;
    double *mean;     /* [n, width], of the captions that centres are found from */
    double *centre;   /* [K, width]                                              */
    double *distance; /* [n], to the nearest centre, squared                     */
    size_t *nearest;  /* [n]                                                     */
    hidi_real *token; /* [L, width], room for one caption                        */
} clusters;

static void mean_of(const clusters *c, size_t i, double *mean)
{
    const size_t n = (size_t)c->captions->length[i];
    hidi_captions_embedding(c->captions, i, c->token);
    for (size_t d = 0; d < c->width; d++) {
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += (double)c->token[k * c->width + d];
        mean[d] = sum / (double)n;
    }
}

static double squared_distance(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t d = 0; d < n; d++)
        sum += (a[d] - b[d]) * (a[d] - b[d]);
    return sum;
}

/* The nearest of the first K centres, and how far it is. */
static size_t nearest_of(const clusters *c, const double *mean, size_t K, double *distance)
{
    size_t best = 0;
    *distance = squared_distance(mean, c->centre, c->width);
    for (size_t k = 1; k < K; k++) {
        const double d = squared_distance(mean, c->centre + k * c->width, c->width);
        if (d < *distance) {
            *distance = d;
            best = k;
        }
    }
    return best;
}

static void set_centre(clusters *c, size_t k, const double *mean)
{
    for (size_t d = 0; d < c->width; d++)
        c->centre[k * c->width + d] = mean[d];
}

/* Fewer than K where no more captions differ. */
static void begin_centres(clusters *c)
{
    set_centre(c, 0, c->mean);
    for (size_t K = 1; K < c->K; K++) {
        size_t farthest = 0;
        for (size_t i = 0; i < c->n; i++) {
            (void)nearest_of(c, c->mean + i * c->width, K, &c->distance[i]);
            if (c->distance[i] > c->distance[farthest])
                farthest = i;
        }
        if (c->distance[farthest] > 0)
            set_centre(c, K, c->mean + farthest * c->width);
        else
            c->K = K;
    }
}

/* Each centre to the mean of its captions. */
static void move_centres(clusters *c)
{
    for (size_t k = 0; k < c->K; k++) {
        size_t n = 0;
        for (size_t i = 0; i < c->n; i++)
            n += c->nearest[i] == k;
        if (n == 0)
            continue;
        for (size_t d = 0; d < c->width; d++) {
            double sum = 0;
            for (size_t i = 0; i < c->n; i++)
                sum += c->nearest[i] == k ? c->mean[i * c->width + d] : 0;
            c->centre[k * c->width + d] = sum / (double)n;
        }
    }
}

static hidi_status find_centres(clusters *c)
{
    for (size_t i = 0; i < c->n; i++)
        mean_of(c, i * c->captions->n / c->n, c->mean + i * c->width);
    begin_centres(c);
    for (int round = 0; round < ROUNDS; round++) {
        size_t moved = 0;
        HIDI_TRY(hidi_check_stop());
        for (size_t i = 0; i < c->n; i++) {
            const size_t k = nearest_of(c, c->mean + i * c->width, c->K, &c->distance[i]);
            moved += k != c->nearest[i];
            c->nearest[i] = k;
        }
        if (moved == 0 && round > 0)
            break;
        move_centres(c);
    }
    return HIDI_OK;
}

static hidi_status assign(clusters *c, int32_t *class_of)
{
    double distance;
    for (size_t i = 0; i < c->captions->n; i++) {
        HIDI_TRY(hidi_check_stop());
        mean_of(c, i, c->mean);
        class_of[i] = (int32_t)nearest_of(c, c->mean, c->K, &distance);
    }
    return HIDI_OK;
}

hidi_status hidi_captions_cluster(const hidi_captions *captions, size_t most, int32_t *class_of,
                                  size_t *n_classes)
{
    const size_t n = captions->n < MOST_CAPTIONS ? captions->n : MOST_CAPTIONS;
    const size_t width = captions->width;
    clusters c = {.captions = captions, .n = n, .K = most < n ? most : n, .width = width};
    hidi_status status = HIDI_OK;
    c.mean = malloc(n * width * sizeof *c.mean);
    c.centre = malloc(c.K * width * sizeof *c.centre);
    c.distance = calloc(n, sizeof *c.distance);
    c.nearest = calloc(n, sizeof *c.nearest);
    c.token = malloc(captions->most * width * sizeof *c.token);
    if (!c.mean || !c.centre || !c.distance || !c.nearest || !c.token)
        status = hidi_error(HIDI_NO_MEMORY, "out of memory for captions");
    if (status == HIDI_OK)
        status = find_centres(&c);
    if (status == HIDI_OK)
        status = assign(&c, class_of);
    *n_classes = c.K;
    free(c.mean);
    free(c.centre);
    free(c.distance);
    free(c.nearest);
    free(c.token);
    return status;
}
