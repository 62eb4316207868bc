/* requests.c - figures asked for are matched with those that are seen by trying all ways, which are
 * at most 9^3; counts are integers, so that the order of pictures does not matter. */
#include "eval/requests.h"

#include <math.h>
#include <stdlib.h>

#include "core/stop.h"
#include "core/team.h"
#include "core/threads.h"

static const double between_sizes = 0.48; /* small ones are drawn up to 0.38, large from 0.58 */

static const char *const names[HIDI_REQUEST_PARTS] = {"object", "colour",   "texture", "count",
                                                      "size",   "relation", "both",    "all"};

const char *hidi_request_part_name(hidi_request_part part)
{
    return names[part];
}

/* --- matching --------------------------------------------------------------------------------- */

/* Of each figure asked for, the figure that is taken for it; NULL: none. */
typedef struct match {
    const hidi_seen_figure *figure[HIDI_SCENE_FIGURES];
} match;

static bool is_related(const match *m, hidi_scene_relation relation)
{
    if (m->figure[0] == NULL || m->figure[1] == NULL)
        return false;
    const double x = m->figure[1]->x - m->figure[0]->x, y = m->figure[1]->y - m->figure[0]->y;
    const double along[] = {[HIDI_LEFT_OF] = x, [HIDI_RIGHT_OF] = -x, [HIDI_ABOVE] = -y,
                            [HIDI_BELOW] = y};
    return along[relation] > (relation < HIDI_ABOVE ? fabs(y) : fabs(x));
}

/* Two for each attribute, so that one for the relation decides between equals. */
static int score_of(const match *m, const hidi_scene_request *r)
{
    int score = r->in_relation && is_related(m, r->relation);
    for (size_t i = 0; i < r->n; i++)
        if (m->figure[i] != NULL) {
            const hidi_scene_object *a = &r->object[i], *b = &m->figure[i]->object;
            score += 2 * ((a->shape == b->shape) + (a->colour == b->colour) +
                          (a->texture == b->texture));
        }
    return score;
}

/* Way number `way` of matching: a digit to the base seen->n + 1 for each figure asked for; false: a
 * figure is taken twice. */
static bool try_match(match *m, const hidi_seen *seen, size_t n, size_t way)
{
    for (size_t i = 0; i < n; i++) {
        const size_t digit = way % (seen->n + 1);
        way /= seen->n + 1;
        m->figure[i] = digit == seen->n ? NULL : &seen->figure[digit];
        for (size_t k = 0; k < i; k++)
            if (m->figure[i] != NULL && m->figure[k] == m->figure[i])
                return false;
    }
    return true;
}

static size_t matched(const match *m, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += m->figure[i] != NULL;
    return count;
}

/* The match with the highest score; of equals one with as many figures as there can be. */
static match best_match(const hidi_seen *seen, const hidi_scene_request *r)
{
    match best = {{NULL}};
    size_t ways = 1;
    int highest = -1;
    for (size_t i = 0; i < r->n; i++)
        ways *= seen->n + 1;
    for (size_t way = 0; way < ways; way++) {
        match m = {{NULL}};
        if (!try_match(&m, seen, r->n, way))
            continue;
        const int score = 4 * score_of(&m, r) + (int)matched(&m, r->n);
        if (score > highest) {
            highest = score;
            best = m;
        }
    }
    return best;
}

/* --- verdicts --------------------------------------------------------------------------------- */

/* A part of the verdict on all figures that are matched. */
static bool all_have(const match *m, const hidi_scene_request *r, hidi_request_part part)
{
    const size_t least = r->in_relation ? 2 : 1;
    for (size_t i = 0; i < r->n; i++) {
        if (m->figure[i] == NULL)
            continue;
        const hidi_scene_object *a = &r->object[i], *b = &m->figure[i]->object;
        const bool has = part == HIDI_REQUEST_OBJECT   ? a->shape == b->shape
                         : part == HIDI_REQUEST_COLOUR ? a->colour == b->colour
                                                       : a->texture == b->texture;
        if (!has)
            return false;
    }
    return matched(m, r->n) >= least;
}

