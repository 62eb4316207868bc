/* bytes.h - little-endian numbers in files, whatever this machine's byte order.  Private to io/. */
#ifndef HIDI_IO_BYTES_H
#define HIDI_IO_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t hidi_load_16(const unsigned char *b)
{
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t hidi_load_32(const unsigned char *b)
{
    return (uint32_t)hidi_load_16(b) | (uint32_t)hidi_load_16(b + 2) << 16;
}

static inline uint64_t hidi_load_64(const unsigned char *b)
{
    return (uint64_t)hidi_load_32(b) | (uint64_t)hidi_load_32(b + 4) << 32;
}

static inline double hidi_double_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Two's complement, without relying on how a cast of too large a number comes out. */
static inline int64_t hidi_signed_of_bits(uint64_t bits, int width)
{
    uint64_t sign = (uint64_t)1 << (width - 1);

    if ((bits & sign) == 0)
        return (int64_t)bits;
    return -(int64_t)((sign - 1) - (bits & (sign - 1))) - 1;
}

static inline bool hidi_little_endian(void)
{
    const uint16_t one = 1;
    unsigned char first_byte;

    memcpy(&first_byte, &one, 1);
    return first_byte == 1;
}

/* Reverses the bytes of each of n elements of `width` bytes. */
static inline void hidi_swap_bytes(unsigned char *data, size_t n, size_t width)
{
    for (size_t i = 0; i < n; i++, data += width)
        for (size_t b = 0; b < width / 2; b++) {
            unsigned char low = data[b];
            data[b] = data[width - 1 - b];
            data[width - 1 - b] = low;
        }
}

#endif
