/* What a run shows of one layer. */
#ifndef PROBE_H
#define PROBE_H

#include <stdint.h>

#define MAX_PROBES 8u

struct probe {
    uint32_t layer; /* counted from 0 */
    uint32_t neurons;
    const uint8_t *named; /* which of the layer, a u32 each; 0 for all */
    uint32_t quantity, reduce, every;
};

/* Read one at `*bytes` of a request, and move that behind it; a status. */
uint8_t probe_read(struct probe *probe, const uint8_t **bytes, const uint8_t *end, uint32_t steps);

/* Bytes of one sample in the answer. */
uint32_t probe_bytes(const struct probe *probe, uint32_t steps);

/* Take in a step, counted from 0; `place` holds zeros before the first. */
void probe_sample(const struct probe *probe, uint32_t step, uint8_t *place);

/* Add one to the u16 of each neuron of a layer that spiked in this step. */
void count_spikes(uint32_t layer, uint32_t neurons, uint8_t *counts);

#endif
