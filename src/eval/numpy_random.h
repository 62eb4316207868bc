/* numpy_random.h - the permutations of NumPy's RandomState, so that the subsets and orders that
 * other tools draw with a known seed can be drawn here.  For that alone: everything else draws from
 * core/random.h. */
#ifndef HIDI_EVAL_NUMPY_RANDOM_H
#define HIDI_EVAL_NUMPY_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* MT19937 (Matsumoto & Nishimura 1998). */
typedef struct hidi_numpy_random {
    uint32_t state[624];
    size_t next; /* word of the state that is given out next */
} hidi_numpy_random;

/* numpy.random.RandomState(seed) */
void hidi_numpy_seed(hidi_numpy_random *random, uint32_t seed);

/* random.permutation(n) into p [n], n <= 2^32.  random.choice(n, m, replace=False) is its first
 * m. */
void hidi_numpy_permutation(hidi_numpy_random *random, size_t *p, size_t n);

#endif
