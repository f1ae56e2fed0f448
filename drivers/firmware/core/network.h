/* The network that the host configured, and its weights. */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

#include "limits.h"

struct projection {
    uint32_t pre, post; /* neurons of both sides */
    uint32_t multiplier;
    int8_t *weights; /* row-major, (pre, post) */
};

struct network {
    uint32_t depth; /* projections, which is layers of neurons; 0 before it is configured */
    uint32_t neurons; /* of all layers */
    struct projection projections[MAX_LAYERS];
};

extern struct network network;

/* Forget it. */
void network_forget(void);

/* Answer CONFIGURE: a status. The chip seed says which fixed pattern the neurons have. */
uint8_t network_configure(const uint8_t *payload, uint32_t size, uint32_t chip);

#endif
