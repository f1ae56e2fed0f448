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
static inline void add(const struct projection *to, uint32_t from, int32_t times, uint32_t ago,
                       int32_t *sums)
{
    const int8_t *weights = to->weights + from * to->post;

    if (to->delays == 0) {
        for (uint32_t j = 0; j < to->post; j++)
            sums[j] += times * weights[j];
        return;
    }
    const uint8_t *delays = to->delays + from * to->post;
    for (uint32_t j = 0; j < to->post; j++)
        if (to->delay + delays[j] == ago)
            sums[j] += times * weights[j];
}

void synapses_add(const struct projection *to, uint32_t from, int32_t times, uint32_t ago,
                  int32_t *sums)
{
    add(to, from, times, ago, sums);
}

void synapses_add_bits(const struct projection *to, const uint8_t *bits, uint32_t ago,
                       int32_t *sums)
{
    for (uint32_t i = 0; i < to->pre; i++)
        if (bits[i / 8] >> i % 8 & 1)
            add(to, i, 1, ago, sums);
}
