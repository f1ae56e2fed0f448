#include "probe.h"

#include "bytes.h"
#include "network.h"
#include "neurons.h"

enum quantity { SPIKES = 0, MEMBRANE = 1 };
enum reduce { NONE = 0, MEAN = 1, LAST = 2 };

int probe_read(struct probe *probe, const uint8_t *bytes, uint32_t steps)
{
    if (bytes[0] < 1 || bytes[0] > network.depth || bytes[1] > MEMBRANE || bytes[2] > LAST)
        return 0;
    probe->layer = bytes[0] - 1u;
    probe->neurons = network.projections[probe->layer].post;
    probe->quantity = bytes[1];
    probe->reduce = bytes[2];
    probe->every = bytes[3];
    return probe->every >= 1 && probe->every <= (probe->quantity == MEMBRANE ? steps : 1);
}

static uint32_t bits_bytes(const struct probe *probe)
{
    return (probe->neurons + 7) / 8;
}

uint32_t probe_bytes(const struct probe *probe, uint32_t steps)
{
    if (probe->quantity == SPIKES)
        return probe->reduce == MEAN   ? 2 * probe->neurons
               : probe->reduce == LAST ? bits_bytes(probe)
                                       : steps * bits_bytes(probe);
    return probe->reduce == MEAN   ? 4 * probe->neurons
           : probe->reduce == LAST ? 2 * probe->neurons
                                   : steps / probe->every * 2 * probe->neurons;
}

void count_spikes(uint32_t layer, uint32_t neurons, uint8_t *counts)
{
    const uint8_t *spikes = neurons_spikes(layer);

    for (uint32_t j = 0; j < neurons; j++)
        if (spikes[j / 8] >> j % 8 & 1)
            put16(counts + 2 * j, get16(counts + 2 * j) + 1);
}

static void sample_spikes(const struct probe *probe, uint32_t step, uint8_t *place)
{
    const uint8_t *spikes = neurons_spikes(probe->layer);

    if (probe->reduce == MEAN) {
        count_spikes(probe->layer, probe->neurons, place);
        return;
    }
    if (probe->reduce == NONE)
        place += step * bits_bytes(probe);
    for (uint32_t i = 0; i < bits_bytes(probe); i++)
        place[i] = spikes[i];
}

static void sample_membrane(const struct probe *probe, uint32_t sample, uint8_t *place)
{
    if (probe->reduce == NONE)
        place += sample * 2 * probe->neurons;
    for (uint32_t j = 0; j < probe->neurons; j++) {
        uint32_t value = (uint32_t)neurons_membrane(probe->layer, j);
        if (probe->reduce == MEAN)
            put32(place + 4 * j, get32(place + 4 * j) + value);
        else
            put16(place + 2 * j, value);
    }
}

void probe_sample(const struct probe *probe, uint32_t step, uint8_t *place)
{
    if (probe->quantity == SPIKES)
        sample_spikes(probe, step, place);
    else if ((step + 1) % probe->every == 0)
        sample_membrane(probe, (step + 1) / probe->every - 1, place);
}
