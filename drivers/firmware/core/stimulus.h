/* The input of a run, and what it adds to weighted sums. */
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

/* Add to the sums of a projection what a sample did so many steps before a step. */
void stimulus_add(const struct stimulus *stimulus, const struct projection *to,
                  const uint8_t *sample, uint32_t step, uint32_t ago, int32_t *sums);

/* The same for a row that was kept: its currents, or its counts. */
void stimulus_add_kept(const struct projection *to, const int32_t *row, int currents, uint32_t ago,
                       int32_t *sums);

/* Keep the last `past` rows after a sample of so many steps, the last one first; where it is
 * shorter than that, there are those that were there before if it resumed, else zeros. */
void stimulus_keep(const struct stimulus *stimulus, const uint8_t *sample, uint32_t steps,
                   int32_t *rows, uint32_t past, int resumed);

#endif
