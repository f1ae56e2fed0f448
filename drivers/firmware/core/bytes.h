/* Little-endian numbers at any address. */
#ifndef BYTES_H
#define BYTES_H

#include <stdint.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && !defined(__ARM_ARCH_6M__)

/* One instruction each, where the core takes any address. */
static inline uint32_t get16(const uint8_t *at)
{
    uint16_t value;

    __builtin_memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    __builtin_memcpy(&value, at, sizeof value);
    return value;
}

static inline void put16(uint8_t *at, uint32_t value)
{
    uint16_t half = (uint16_t)value;

    __builtin_memcpy(at, &half, sizeof half);
}

static inline void put32(uint8_t *at, uint32_t value)
{
    __builtin_memcpy(at, &value, sizeof value);
}

#else

static inline uint32_t get16(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

static inline uint32_t get32(const uint8_t *at)
{
    return get16(at) | get16(at + 2) << 16;
}

static inline void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void put32(uint8_t *at, uint32_t value)
{
    put16(at, value);
    put16(at + 2, value >> 16);
}

#endif

#endif
