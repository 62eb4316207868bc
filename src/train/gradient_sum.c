/* gradient_sum.c - the tree is walked from each leaf upward, as far as its neighbours are there;
 * its last levels are added in the end, by all threads, in one pass over memory. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "train/gradient_sum.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/processes.h"

/* The level from which on nodes wait for the end has so many of them, at most. */
enum { TOP = 4 };

struct hidi_gradient_sum {
    hidi_params *trained[HIDI_MAX_TRAINED];
    int n;
    size_t leaves;
    pthread_mutex_t lock; /* of all that follows */
    hidi_gradient_part **waiting; /* [leaves], in the order of levels: of each pair of neighbours
                                   * the one that came first, or NULL */
    hidi_gradient_part *free;
    hidi_gradient_part *top[TOP]; /* nodes of that level; NULL: not there */
    hidi_gradient_part whole; /* leaf 0's, and in the end the sum of all */
};

/* How many nodes the level has that is added in the end.  Between processes the tree is walked to
 * its root. */
static size_t top_width(const hidi_gradient_sum *s)
{
    size_t width = s->leaves;
    while (width > (hidi_processes() == 1 ? TOP : 1))
        width = (width + 1) / 2;
    return width;
}

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

static hidi_status take_free(hidi_gradient_sum *s, hidi_gradient_part **part)
{
    pthread_mutex_lock(&s->lock);
    *part = s->free;
    if (*part != NULL)
        s->free = (*part)->next;
    pthread_mutex_unlock(&s->lock);
    return *part != NULL ? HIDI_OK : create_part(s, part);
}

hidi_status hidi_gradient_sum_take(hidi_gradient_sum *s, size_t leaf, hidi_gradient_part **part)
{
    *part = &s->whole;
    return leaf == 0 ? HIDI_OK : take_free(s, part);
}

