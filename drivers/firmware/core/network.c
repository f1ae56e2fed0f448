#include "network.h"

#include "bytes.h"
#include "neurons.h"
#include "protocol.h"
#include "slots.h"

#define HEADER_SIZE 12u
#define POPULATION_SIZE 16u
#define PROJECTION_SIZE 12u
#define SETTINGS 2u

#define LEAST_THRESHOLD 6554u
#define MOST_THRESHOLD 655360u
#define MOST_MULTIPLIER (1u << 22)
#define SYNAPSE_DELAYS 1u

struct network network;

/* Weights, and behind those of a projection the delays of its synapses where it has them. */
static int8_t cells[MAX_WEIGHTS];

/* A population in a request. */
struct population {
    uint32_t size, zero, leak, threshold;
};

static struct population population_at(const uint8_t *at)
{
    struct population found = {get32(at), get32(at + 4), get32(at + 8), get32(at + 12)};

    return found;
}

void network_forget(void)
{
    network.depth = 0;
}

static uint8_t check_population(const struct population *population)
{
    if (population->size < 1 || population->zero != 0 || population->leak < 1 ||
        population->leak > 65535 || population->threshold < LEAST_THRESHOLD ||
        population->threshold > MOST_THRESHOLD)
        return VALUE;
    return population->size > MAX_NEURONS ? ROOM : OK;
}

/* Of the projection that is this number of those at `graph`. */
static uint8_t check_projection(const uint8_t *graph, uint32_t number, uint32_t depth)
{
    const uint8_t *at = graph + number * PROJECTION_SIZE;
    uint32_t source = get16(at), target = get16(at + 2), multiplier = get32(at + 8);

    if (source > depth || target < 1 || target > depth || get16(at + 4) > MAX_DELAY ||
        get16(at + 6) > SYNAPSE_DELAYS || multiplier < 1 || multiplier > MOST_MULTIPLIER)
        return VALUE;
    for (const uint8_t *other = graph; other < at; other += PROJECTION_SIZE)
        if (get32(other) == get32(at)) /* source and target */
            return VALUE;
    return OK;
}

/* Cells that a projection takes; those with delays of their own take two a synapse. */
static uint64_t cells_of(const uint8_t *payload, const uint8_t *projection)
{
    uint32_t source = get16(projection), target = get16(projection + 2);
    uint32_t pre = source == 0 ? get32(payload + 4)
                               : get32(payload + HEADER_SIZE + (source - 1) * POPULATION_SIZE);
    uint32_t post = get32(payload + HEADER_SIZE + (target - 1) * POPULATION_SIZE);

    return (uint64_t)pre * post << (get16(projection + 6) & SYNAPSE_DELAYS);
}

static uint8_t check(const uint8_t *payload, uint32_t size)
{
    if (size < HEADER_SIZE)
        return SIZE;
    uint32_t depth = get16(payload), projections = get16(payload + 2), inputs = get32(payload + 4);
    if (depth < 1 || projections < 1 || inputs < 1 || get16(payload + 8) != SETTINGS ||
        get16(payload + 10) != 0)
        return VALUE;
    if (depth > MAX_LAYERS)
        return ROOM;
    const uint8_t *graph = payload + HEADER_SIZE + depth * POPULATION_SIZE;
    if (size != HEADER_SIZE + depth * POPULATION_SIZE + projections * PROJECTION_SIZE)
        return SIZE;
    if (inputs > MAX_INPUTS)
        return ROOM;

    for (uint32_t l = 0; l < depth; l++) {
        struct population found = population_at(payload + HEADER_SIZE + l * POPULATION_SIZE);
        uint8_t status = check_population(&found);
        if (status != OK)
            return status;
    }
    uint64_t taken = 0;
    for (uint32_t p = 0; p < projections; p++) {
        uint8_t status = check_projection(graph, p, depth);
        if (status != OK)
            return status;
        taken += cells_of(payload, graph + p * PROJECTION_SIZE);
    }
    return taken > MAX_WEIGHTS ? ROOM : OK;
}

static void add_projection(struct projection *to, const uint8_t *at, int8_t **next)
{
    int alone = (get16(at + 6) & SYNAPSE_DELAYS) != 0;

    to->source = get16(at);
    to->target = get16(at + 2);
    to->pre = network.sizes[to->source];
    to->post = network.sizes[to->target];
    to->delay = get16(at + 4);
    to->longest = 0;
    to->multiplier = get32(at + 8);
    to->weights = *next;
    *next += to->pre * to->post;
    to->delays = alone ? (uint8_t *)*next : 0;
    *next += alone ? to->pre * to->post : 0;

    uint32_t *most = to->source == 0 ? &network.input_delay : &network.delay;
    uint32_t longest = alone ? MAX_DELAY : to->delay;
    if (longest > *most)
        *most = longest;
    network.fed += to->source == 0;
}

uint8_t network_configure(const uint8_t *payload, uint32_t size, uint32_t chip)
{
    uint8_t status = check(payload, size);
    if (status != OK)
        return status;

    int8_t *next = cells;
    network.depth = get16(payload);
    network.count = get16(payload + 2);
    network.sizes[0] = get32(payload + 4);
    network.neurons = network.fed = network.input_delay = network.delay = 0;
    payload += HEADER_SIZE;
    for (uint32_t l = 0; l < network.depth; l++, payload += POPULATION_SIZE) {
        struct population found = population_at(payload);
        network.sizes[l + 1] = found.size;
        network.neurons += found.size;
        neurons_draw(l, found.size, chip, found.threshold, found.leak);
    }
    for (uint32_t p = 0; p < network.count; p++, payload += PROJECTION_SIZE)
        add_projection(&network.projections[p], payload, &next);
    for (int8_t *cell = cells; cell < next; cell++)
        *cell = 0;
    slots_forget();
    return OK;
}
