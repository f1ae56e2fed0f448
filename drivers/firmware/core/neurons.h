/* Layers of integrate-and-fire neurons, in whole numbers; docs/protocol.md has the equations. */
#ifndef NEURONS_H
#define NEURONS_H

#include <stdint.h>

/* Draw the fixed pattern of a layer, counted from 0, that a chip seed stands for. */
void neurons_draw(uint32_t layer, uint32_t count, uint32_t chip, uint32_t threshold, uint32_t leak);

/* Every membrane to 0. */
void neurons_rest(uint32_t layer, uint32_t count);

/* Put the membranes of a layer into a store of MAX_KEPT of them, from `place` on, or take them out.
 * There are zeros where none was put since the store was emptied. */
void neurons_keep(uint32_t layer, uint32_t count, uint32_t place);
void neurons_take(uint32_t layer, uint32_t count, uint32_t place);
void neurons_forget(void);

/* Leak, add `current` where there is one (in 2^-8 events, weighted), and find who spikes. */
void neurons_test(uint32_t layer, uint32_t count, const int32_t *current, uint32_t multiplier);

/* Add `events` where there are some (weighted), and reset who spiked. */
void neurons_settle(uint32_t layer, uint32_t count, const int32_t *events, uint32_t multiplier);

/* Spikes of this step: neuron j is bit j % 8 of byte j / 8. */
const uint8_t *neurons_spikes(uint32_t layer);

/* A membrane as the host sees it: 4096 is one threshold unit. */
int32_t neurons_membrane(uint32_t layer, uint32_t neuron);

#endif
