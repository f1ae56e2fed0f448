/* The input of a run. */
#ifndef STIMULUS_H
#define STIMULUS_H

#include <stdint.h>

#include "bytes.h"

enum kind { CONSTANT_CURRENT, CURRENT_TRACE, EVENT_BITS, EVENT_COUNTS, EVENT_ADDRESSES };
#define MOST_KIND EVENT_ADDRESSES

struct stimulus {
    uint32_t kind, steps, batch, channels;
    const uint8_t *lengths; /* steps of each sample, a u16 each; 0 where all have `steps` */
};

static inline int stimulus_is_current(const struct stimulus *stimulus)
{
    return stimulus->kind <= CURRENT_TRACE;
}

/* Steps of a sample. */
uint32_t stimulus_steps(const struct stimulus *stimulus, uint32_t sample);

/* Bytes of a sample. */
uint64_t stimulus_bytes(const struct stimulus *stimulus, uint32_t sample);

/* A status: whether `size` bytes are an input of that kind. */
uint8_t stimulus_check(const struct stimulus *stimulus, const uint8_t *input, uint64_t size);

/* A step of a sample, and what an input does in it: a count, or a current. */
const uint8_t *stimulus_row(const struct stimulus *stimulus, const uint8_t *sample, uint32_t step);
static inline int32_t stimulus_at(const struct stimulus *stimulus, const uint8_t *row,
                                  uint32_t channel)
{
    return stimulus_is_current(stimulus)    ? (int16_t)get16(row + 2 * channel)
           : stimulus->kind == EVENT_COUNTS ? row[channel]
                                            : row[channel / 8] >> channel % 8 & 1;
}

/* What it did by a cell that was kept: its current in the lower half, its count in the upper one. */
int32_t stimulus_kept(int32_t cell, int current);

/* Keep the last `past` rows after a sample of so many steps, the last one first; where it is
 * shorter than that, there are those that were there before if it resumed, else zeros. */
void stimulus_keep(const struct stimulus *stimulus, const uint8_t *sample, uint32_t steps,
                   int32_t *rows, uint32_t past, int resumed);

#endif
