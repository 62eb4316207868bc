/* top.c - AWD's fourth control: the tokens that look the worst, and no others.
 *
 *     s_i  = <w, LN(h_i)> + b
 *     D(h) = mean of the k lowest of s_1 .. s_N;  k = 1: max pooling, of how fake a token is
 *
 * Which ones these are is as good as constant: D is the lowest tokens' mean, and so are its
 * derivatives, all but where two scores change places.
 *
 *     heads.j.norm.weight, .bias [D]    heads.j.score.weight [1, D], .bias [1]
 */
#include <stdlib.h>

#include "method/head.h"

/* The numbers of the k lowest of s[n], in order, into lowest[k]; of equal ones, the first.  k <= n.
 * taken[n]: scratch. */
static void find_lowest(const hidi_real *s, size_t n, size_t k, bool *taken, int32_t *lowest)
{
    for (size_t i = 0; i < n; i++)
        taken[i] = false;
    for (size_t m = 0; m < k; m++) {
        size_t least = n;
        for (size_t i = 0; i < n; i++)
            if (!taken[i] && (least == n || s[i] < s[least]))
                least = i;
        taken[least] = true;
        lowest[m] = (int32_t)least;
    }
}

/* The k lowest of each row of s [B, N]: [B, k] */
static hidi_var *lowest_of(hidi_tape *tape, hidi_var *s, size_t k)
{
    const size_t B = s->shape.dim[0], N = s->shape.dim[1];
    hidi_real *host = malloc(B * N * sizeof *host);
    int32_t *index = malloc(B * k * sizeof *index);
    bool *taken = malloc(N * sizeof *taken);
    hidi_var *found = NULL;
    if (host == NULL || index == NULL || taken == NULL) {
        hidi_tape_fail(tape, hidi_error(HIDI_NO_MEMORY, "no memory for the lowest of %zu scores", N));
    } else if (hidi_read(tape, s, host) != HIDI_OK) {
        hidi_tape_fail(tape, HIDI_BAD_ARGUMENT);
    } else {
        for (size_t b = 0; b < B; b++) {
            find_lowest(host + b * N, N, k, taken, index + b * k);
            for (size_t m = 0; m < k; m++)
                index[b * k + m] += (int32_t)(b * N);
        }
        const int32_t *rows = hidi_indices(tape, index, B * k, B * N);
        hidi_var *column = hidi_reshape(tape, s, hidi_shape2(B * N, 1));
        found = hidi_reshape(tape, hidi_embedding(tape, column, rows, B * k), hidi_shape2(B, k));
    }
    free(host);
    free(index);
    free(taken);
    return found;
}

static hidi_head_terms forward(const hidi_head_pass *pass)
{
    hidi_tape *tape = pass->tape;
    const size_t N = pass->h->shape.dim[1], top = pass->heads->config.top;
    const size_t k = top > 0 ? top : 1;
    hidi_var *s = hidi_head_score(pass, hidi_head_norm(pass));
    if (s == NULL)
        return (hidi_head_terms){.logits = NULL};
    if (k > N) {
        hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT,
                                        "heads: the mean of the %zu lowest scores, of %zu tokens",
                                        k, N));
        return (hidi_head_terms){.logits = NULL};
    }
    hidi_var *D = hidi_mean_samples(tape, lowest_of(tape, s, k));
    return (hidi_head_terms){.logits = D, .scores = s};
}

const hidi_head hidi_head_top = {
    .has_scores = true, .declare = hidi_head_declare_token_score, .forward = forward};
