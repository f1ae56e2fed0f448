/* A shift of a negative number to the right rounds to minus infinity, as every compiler does that
 * this firmware was built with; products are taken in 64 bits. */
#include "neurons.h"

#include "limits.h"

#define BOUND (1 << 30)
#define DISCARDED 8
#define STEPS (MAX_DELAY + 1)

struct layer {
    int32_t membrane[MAX_NEURONS];
    int32_t threshold[MAX_NEURONS];
    uint16_t gain[MAX_NEURONS];
    uint16_t leak[MAX_NEURONS];
    /* Of this step, and of those before for as long as their events are under way. */
    uint8_t spikes[STEPS][(MAX_NEURONS + 7) / 8];
};

static struct layer layers[MAX_LAYERS];

/* Which of the spikes are those of this step. */
static uint32_t now;

static int64_t clip(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static int32_t bound(int64_t value)
{
    return (int32_t)clip(value, -BOUND, BOUND);
}

/* Marsaglia 2003, Journal of Statistical Software 8(14). */
static uint32_t xorshift(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static int64_t deviate(uint32_t *state)
{
    int64_t sum = -510;

    for (int i = 0; i < 4; i++)
        sum += xorshift(state) >> 24;
    return sum;
}

void neurons_draw(uint32_t layer, uint32_t count, uint32_t chip, uint32_t threshold, uint32_t leak)
{
    struct layer *drawn = &layers[layer];
    uint32_t state = chip * 2654435761u + (layer + 1) * 40503u + 1u;

    if (state == 0)
        state = 1;
    for (int i = 0; i < DISCARDED; i++)
        xorshift(&state);
    for (uint32_t j = 0; j < count; j++) {
        int64_t r1 = 0, r2 = 0, r3 = 0;
        if (chip != 0) {
            r1 = deviate(&state);
            r2 = deviate(&state);
            r3 = deviate(&state);
        }
        drawn->threshold[j] = (int32_t)(threshold + (threshold * r1 * 45 >> 16));
        drawn->gain[j] = (uint16_t)(4096 + (r2 * 45 >> 4));
        drawn->leak[j] = (uint16_t)clip(leak + (leak * r3 * 90 >> 16), 1, 65535);
    }
}

static uint8_t *spikes_at(uint32_t layer, uint32_t ago)
{
    return layers[layer].spikes[(now + STEPS - ago) % STEPS];
}

void neurons_step(void)
{
    now = (now + 1) % STEPS;
}

void neurons_rest(uint32_t layer, uint32_t count, uint32_t past)
{
    for (uint32_t j = 0; j < count; j++)
        layers[layer].membrane[j] = 0;
    for (uint32_t ago = 0; ago < past; ago++)
        for (uint32_t j = 0; j < (count + 7) / 8; j++)
            spikes_at(layer, ago)[j] = 0;
}

void neurons_keep(uint32_t layer, uint32_t count, uint32_t past, int32_t *membranes, int32_t *spikes)
{
    for (uint32_t j = 0; j < count; j++)
        membranes[j] = layers[layer].membrane[j];
    for (uint32_t j = 0; past != 0 && j < count; j++) {
        uint32_t steps = 0;
        for (uint32_t ago = 0; ago < past; ago++)
            steps |= (uint32_t)(spikes_at(layer, ago)[j / 8] >> j % 8 & 1) << ago;
        spikes[j] = (int32_t)steps;
    }
}

void neurons_take(uint32_t layer, uint32_t count, uint32_t past, const int32_t *membranes,
                  const int32_t *spikes)
{
    neurons_rest(layer, count, past);
    for (uint32_t j = 0; j < count; j++)
        layers[layer].membrane[j] = membranes[j];
    for (uint32_t j = 0; past != 0 && j < count; j++)
        for (uint32_t ago = 0; ago < past; ago++)
            if ((uint32_t)spikes[j] >> ago & 1)
                spikes_at(layer, ago)[j / 8] |= (uint8_t)(1u << j % 8);
}

void neurons_test(uint32_t layer, uint32_t count, const int32_t *current, uint32_t multiplier)
{
    struct layer *tested = &layers[layer];
    uint8_t *spikes = spikes_at(layer, 0);

    for (uint32_t j = 0; j < (count + 7) / 8; j++)
        spikes[j] = 0;
    for (uint32_t j = 0; j < count; j++) {
        int32_t v = tested->membrane[j];
        v -= (int32_t)((int64_t)v * tested->leak[j] >> 16);
        if (current != 0) {
            int64_t drive = ((int64_t)current[j] * multiplier) >> 8;
            v = bound(v + (drive * tested->gain[j] >> 12));
        }
        tested->membrane[j] = v;
        if (v >= tested->threshold[j])
            spikes[j / 8] |= (uint8_t)(1u << j % 8);
    }
}

void neurons_add(uint32_t layer, uint32_t count, const int32_t *events, uint32_t multiplier)
{
    struct layer *to = &layers[layer];

    for (uint32_t j = 0; j < count; j++)
        to->membrane[j] =
            bound(to->membrane[j] + ((int64_t)events[j] * multiplier * to->gain[j] >> 12));
}

void neurons_reset(uint32_t layer, uint32_t count)
{
    struct layer *reset = &layers[layer];
    const uint8_t *spikes = spikes_at(layer, 0);

    for (uint32_t j = 0; j < count; j++)
        if (spikes[j / 8] >> j % 8 & 1)
            reset->membrane[j] = bound((int64_t)reset->membrane[j] - reset->threshold[j]);
}

const uint8_t *neurons_spikes(uint32_t layer, uint32_t ago)
{
    return spikes_at(layer, ago);
}

int32_t neurons_membrane(uint32_t layer, uint32_t neuron)
{
    return (int32_t)clip(layers[layer].membrane[neuron] >> 4, -32768, 32767);
}
