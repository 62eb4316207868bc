/* gradient_sum.c - the tree is walked from each leaf upward, as far as its neighbours are there. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "train/gradient_sum.h"

#include <pthread.h>
#include <stdlib.h>

struct hidi_gradient_sum {
    hidi_params *trained[HIDI_MAX_TRAINED];
    int n;
    size_t leaves;
    pthread_mutex_t lock; /* of all that follows */
    hidi_gradient_part **waiting; /* [leaves], in the order of levels: of each pair of neighbours the
                                   * one that came first, or NULL */
    hidi_gradient_part *free;
    hidi_gradient_part whole; /* leaf 0's, and in the end the sum of all */
};

hidi_status hidi_gradient_sum_create(hidi_gradient_sum **sum, hidi_params *const *trained,
                                     size_t leaves)
{
    hidi_gradient_sum *s = *sum = calloc(1, sizeof *s);
    if (s == NULL || (s->waiting = calloc(leaves, sizeof *s->waiting)) == NULL ||
        pthread_mutex_init(&s->lock, NULL) != 0) {
        if (s != NULL)
            free(s->waiting);
        free(s);
        *sum = NULL;
        return hidi_error(HIDI_NO_MEMORY, "no memory to sum %zu gradients", leaves);
    }
    s->leaves = leaves;
    for (; s->n < HIDI_MAX_TRAINED && trained[s->n] != NULL; s->n++) {
        s->trained[s->n] = trained[s->n];
        s->whole.grad[s->n] = trained[s->n]->grad;
    }
    return HIDI_OK;
}

/* --- parts ------------------------------------------------------------------------------------ */

static void destroy_part(hidi_gradient_sum *s, hidi_gradient_part *part)
{
    for (int i = 0; i < s->n; i++)
        s->trained[i]->backend->release(part->grad[i]);
    free(part);
}

static hidi_status create_part(hidi_gradient_sum *s, hidi_gradient_part **part)
{
    *part = calloc(1, sizeof **part);
    for (int i = 0; *part != NULL && i < s->n; i++) {
        const hidi_params *params = s->trained[i];
        (*part)->grad[i] = params->backend->allocate(params->count * sizeof(hidi_real));
        if ((*part)->grad[i] == NULL) {
            destroy_part(s, *part);
            *part = NULL;
        }
    }
    return *part != NULL ? HIDI_OK
                         : hidi_error(HIDI_NO_MEMORY, "no memory for a micro-batch's gradients");
}

/* The lock is held. */
static void set_free(hidi_gradient_sum *s, hidi_gradient_part *part)
{
    if (part == NULL || part == &s->whole)
        return;
    part->next = s->free;
    s->free = part;
}

hidi_status hidi_gradient_sum_take(hidi_gradient_sum *s, size_t leaf, hidi_gradient_part **part)
{
    if (leaf == 0) {
        *part = &s->whole;
        return HIDI_OK;
    }
    pthread_mutex_lock(&s->lock);
    *part = s->free;
    if (*part != NULL)
        s->free = (*part)->next;
    pthread_mutex_unlock(&s->lock);
    return *part != NULL ? HIDI_OK : create_part(s, part);
}

void hidi_gradient_sum_begin(hidi_gradient_sum *s)
{
    for (size_t i = 0; i < s->leaves; i++) {
        set_free(s, s->waiting[i]);
        s->waiting[i] = NULL;
    }
}

void hidi_gradient_sum_destroy(hidi_gradient_sum *s)
{
    if (s == NULL)
        return;
    hidi_gradient_sum_begin(s);
    while (s->free != NULL) {
        hidi_gradient_part *part = s->free;
        s->free = part->next;
        destroy_part(s, part);
    }
    pthread_mutex_destroy(&s->lock);
    free(s->waiting);
    free(s);
}

/* --- the tree --------------------------------------------------------------------------------- */

/* left += right */
static void add(hidi_gradient_sum *s, hidi_gradient_part *left, const hidi_gradient_part *right)
{
    for (int i = 0; i < s->n; i++)
        if (right->is_reached[i])
            s->trained[i]->backend->axpby(left->grad[i], 1, 1, right->grad[i],
                                          s->trained[i]->count);
    for (int i = 0; i < HIDI_MAX_LOG_COLUMNS; i++)
        left->term[i] += right->term[i];
}

/* Leaves its part with the place of the pair, or, if the other one is there already, takes that. */
static hidi_gradient_part *meet(hidi_gradient_sum *s, hidi_gradient_part **place,
                                hidi_gradient_part *part)
{
    pthread_mutex_lock(&s->lock);
    hidi_gradient_part *other = *place;
    *place = other == NULL ? part : NULL;
    pthread_mutex_unlock(&s->lock);
    return other;
}

void hidi_gradient_sum_give(hidi_gradient_sum *s, size_t leaf, hidi_gradient_part *part)
{
    hidi_gradient_part **pairs = s->waiting; /* of this level */
    for (size_t width = s->leaves, i = leaf; width > 1; width = (width + 1) / 2, i /= 2) {
        const bool is_right = i % 2 == 1, has_neighbour = is_right || i + 1 < width;
        if (has_neighbour) {
            hidi_gradient_part *other = meet(s, &pairs[i / 2], part);
            if (other == NULL)
                return;
            hidi_gradient_part *left = is_right ? other : part, *right = is_right ? part : other;
            add(s, left, right);
            pthread_mutex_lock(&s->lock);
            set_free(s, right);
            pthread_mutex_unlock(&s->lock);
            part = left;
        }
        pairs += width / 2;
    }
}

const double *hidi_gradient_sum_terms(const hidi_gradient_sum *s)
{
    return s->whole.term;
}
