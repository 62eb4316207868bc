/* bf16.h - bfloat16: the upper half of a float, that is its sign, its 8 bits of exponent and the
 * first 7 bits of its fraction.  A type to keep numbers in, in half of the memory: nothing is
 * computed in it.
 */
#ifndef HIDI_CORE_BF16_H
#define HIDI_CORE_BF16_H

#include <stdint.h>
#include <string.h>

#include "real.h"

typedef uint16_t hidi_bf16;

/* x, as a float, rounded to the nearest bfloat16; of two that are equally near, to the one whose
 * last bit is 0.  From 3.3961775e38 on it is infinity; NaN stays NaN. */
static inline hidi_bf16 hidi_to_bf16(hidi_real x)
{
    const float single = (float)x;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    if (single != single) /* rounding could carry a NaN's fraction away */
        return (hidi_bf16)(bits >> 16 | 0x40);
    return (hidi_bf16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Exact. */
static inline hidi_real hidi_from_bf16(hidi_bf16 x)
{
    const uint32_t bits = (uint32_t)x << 16;
    float single;
    memcpy(&single, &bits, sizeof single);
    return single;
}

#endif
