/* The input of a run, and the weighted sums that it makes. */
#ifndef STIMULUS_H
#define STIMULUS_H

#include <stdint.h>

#include "network.h"

enum kind { CONSTANT_CURRENT, CURRENT_TRACE, EVENT_BITS, EVENT_COUNTS, EVENT_ADDRESSES };
#define MOST_KIND EVENT_ADDRESSES

struct stimulus {
    uint32_t kind, steps, batch, channels;
    const uint8_t *lengths; /* steps of each sample, a u16 each; 0 where all have `steps` */
};

int stimulus_is_current(const struct stimulus *stimulus);

/* Steps of a sample. */
uint32_t stimulus_steps(const struct stimulus *stimulus, uint32_t sample);

/* Bytes of a sample. */
uint64_t stimulus_bytes(const struct stimulus *stimulus, uint32_t sample);

/* A status: whether `size` bytes are an input of that kind. */
uint8_t stimulus_check(const struct stimulus *stimulus, const uint8_t *input, uint64_t size);

/* Sums of what arrives over a projection in one step of a sample. */
void stimulus_add(const struct stimulus *stimulus, const struct projection *to,
                  const uint8_t *sample, uint32_t step, int32_t *sums);

/* The same for the spikes of the layer before. */
void stimulus_add_spikes(const struct projection *to, const uint8_t *spikes, int32_t *sums);

#endif
