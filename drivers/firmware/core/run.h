/* The RUN request: a batch of samples, each from reset, and what its probes ask for. */
#ifndef RUN_H
#define RUN_H

#include <stdint.h>

/* Answer it: a status, the payload of the answer with its size, and how many samples were run. */
uint8_t run_serve(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered,
                  uint32_t *samples);

#endif
