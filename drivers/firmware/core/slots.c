#include "slots.h"

#include "network.h"

static int32_t kept[MAX_KEPT];

static uint32_t slot_size(void)
{
    uint32_t spikes = network.delay != 0 ? network.neurons : 0;

    return network.neurons + spikes + network.sizes[0] * network.input_delay;
}

uint32_t slots_count(void)
{
    return MAX_KEPT / slot_size();
}

int32_t *slots_cells(uint32_t slot)
{
    return kept + slot * slot_size();
}

void slots_forget(void)
{
    for (uint32_t i = 0; i < MAX_KEPT; i++)
        kept[i] = 0;
}
