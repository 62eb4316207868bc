/* hash.h - a number that stands for some bytes: to tell whether they are the same as before. */
#ifndef HIDI_CORE_HASH_H
#define HIDI_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The 64-bit FNV-1a rule (RFC 9923: xor a byte, multiply by 1099511628211) from a starting value of
 * our own.  Initial weights are drawn by the hash of their names, so that another starting value
 * would give other weights. */
uint64_t hidi_hash(const void *bytes, size_t n);

#endif
