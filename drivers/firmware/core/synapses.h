/* Weighted sums of what arrives over a projection. */
#ifndef SYNAPSES_H
#define SYNAPSES_H

#include <stdint.h>

#include "network.h"

/* Set the sums of its targets to 0. */
void synapses_clear(const struct projection *to, int32_t *sums);

/* Add what a source does; sums are complete after `synapses_end`. */
void synapses_add(const struct projection *to, uint32_t from, int32_t times, int32_t *sums);

/* Add what it did, for each number of steps that a synapse takes beyond the delay of all. */
void synapses_add_each(const struct projection *to, uint32_t from, const int32_t *times,
                       int32_t *sums);

/* Add an event of each source that has one: source i is bit i % 8 of byte i / 8. */
void synapses_add_bits(const struct projection *to, const uint8_t *bits, int32_t *sums);

/* End a sum: whether anything was added to it. If not, the sums are those of before. */
int synapses_end(const struct projection *to, int32_t *sums);

#endif
