/* What samples leave behind for runs that carry on: membranes, and events under way. */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdint.h>

/* How many there are with the network as it is. */
uint32_t slots_count(void);

/* The cells of a slot: zeros where nothing was kept since the network was configured.
 *
 * For each neuron its membrane; where spikes can be under way, once more for each neuron the steps
 * that it spiked in, the last one in bit 0; then the input of the last steps, for each input of the
 * last one first a current in the lower and a count in the upper half. */
int32_t *slots_cells(uint32_t slot);

/* Empty them all. */
void slots_forget(void);

#endif