void hidi_gradient_sum_begin(hidi_gradient_sum *s)
{
    for (size_t i = 0; i < s->leaves; i++) {
        set_free(s, s->waiting[i]);
        s->waiting[i] = NULL;
    }
    for (size_t i = 0; i < TOP; i++) {
        set_free(s, s->top[i]);
        s->top[i] = NULL;
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

/* left += right, of all but the arrays. */
static void add_heading(hidi_gradient_part *left, const hidi_gradient_part *right)
{
    for (int i = 0; i < HIDI_MAX_TRAINED; i++) {
        left->is_reached[i] = left->is_reached[i] || right->is_reached[i];
        left->is_zero[i] = left->is_zero[i] && !right->is_reached[i];
    }
    for (int i = 0; i < HIDI_MAX_LOG_COLUMNS; i++)
        left->term[i] += right->term[i];
}

/* left += right */
static void add(hidi_gradient_sum *s, hidi_gradient_part *left, const hidi_gradient_part *right)
{
    for (int i = 0; i < s->n; i++)
        if (right->is_reached[i])
            s->trained[i]->backend->axpby(left->grad[i], left->is_reached[i] ? 1 : 0, 1,
                                          right->grad[i], s->trained[i]->count);
    add_heading(left, right);
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

/* Goes up from node i of a level, of `width` nodes, as far as this process can. */
static void rise(hidi_gradient_sum *s, size_t level, size_t i, hidi_gradient_part *part)
{
    hidi_gradient_part **pairs = s->waiting; /* of this level */
    const size_t top = top_width(s);
    size_t width = s->leaves;
    for (size_t l = 0; l < level; l++, width = (width + 1) / 2)
        pairs += width / 2;
    for (; width > top; width = (width + 1) / 2, i /= 2, level++) {
        const bool is_right = i % 2 == 1, has_neighbour = is_right || i + 1 < width;
        if (has_neighbour) {
            hidi_gradient_part *other = meet(s, &pairs[i / 2], part);
            if (other == NULL)
                return; /* it waits for a neighbour, who may be another process's */
            hidi_gradient_part *left = is_right ? other : part, *right = is_right ? part : other;
            add(s, left, right);
            pthread_mutex_lock(&s->lock);
            set_free(s, right);
            pthread_mutex_unlock(&s->lock);
            part = left;
        }
        pairs += width / 2;
    }
    s->top[i] = part; /* node i is one thread's: nobody else writes this */
}

void hidi_gradient_sum_give(hidi_gradient_sum *s, size_t leaf, hidi_gradient_part *part)
{
    rise(s, 0, leaf, part);
}

/* --- the last levels -------------------------------------------------------------------------- */

/* Elements that are added at a time: they stay in a core's cache, all parts of them. */
enum { SOME = 1 << 13 };

static size_t pieces_of(const hidi_gradient_sum *s, const hidi_params *params)
{
    const size_t n = s->trained[0]->backend->concurrent() ? SOME : params->count;
    return (params->count + n - 1) / n;
}

/* Elements first .. first + n - 1 of array k: the tree's sum, in the leftmost; the others are then
 * set to 0, for the next step. */
static void add_elements(const hidi_gradient_sum *s, int k, size_t first, size_t n)
{
    const hidi_backend *backend = s->trained[k]->backend;
    bool reached[TOP] = {false};
    for (size_t i = 0; i < TOP && s->top[i] != NULL; i++)
        reached[i] = s->top[i]->is_reached[k];
    for (size_t stride = 1; stride < TOP; stride *= 2)
        for (size_t i = 0; i + stride < TOP; i += 2 * stride) {
            if (!reached[i + stride])
                continue;
            backend->axpby(s->top[i]->grad[k] + first, reached[i] ? 1 : 0, 1,
                           s->top[i + stride]->grad[k] + first, n);
            reached[i] = true;
        }
    for (size_t i = 1; i < TOP && s->top[i] != NULL; i++)
        if (reached[i])
            backend->fill(s->top[i]->grad[k] + first, 0, n);
}

static hidi_status add_piece(void *context, int member, size_t piece)
{
    const hidi_gradient_sum *s = context;
    int k = 0;
    (void)member;
    for (size_t pieces; piece >= (pieces = pieces_of(s, s->trained[k])); k++)
        piece -= pieces;
    const size_t count = s->trained[k]->count;
    const size_t n = pieces_of(s, s->trained[k]) == 1 ? count : SOME, first = piece * n;
    add_elements(s, k, first, count - first < n ? count - first : n);
    return HIDI_OK;
}

static hidi_status add_top(hidi_gradient_sum *s)
{
    size_t pieces = 0;
    if (s->top[1] == NULL)
        return HIDI_OK;
    for (int k = 0; k < s->n; k++)
        pieces += pieces_of(s, s->trained[k]);
    HIDI_TRY(hidi_backend_share_out(s->trained[0]->backend, pieces, add_piece, s));
    for (size_t stride = 1; stride < TOP; stride *= 2)
        for (size_t i = 0; i + stride < TOP; i += 2 * stride)
            if (s->top[i + stride] != NULL)
                add_heading(s->top[i], s->top[i + stride]);
    for (size_t i = 1; i < TOP && s->top[i] != NULL; i++)
        for (int k = 0; k < s->n; k++)
            s->top[i]->is_zero[k] = s->top[i]->is_zero[k] || s->top[i]->is_reached[k];
    return HIDI_OK;
}

/* --- over processes --------------------------------------------------------------------------- */

/* The process that has node i of a level: the one that has its leftmost leaf. */
static int owner(const hidi_gradient_sum *s, size_t level, size_t i)
{
    for (int process = 0;; process++) {
        size_t first, end;
        hidi_processes_share(s->leaves, process, &first, &end);
        if (i << level < end)
            return process;
    }
}

/* What goes ahead of a part's arrays. */
typedef struct heading {
    bool is_reached[HIDI_MAX_TRAINED];
    double term[HIDI_MAX_LOG_COLUMNS];
} heading;

static heading heading_of(const hidi_gradient_part *part)
{
    heading h;
    memset(&h, 0, sizeof h);
    memcpy(h.is_reached, part->is_reached, sizeof h.is_reached);
    memcpy(h.term, part->term, sizeof h.term);
    return h;
}

static void set_heading(hidi_gradient_part *part, const heading *h)
{
    memcpy(part->is_reached, h->is_reached, sizeof h->is_reached);
    memcpy(part->term, h->term, sizeof h->term);
}

enum { CHUNK = 1 << 18 }; /* numbers that are on their way through host memory at a time */

typedef enum direction { SEND, RECEIVE, BROADCAST } direction;

/* One array of backend memory, to or from another process. */
static void move_array(const hidi_backend *backend, direction what, int other, hidi_real *array,
                       size_t n, hidi_real *host)
{
    const bool goes = what == SEND || (what == BROADCAST && hidi_process() == other);
    for (size_t at = 0; at < n; at += CHUNK) {
        const size_t bytes = (n - at < CHUNK ? n - at : CHUNK) * sizeof *host;
        if (goes)
            backend->download(host, array + at, bytes);
        if (what == SEND)
            hidi_process_send(other, host, bytes);
        else if (what == RECEIVE)
            hidi_process_receive(other, host, bytes);
        else
            hidi_processes_broadcast(other, host, bytes);
        if (!goes)
            backend->upload(array + at, host, bytes);
    }
}

static void move_part(hidi_gradient_sum *s, direction what, int other, hidi_gradient_part *part,
                      hidi_real *host)
{
    heading h = heading_of(part);
    if (what == SEND)
        hidi_process_send(other, &h, sizeof h);
    else if (what == RECEIVE)
        hidi_process_receive(other, &h, sizeof h);
    else
        hidi_processes_broadcast(other, &h, sizeof h);
    set_heading(part, &h);
    for (int i = 0; i < s->n; i++)
        if (h.is_reached[i])
            move_array(s->trained[i]->backend, what, other, part->grad[i], s->trained[i]->count,
                       host);
}

/* The pair of nodes i and i + 1 of a level: if they are two processes', the right one goes to the
 * left one's, where it is added. */
static hidi_status bring_together(hidi_gradient_sum *s, size_t level, size_t i,
                                  hidi_gradient_part **place, hidi_real *host)
{
    const int left = owner(s, level, i), right = owner(s, level, i + 1), here = hidi_process();
    hidi_gradient_part *part;
    if (left == right || (here != left && here != right))
        return HIDI_OK;
    if (here == right) {
        move_part(s, SEND, left, *place, host);
        set_free(s, *place);
        *place = NULL;
        return HIDI_OK;
    }
    HIDI_TRY(take_free(s, &part));
    move_part(s, RECEIVE, right, part, host);
    rise(s, level, i + 1, part);
    return HIDI_OK;
}

hidi_status hidi_gradient_sum_finish(hidi_gradient_sum *s)
{
    hidi_gradient_part **pairs = s->waiting;
    hidi_status status = HIDI_OK;
    if (hidi_processes() == 1)
        return add_top(s);
    hidi_real *host = malloc(CHUNK * sizeof *host);
    if (host == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory to exchange gradients");
    for (size_t level = 0, width = s->leaves; width > 1 && status == HIDI_OK; level++) {
        for (size_t i = 0; i + 1 < width && status == HIDI_OK; i += 2)
            status = bring_together(s, level, i, &pairs[i / 2], host);
        pairs += width / 2;
        width = (width + 1) / 2;
    }
    if (status == HIDI_OK)
        move_part(s, BROADCAST, 0, &s->whole, host);
    free(host);
    return status;
}

const double *hidi_gradient_sum_terms(const hidi_gradient_sum *s)
{
    return s->whole.term;
}
