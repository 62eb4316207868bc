/* 14-bias.c - exercise 14, solved: the Frechet distance of two samples of one distribution is not
 * 0, and how large it is depends on their size: about constant / N. */
#include <stdio.h>
#include <stdlib.h>

#include "core/random.h"
#include "eval/frechet.h"

enum { D = 16, TRIALS = 10 };

static hidi_status sample(hidi_moments *moments, size_t n, uint64_t which)
{
    double *x = malloc(n * D * sizeof *x);
    hidi_real *normal = malloc(n * D * sizeof *normal);
    if (x == NULL || normal == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    hidi_normal((hidi_random){7, HIDI_STREAM_TEST, which}, 0, normal, n * D);
    for (size_t i = 0; i < n * D; i++)
        x[i] = (double)normal[i];
    HIDI_TRY(hidi_moments_init(moments, D));
    hidi_moments_add(moments, x, n);
    free(x);
    free(normal);
    return hidi_moments_finish(moments);
}

/* The mean distance of two sets of n points, both from N(0, I). */
static double distance(size_t n)
{
    double sum = 0;
    for (uint64_t k = 0; k < TRIALS; k++) {
        hidi_moments a, b;
        hidi_frechet d;
        const uint64_t which = 2 * k + 100 * n;
        if (sample(&a, n, which) != HIDI_OK || sample(&b, n, which + 1) != HIDI_OK ||
            hidi_frechet_distance(&d, &a, &b) != HIDI_OK)
            exit(2);
        sum += d.distance / TRIALS;
        hidi_moments_free(&a);
        hidi_moments_free(&b);
    }
    return sum;
}

int main(void)
{
    double d[3];
    const size_t n[3] = {250, 1000, 4000};
    for (int k = 0; k < 3; k++) {
        d[k] = distance(n[k]);
        printf("N = %4lu: distance %.4f, N times it %.1f\n", (unsigned long)n[k], d[k],
               d[k] * (double)n[k]);
    }
    const int right = d[0] > 3 * d[1] && d[0] < 5.5 * d[1] && d[1] > 3 * d[2] && d[1] < 5.5 * d[2];
    printf("%s: four times as many points, about a quarter of the distance\n",
           right ? "right" : "WRONG");
    return right ? 0 : 1;
}
