/* hash.c - FNV-1a: h <- (h xor byte) * 1099511628211 (mod 2^64), for each byte in turn. */
#include "core/hash.h"

uint64_t hidi_hash(const void *bytes, size_t n)
{
    const unsigned char *byte = bytes;
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ byte[i]) * 1099511628211u;
    return hash;
}
