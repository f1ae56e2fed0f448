/* The network that the host configured: populations, and projections with their weights. */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

#include "limits.h"

/* No two projections have the same source and target. */
#define MAX_PROJECTIONS (MAX_LAYERS * (MAX_LAYERS + 1))

#if MAX_DELAY > 32
#error "a word has a bit for each step that a spike may be under way"
#endif

struct projection {
    uint32_t source, target; /* populations; 0 is the input */
    uint32_t pre, post;      /* neurons of both */
    uint32_t delay;          /* of all its synapses, in steps */
    uint32_t longest;        /* the most that one has beyond that */
    uint32_t multiplier;
    int8_t *weights; /* row-major, (pre, post) */
    uint8_t *delays; /* of each synapse, likewise; 0 where it has none */
};

struct network {
    uint32_t depth; /* populations; 0 before it is configured */
    uint32_t count; /* projections */
    uint32_t fed;   /* how many of them come from the input */
    uint32_t neurons; /* of all populations */
    uint32_t input_delay, delay; /* longest that may be, from the input and from elsewhere */
    uint32_t sizes[MAX_LAYERS + 1]; /* of the input and each population */
    struct projection projections[MAX_PROJECTIONS];
};

extern struct network network;

/* Forget it. */
void network_forget(void);

/* Answer CONFIGURE: a status. The chip seed says which fixed pattern the neurons have. */
uint8_t network_configure(const uint8_t *payload, uint32_t size, uint32_t chip);

#endif
