/* random.c - Philox4x32-10 as a pure function of (seed, stream, step, index).
 *
 *   key     = (seed low, seed high)
 *   counter = (block low, block bits 32-47 | step bits 32-47 << 16, step low, stream)
 *
 * One block is four 32-bit words w0..w3 and makes two draws of 64 bits: w0 + 2^32 w1 and
 * w2 + 2^32 w3.  Draw number i is draw i mod 2 of block floor(i / 2).  See Salmon, Moraes, Dror &
 * Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
#include "core/random.h"

#include <math.h>

#include <Random123/philox.h>

/* Below this many draws, starting threads costs more than it saves. */
#define PARALLEL_DRAWS 4096

static void draw_block(hidi_random random, uint64_t block, uint64_t draw[2])
{
    philox4x32_key_t key;
    philox4x32_ctr_t word;

    key.v[0] = (uint32_t)(random.seed & 0xffffffffu);
    key.v[1] = (uint32_t)(random.seed >> 32);
    word.v[0] = (uint32_t)(block & 0xffffffffu);
    word.v[1] = (uint32_t)((block >> 32 & 0xffffu) | (random.step >> 32 & 0xffffu) << 16);
    word.v[2] = (uint32_t)(random.step & 0xffffffffu);
    word.v[3] = random.stream;
    word = philox4x32(word, key);
    draw[0] = word.v[0] | (uint64_t)word.v[1] << 32;
    draw[1] = word.v[2] | (uint64_t)word.v[3] << 32;
}

/* The centre of one of 2^52 equal cells of (0, 1): never 0 and never 1. */
static double open_unit(uint64_t draw)
{
    return ((double)(draw >> 12) + 0.5) * 0x1p-52;
}

/* floor(draw * bound / 2^64): the high half of the product, from 32-bit halves.  Some values are
 * more likely than others, by a factor of about 1 + bound / 2^64 at most. */
static uint64_t below(uint64_t draw, uint64_t bound)
{
    uint64_t a = draw >> 32, b = draw & 0xffffffffu;
    uint64_t c = bound >> 32, d = bound & 0xffffffffu;
    uint64_t middle = b * c + (b * d >> 32); /* < 2^64: (2^32 - 1)^2 + 2^32 - 1 */
    uint64_t carry = (a * d + (middle & 0xffffffffu)) >> 32;

    return a * c + (middle >> 32) + carry;
}

void hidi_uniform(hidi_random random, size_t first, double *out, size_t n)
{
    uint64_t draw[2];

    for (size_t i = 0; i < n; i++) {
        size_t index = first + i;

        if (i == 0 || index % 2 == 0)
            draw_block(random, index / 2, draw);
        out[i] = open_unit(draw[index % 2]);
    }
}

/* (x, y) = sqrt(-2 ln u1) (cos, sin)(2 pi u2) */
void hidi_box_muller(double u1, double u2, double pair[2])
{
    const double two_pi = 6.283185307179586;
    const double radius = sqrt(-2 * log(u1)), angle = two_pi * u2;

    pair[0] = radius * cos(angle);
    pair[1] = radius * sin(angle);
}

static void normal_pair(hidi_random random, uint64_t block, double pair[2])
{
    uint64_t draw[2];

    draw_block(random, block, draw);
    hidi_box_muller(open_unit(draw[0]), open_unit(draw[1]), pair);
}

void hidi_normal(hidi_random random, size_t first, hidi_real *out, size_t n)
{
    size_t pairs;
    double last[2];

    if (first % 2 && n > 0) { /* the second of a pair */
        normal_pair(random, first / 2, last);
        *out++ = (hidi_real)last[1];
        first++;
        n--;
    }
    pairs = n / 2;

#pragma omp parallel for schedule(static) if (n >= PARALLEL_DRAWS)
    for (size_t i = 0; i < pairs; i++) {
        double pair[2];

        normal_pair(random, first / 2 + i, pair);
        out[2 * i] = (hidi_real)pair[0];
        out[2 * i + 1] = (hidi_real)pair[1];
    }
    if (n % 2) {
        normal_pair(random, first / 2 + pairs, last);
        out[n - 1] = (hidi_real)last[0];
    }
}

void hidi_uniform_int(hidi_random random, size_t first, uint64_t bound, uint64_t *out, size_t n)
{
    uint64_t draw[2];

    for (size_t i = 0; i < n; i++) {
        size_t index = first + i;

        if (i == 0 || index % 2 == 0)
            draw_block(random, index / 2, draw);
        out[i] = below(draw[index % 2], bound);
    }
}
