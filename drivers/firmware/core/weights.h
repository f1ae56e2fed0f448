/* Requests that write and read weights, and delays of synapses, of a configured network. */
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include <stdint.h>

enum of_synapses { OF_WEIGHTS = 0, OF_DELAYS = 1 };

/* Each answers one request: a status, and the payload of the answer with its size. */
uint8_t weights_write(enum of_synapses what, const uint8_t *payload, uint32_t size,
                      uint8_t *answer, uint32_t *answered);
uint8_t weights_read(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered);
uint8_t weights_crc(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered);

#endif
