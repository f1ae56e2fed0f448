#include "probe.h"

#include "bytes.h"
#include "network.h"
#include "neurons.h"
#include "protocol.h"

#define PROBE_SIZE 8u

enum quantity { SPIKES = 0, MEMBRANE = 1 };
enum reduce { NONE = 0, MEAN = 1, LAST = 2 };

uint8_t probe_read(struct probe *probe, const uint8_t **bytes, const uint8_t *end, uint32_t steps)
{
    const uint8_t *at = *bytes;

    if ((uint32_t)(end - at) < PROBE_SIZE)
        return SIZE;
    uint32_t layer = get16(at), named = get16(at + 6);
    if (layer < 1 || layer > network.depth || at[2] > MEMBRANE || at[3] > LAST)
        return VALUE;
    probe->layer = layer - 1u;
    probe->quantity = at[2];
    probe->reduce = at[3];
    probe->every = get16(at + 4);
    if (probe->every < 1 || probe->every > (probe->quantity == MEMBRANE ? steps : 1))
        return VALUE;

    uint32_t neurons = network.sizes[layer];
    at += PROBE_SIZE;
    if ((uint32_t)(end - at) < 4 * named)
        return SIZE;
    for (uint32_t i = 0; i < named; i++)
        if (get32(at + 4 * i) >= neurons)
            return VALUE;
    probe->named = named == 0 ? 0 : at;
    probe->neurons = named == 0 ? neurons : named;
    *bytes = at + 4 * named;
    return OK;
}

/* Number in its layer of the j-th neuron that a probe shows. */
static uint32_t shown(const struct probe *probe, uint32_t j)
{
    return probe->named == 0 ? j : get32(probe->named + 4 * j);
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

static int spiked(const uint8_t *spikes, uint32_t neuron)
{
    return spikes[neuron / 8] >> neuron % 8 & 1;
}

static void count(uint8_t *counts, uint32_t j)
{
    put16(counts + 2 * j, get16(counts + 2 * j) + 1);
}

void count_spikes(uint32_t layer, uint32_t neurons, uint8_t *counts)
{
    const uint8_t *spikes = neurons_spikes(layer, 0);

    for (uint32_t first = 0; first < neurons; first += 8)
        for (uint32_t bits = spikes[first / 8], j = first; bits != 0; bits >>= 1, j++)
            if (bits & 1)
                count(counts, j);
}

static void sample_spikes(const struct probe *probe, uint32_t step, uint8_t *place)
{
    const uint8_t *spikes = neurons_spikes(probe->layer, 0);

    if (probe->reduce == MEAN && probe->named == 0) {
        count_spikes(probe->layer, probe->neurons, place);
        return;
    }
    if (probe->reduce == NONE)
        place += step * bits_bytes(probe);
    if (probe->reduce != MEAN)
        for (uint32_t i = 0; i < bits_bytes(probe); i++)
            place[i] = 0;
    for (uint32_t j = 0; j < probe->neurons; j++)
        if (spiked(spikes, shown(probe, j))) {
            if (probe->reduce == MEAN)
                count(place, j);
            else
                place[j / 8] |= (uint8_t)(1u << j % 8);
        }
}

/* A membrane as the host sees it: 4096 is one threshold unit. */
static inline uint32_t seen(int32_t membrane)
{
    int32_t value = membrane >> 4;

    return (uint32_t)(value < -32768 ? -32768 : value > 32767 ? 32767 : value);
}

static void sample_membrane(const struct probe *probe, uint32_t sample, uint8_t *place)
{
    const int32_t *membranes = neurons_membranes(probe->layer);

    if (probe->reduce == MEAN && probe->named == 0) {
        for (uint32_t j = 0; j < probe->neurons; j++, place += 4)
            put32(place, get32(place) + seen(membranes[j]));
        return;
    }
    if (probe->reduce == NONE)
        place += sample * 2 * probe->neurons;
    for (uint32_t j = 0; j < probe->neurons; j++) {
        uint32_t value = seen(membranes[shown(probe, j)]);
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
