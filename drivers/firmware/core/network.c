#include "network.h"

#include "bytes.h"
#include "neurons.h"
#include "protocol.h"

#define HEADER_SIZE 12u
#define POPULATION_SIZE 16u
#define PROJECTION_SIZE 12u
#define SETTINGS 2u

#define LEAST_THRESHOLD 6554u
#define MOST_THRESHOLD 655360u
#define MOST_MULTIPLIER (1u << 22)
#define SYNAPSE_DELAYS 1u

struct network network;

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

/* Each layer has a projection to the next, without delay: no other graph is here. */
static uint8_t check_projection(const uint8_t *at, uint32_t number, uint32_t depth)
{
    uint32_t source = get16(at), target = get16(at + 2), delay = get16(at + 4);
    uint32_t flags = get16(at + 6), multiplier = get32(at + 8);

    if (source > depth || target < 1 || target > depth || flags > SYNAPSE_DELAYS ||
        multiplier < 1 || multiplier > MOST_MULTIPLIER)
        return VALUE;
    if (source != number || target != number + 1 || delay != 0 || flags != 0)
        return UNSUPPORTED;
    return OK;
}

static uint8_t check(const uint8_t *payload, uint32_t size)
{
    if (size < HEADER_SIZE)
        return SIZE;
    uint32_t depth = get16(payload), projections = get16(payload + 2), before = get32(payload + 4);
    if (depth < 1 || projections < 1 || before < 1 || get16(payload + 8) != SETTINGS ||
        get16(payload + 10) != 0)
        return VALUE;
    if (depth > MAX_LAYERS)
        return ROOM;
    uint32_t graph = HEADER_SIZE + depth * POPULATION_SIZE;
    if (size != graph + projections * PROJECTION_SIZE)
        return SIZE;
    if (before > MAX_INPUTS)
        return ROOM;

    uint64_t weights = 0;
    for (uint32_t l = 0; l < depth; l++) {
        struct population to = population_at(payload + HEADER_SIZE + l * POPULATION_SIZE);
        uint8_t status = check_population(&to);
        if (status != OK)
            return status;
        weights += (uint64_t)before * to.size;
        before = to.size;
    }
    for (uint32_t p = 0; p < projections; p++) {
        uint8_t status = check_projection(payload + graph + p * PROJECTION_SIZE, p, depth);
        if (status != OK)
            return status;
    }
    if (projections != depth)
        return UNSUPPORTED;
    return weights > MAX_WEIGHTS ? ROOM : OK;
}

uint8_t network_configure(const uint8_t *payload, uint32_t size, uint32_t chip)
{
    uint8_t status = check(payload, size);
    if (status != OK)
        return status;

    uint32_t depth = get16(payload), before = get32(payload + 4);
    const uint8_t *graph = payload + HEADER_SIZE + depth * POPULATION_SIZE;
    int8_t *next = cells;
    network.neurons = 0;
    for (uint32_t l = 0; l < depth; l++) {
        struct population to_be = population_at(payload + HEADER_SIZE + l * POPULATION_SIZE);
        struct projection *to = &network.projections[l];
        to->pre = before;
        to->post = before = to_be.size;
        to->multiplier = get32(graph + l * PROJECTION_SIZE + 8);
        to->weights = next;
        next += to->pre * to->post;
        neurons_draw(l, to->post, chip, to_be.threshold, to_be.leak);
        network.neurons += to->post;
    }
    network.depth = depth;
    for (int8_t *cell = cells; cell < next; cell++)
        *cell = 0;
    neurons_forget();
    return OK;
}
