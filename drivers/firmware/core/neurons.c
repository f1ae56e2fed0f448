/* A shift of a negative number to the right rounds to minus infinity, as every compiler does that
 * this firmware was built with. Products that may not fit 32 bits are taken in 64, or in two parts. */
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

/* value * factor >> shift; the parts fit 32 bits for membranes and leaks, small drives and gains. */
static inline int32_t scale(int32_t value, uint32_t factor, uint32_t shift)
{
    uint32_t low = (uint32_t)value & ((1u << shift) - 1);

    return (value >> shift) * (int32_t)factor + (int32_t)(low * factor >> shift);
}

/* Whether a product of two is within the bounds of a membrane, by their size alone. */
static inline int is_small(int32_t sum, uint32_t multiplier)
{
    return multiplier < 1u << 15 && (uint32_t)(sum + (1 << 14)) < 1u << 15;
}

void neurons_drive(uint32_t layer, uint32_t count, int32_t *sums, uint32_t multiplier)
{
    const uint16_t *gain = layers[layer].gain;

    for (uint32_t j = 0; j < count; j++) {
        if (is_small(sums[j], multiplier)) {
            sums[j] = scale(sums[j] * (int32_t)multiplier >> 8, gain[j], 12);
            continue;
        }
        int64_t drive = ((int64_t)sums[j] * multiplier) >> 8;
        sums[j] = (int32_t)clip(drive * gain[j] >> 12, INT32_MIN, INT32_MAX);
    }
}

/* A drive that was clipped reaches a bound from wherever a membrane is after its leak. */
static inline int32_t add(int32_t membrane, int32_t drive)
{
    if (drive >= 0)
        return membrane > BOUND - drive ? BOUND : membrane + drive;
    return membrane < -BOUND - drive ? -BOUND : membrane + drive;
}

/* What leaks away of a membrane in a step. */
static inline int32_t leaked(int32_t membrane, uint32_t leak)
{
#ifdef __ARM_ARCH_6M__ /* has no product of 64 bits */
    return scale(membrane, leak, 16);
#else
    return (int32_t)((int64_t)membrane * leak >> 16);
#endif
}

/* The same as `add`, for a membrane above its lower bound: what wraps is seen to be out of bounds. */
static inline int32_t add_fast(int32_t membrane, int32_t drive)
{
    uint32_t sum = (uint32_t)membrane + (uint32_t)drive;

    return sum + BOUND > 2u * BOUND ? add(membrane, drive) : (int32_t)sum;
}

void neurons_test(uint32_t layer, uint32_t count, const int32_t *drives)
{
    int32_t *membrane = layers[layer].membrane;
    const int32_t *threshold = layers[layer].threshold;
    const uint16_t *leak = layers[layer].leak;
    uint8_t *spikes = spikes_at(layer, 0);

    for (uint32_t first = 0; first < count; first += 8) {
        uint32_t end = first + 8 < count ? first + 8 : count, below = 0;
        for (uint32_t j = first; j < end; j++) {
            int32_t v = membrane[j] - leaked(membrane[j], leak[j]);
            if (drives != 0)
                v = add_fast(v, drives[j]);
            membrane[j] = v;
            below = below >> 1 | ((uint32_t)(v - threshold[j]) & 1u << 31);
        }
        spikes[first / 8] = (uint8_t)((below ^ 0xFF000000u) >> (32 - (end - first)));
    }
}

void neurons_add(uint32_t layer, uint32_t count, const int32_t *events, uint32_t multiplier)
{
    struct layer *to = &layers[layer];

    for (uint32_t j = 0; j < count; j++) {
        if (events[j] == 0)
            continue;
        if (is_small(events[j], multiplier))
            to->membrane[j] =
                add(to->membrane[j], scale(events[j] * (int32_t)multiplier, to->gain[j], 12));
        else
            to->membrane[j] =
                bound(to->membrane[j] + ((int64_t)events[j] * multiplier * to->gain[j] >> 12));
    }
}

void neurons_reset(uint32_t layer, uint32_t count)
{
    struct layer *reset = &layers[layer];
    const uint8_t *spikes = spikes_at(layer, 0);

    for (uint32_t first = 0; first < count; first += 8)
        for (uint32_t bits = spikes[first / 8], j = first; bits != 0; bits >>= 1, j++)
            if (bits & 1)
                reset->membrane[j] = add(reset->membrane[j], -reset->threshold[j]);
}

const uint8_t *neurons_spikes(uint32_t layer, uint32_t ago)
{
    return spikes_at(layer, ago);
}

const int32_t *neurons_membranes(uint32_t layer)
{
    return layers[layer].membrane;
}
