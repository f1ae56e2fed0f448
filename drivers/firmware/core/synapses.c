/* A sum fits 32 bits: 4096 inputs of 4095 over weights of 127 are less than 2^31, and a synapse has
 * one delay, so that of what a source did in several steps it adds one at a time. */
#include "synapses.h"

#if MAX_INPUTS > 4096 || MAX_NEURONS > 4096
#error "a sum over so many would not fit 32 bits"
#endif

void synapses_clear(const struct projection *to, int32_t *sums)
{
    for (uint32_t j = 0; j < to->post; j++)
        sums[j] = 0;
}

/* In line, so that the loop for single events multiplies nothing. */
static inline void add(const struct projection *to, uint32_t from, int32_t times, int32_t *sums)
{
    const uint32_t count = to->post; /* which the compiler would read again after each sum */
    const int8_t *weights = to->weights + from * count;

    for (uint32_t j = 0; j < count; j++)
        sums[j] += times * weights[j];
}

void synapses_add(const struct projection *to, uint32_t from, int32_t times, int32_t *sums)
{
    add(to, from, times, sums);
}

void synapses_add_each(const struct projection *to, uint32_t from, const int32_t *times,
                       int32_t *sums)
{
    const uint32_t count = to->post;
    const int8_t *weights = to->weights + from * count;
    const uint8_t *delays = to->delays + from * count;

    for (uint32_t j = 0; j < count; j++)
        sums[j] += times[delays[j]] * weights[j];
}

void synapses_add_bits(const struct projection *to, const uint8_t *bits, int32_t *sums)
{
    for (uint32_t i = 0; i < to->pre; i++)
        if (bits[i / 8] >> i % 8 & 1)
            add(to, i, 1, sums);
}
