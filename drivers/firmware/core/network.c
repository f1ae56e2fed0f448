#include "network.h"

#include "bytes.h"
#include "neurons.h"
#include "protocol.h"

#define LEAST_THRESHOLD 6554u
#define MOST_THRESHOLD 655360u
#define MOST_MULTIPLIER (1u << 22)

struct network network;

static int8_t cells[MAX_WEIGHTS];

void network_forget(void)
{
    network.depth = 0;
}

uint8_t network_configure(const uint8_t *payload, uint32_t size, uint32_t chip)
{
    if (size < 8)
        return SIZE;
    uint32_t depth = payload[0], leak = get16(payload + 2), threshold = get32(payload + 4);
    if (payload[1] != 0 || depth < 1)
        return VALUE;
    if (depth > MAX_LAYERS)
        return ROOM;
    if (size != 8 + 2 * (depth + 1) + 4 * depth)
        return SIZE;
    if (leak < 1 || threshold < LEAST_THRESHOLD || threshold > MOST_THRESHOLD)
        return VALUE;

    const uint8_t *sizes = payload + 8, *multipliers = sizes + 2 * (depth + 1);
    for (uint32_t l = 0; l <= depth; l++)
        if (get16(sizes + 2 * l) < 1)
            return VALUE;
    uint64_t weights = 0;
    for (uint32_t l = 0; l <= depth; l++) {
        if (get16(sizes + 2 * l) > (l == 0 ? MAX_INPUTS : MAX_NEURONS))
            return ROOM;
        if (l > 0)
            weights += (uint64_t)get16(sizes + 2 * l - 2) * get16(sizes + 2 * l);
    }
    if (weights > MAX_WEIGHTS)
        return ROOM;
    for (uint32_t l = 0; l < depth; l++) {
        uint32_t multiplier = get32(multipliers + 4 * l);
        if (multiplier < 1 || multiplier > MOST_MULTIPLIER)
            return VALUE;
    }

    int8_t *next = cells;
    for (uint32_t l = 0; l < depth; l++) {
        struct projection *to = &network.projections[l];
        to->pre = get16(sizes + 2 * l);
        to->post = get16(sizes + 2 * l + 2);
        to->multiplier = get32(multipliers + 4 * l);
        to->weights = next;
        next += to->pre * to->post;
        neurons_draw(l, to->post, chip, threshold, leak);
    }
    network.depth = depth;
    for (int8_t *cell = cells; cell < next; cell++)
        *cell = 0;
    return OK;
}
