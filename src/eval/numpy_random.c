/* numpy_random.c - MT19937 by its recurrence x_k+624 = x_k+397 ^ (...) A, as NumPy's RandomState
 * seeds it, masks its words, and shuffles with them. */
#include "eval/numpy_random.h"

enum { WORDS = 624, MIDDLE = 397 };

void hidi_numpy_seed(hidi_numpy_random *random, uint32_t seed)
{
    random->state[0] = seed;
    for (uint32_t i = 1; i < WORDS; i++) {
        uint32_t before = random->state[i - 1];
        random->state[i] = (uint32_t)1812433253u * (before ^ before >> 30) + i;
    }
    random->next = WORDS;
}

/* The next 624 words: x_k+624 = x_k+397 ^ (upper bit of x_k, lower bits of x_k+1) A. */
static void twist(hidi_numpy_random *random)
{
    uint32_t *x = random->state;

    for (size_t k = 0; k < WORDS; k++) {
        uint32_t y = (x[k] & 0x80000000u) | (x[(k + 1) % WORDS] & 0x7fffffffu);
        x[k] = x[(k + MIDDLE) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    random->next = 0;
}

static uint32_t draw(hidi_numpy_random *random)
{
    if (random->next == WORDS)
        twist(random);
    uint32_t y = random->state[random->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* Uniform on 0 .. most, by rejection of what is above after masking. */
static uint32_t draw_up_to(hidi_numpy_random *random, uint32_t most)
{
    uint32_t mask = most, value;

    for (int shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    do
        value = draw(random) & mask;
    while (value > most);
    return value;
}

/* Fisher and Yates, from the end. */
void hidi_numpy_permutation(hidi_numpy_random *random, size_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = i;
    for (size_t i = n; i-- > 1;) {
        size_t j = draw_up_to(random, (uint32_t)i), value = p[i];
        p[i] = p[j];
        p[j] = value;
    }
}
