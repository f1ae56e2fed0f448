/* Weighted sums of what arrives over a projection. */
#ifndef SYNAPSES_H
#define SYNAPSES_H

#include <stdint.h>

#include "network.h"

/* Set the sums of its targets to 0. */
void synapses_clear(const struct projection *to, int32_t *sums);

/* Add what a source did so many steps ago, through the synapses that it takes so long. */
void synapses_add(const struct projection *to, uint32_t from, int32_t times, uint32_t ago,
                  int32_t *sums);

/* The same for all sources that have an event: source i is bit i % 8 of byte i / 8. */
void synapses_add_bits(const struct projection *to, const uint8_t *bits, uint32_t ago,
                       int32_t *sums);

#endif