static bool has_size(const match *m, hidi_scene_size size)
{
    return m->figure[0] != NULL && (m->figure[0]->size > between_sizes) == (size == HIDI_LARGE);
}

static void decide(hidi_verdict *v, hidi_request_part part, bool asked, bool fulfilled)
{
    v->asked[part] = asked;
    v->fulfilled[part] = asked && fulfilled;
}

hidi_verdict hidi_judge(const hidi_seen *seen, const hidi_scene_request *r)
{
    hidi_verdict v;
    const match m = best_match(seen, r);
    for (int i = HIDI_REQUEST_OBJECT; i <= HIDI_REQUEST_TEXTURE; i++)
        decide(&v, (hidi_request_part)i, true, all_have(&m, r, (hidi_request_part)i));
    decide(&v, HIDI_REQUEST_COUNT, true, seen->n == r->n);
    decide(&v, HIDI_REQUEST_SIZE, r->size != HIDI_ANY_SIZE, has_size(&m, r->size));
    decide(&v, HIDI_REQUEST_RELATION, r->in_relation, is_related(&m, r->relation));
    decide(&v, HIDI_REQUEST_BOTH, r->in_relation,
           v.fulfilled[HIDI_REQUEST_OBJECT] && v.fulfilled[HIDI_REQUEST_COLOUR] &&
               v.fulfilled[HIDI_REQUEST_TEXTURE]);
    bool all = true;
    for (int i = 0; i < HIDI_REQUEST_ALL; i++)
        all = all && v.fulfilled[i] == v.asked[i];
    decide(&v, HIDI_REQUEST_ALL, true, all);
    return v;
}

/* --- many pictures ---------------------------------------------------------------------------- */

static void add(hidi_request_counts *counts, const hidi_verdict *v)
{
    for (int i = 0; i < HIDI_REQUEST_PARTS; i++) {
        counts->asked[i] += v->asked[i];
        counts->fulfilled[i] += v->fulfilled[i];
    }
}

/* Pictures that are shared out. */
typedef struct pictures {
    const hidi_real *images; /* [n, 3, side, side] */
    size_t side;
    const int32_t *caption;  /* [n] */
    hidi_verdict *verdict;   /* [n] */
} pictures;

static hidi_status judge_picture(const pictures *p, size_t i)
{
    hidi_seen seen;
    hidi_scene_request request;
    HIDI_TRY(hidi_scene_request_of(&request, p->caption[i]));
    HIDI_TRY(hidi_see_scene(&seen, p->images + 3 * p->side * p->side * i, p->side));
    p->verdict[i] = hidi_judge(&seen, &request);
    return HIDI_OK;
}

static hidi_status judge_one_of(void *context, int member, size_t i)
{
    (void)member;
    HIDI_TRY(hidi_check_stop());
    return hidi_error_prefix(judge_picture(context, i), "picture %zu", i);
}

hidi_status hidi_judge_pictures(hidi_request_counts *counts, const hidi_real *images, size_t n,
                                size_t side, const int32_t *caption)
{
    hidi_verdict *verdict = calloc(n ? n : 1, sizeof *verdict);
    const hidi_piece_rows rows = {verdict, sizeof *verdict, n * sizeof *verdict};
    pictures p = {images, side, caption, verdict};
    if (verdict == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for %zu verdicts", n);
    const hidi_status status =
        hidi_team_share(hidi_thread_limit(), n, judge_one_of, &p, &rows, 1);
    for (size_t i = 0; status == HIDI_OK && i < n; i++)
        add(counts, &verdict[i]);
    free(verdict);
    return status;
}

double hidi_request_share(const hidi_request_counts *counts, hidi_request_part part)
{
    return counts->asked[part] > 0
               ? (double)counts->fulfilled[part] / (double)counts->asked[part]
               : (double)NAN;
}

double hidi_request_error(const hidi_request_counts *counts, hidi_request_part part)
{
    const double p = hidi_request_share(counts, part);
    return sqrt(p * (1.0 - p) / (double)counts->asked[part]);
}
