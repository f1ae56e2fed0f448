/* Layers of integrate-and-fire neurons, in whole numbers; docs/protocol.md has the equations. */
#ifndef NEURONS_H
#define NEURONS_H

#include <stdint.h>

/* Draw the fixed pattern of a layer, counted from 0, that a chip seed stands for. */
void neurons_draw(uint32_t layer, uint32_t count, uint32_t chip, uint32_t threshold, uint32_t leak);

/* Go on to the next step; before the first of a sample comes `neurons_rest` or `neurons_take`. */
void neurons_step(void);

/* Every membrane to 0, and no spikes in the last `past` steps. */
void neurons_rest(uint32_t layer, uint32_t count, uint32_t past);

/* Put membranes, and in which of the last `past` steps neurons spiked, into cells, or take them out;
 * bit 0 is the last step. */
void neurons_keep(uint32_t layer, uint32_t count, uint32_t past, int32_t *membranes,
                  int32_t *spikes);
void neurons_take(uint32_t layer, uint32_t count, uint32_t past, const int32_t *membranes,
                  const int32_t *spikes);

/* Make drives of weighted sums of currents, in 2^-8 events. */
void neurons_drive(uint32_t layer, uint32_t count, int32_t *sums, uint32_t multiplier);

/* Leak, add drives where there are some, and find who spikes. */
void neurons_test(uint32_t layer, uint32_t count, const int32_t *drives);

/* Add events (weighted). */
void neurons_add(uint32_t layer, uint32_t count, const int32_t *events, uint32_t multiplier);

/* Reset who spiked. */
void neurons_reset(uint32_t layer, uint32_t count);

/* Spikes of so many steps ago, 0 being this one: neuron j is bit j % 8 of byte j / 8. */
const uint8_t *neurons_spikes(uint32_t layer, uint32_t ago);

/* Membranes of a layer, in 2^-16 thresholds. */
const int32_t *neurons_membranes(uint32_t layer);

#endif
