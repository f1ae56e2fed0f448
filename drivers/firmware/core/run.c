#include "run.h"

#include "bytes.h"
#include "network.h"
#include "neurons.h"
#include "probe.h"
#include "protocol.h"
#include "stimulus.h"

#define RUN_HEADER 12u

enum flag { RESUME = 1, KEEP = 2, LENGTHS = 4, MOST_FLAGS = 7 };

static struct probe probes[MAX_PROBES];
static uint32_t probe_count;

/* Weighted sums of what arrives at a layer. A constant current's are kept from step to step. */
static int32_t input_sums[MAX_NEURONS];
static int32_t spike_sums[MAX_NEURONS];

static uint32_t outputs(void)
{
    return network.projections[network.depth - 1].post;
}

/* Bytes of one sample in the answer. */
static uint64_t sample_bytes(uint32_t steps)
{
    uint64_t bytes = 2 * outputs();

    for (uint32_t p = 0; p < probe_count; p++)
        bytes += probe_bytes(&probes[p], steps);
    return bytes;
}

static void run_step(const struct stimulus *stimulus, const uint8_t *input, uint32_t step,
                     uint8_t *answer)
{
    for (uint32_t l = 0; l < network.depth; l++) {
        const struct projection *to = &network.projections[l];
        const int32_t *current = 0, *events = 0;

        if (l > 0) {
            stimulus_add_spikes(to, neurons_spikes(l - 1), spike_sums);
            events = spike_sums;
        } else {
            if (step == 0 || stimulus->kind != CONSTANT_CURRENT)
                stimulus_add(stimulus, to, input, step, input_sums);
            if (stimulus_is_current(stimulus))
                current = input_sums;
            else
                events = input_sums;
        }
        neurons_test(l, to->post, current, to->multiplier);
        uint8_t *place = answer + 2 * outputs();
        for (uint32_t p = 0; p < probe_count; p++) {
            if (probes[p].layer == l)
                probe_sample(&probes[p], step, place);
            place += probe_bytes(&probes[p], stimulus->steps);
        }
        neurons_settle(l, to->post, events, to->multiplier);
    }
    count_spikes(network.depth - 1, outputs(), answer);
}

/* All membranes of a sample: at rest, or out of a slot, or into it. */
static void membranes(void (*move)(uint32_t layer, uint32_t count, uint32_t place), uint32_t slot)
{
    uint32_t place = slot * network.neurons;

    for (uint32_t l = 0; l < network.depth; l++) {
        uint32_t count = network.projections[l].post;
        if (move == 0)
            neurons_rest(l, count);
        else
            move(l, count, place);
        place += count;
    }
}

/* Read the lengths at `*at`, and move that behind them. */
static uint8_t read_lengths(struct stimulus *stimulus, const uint8_t **at, const uint8_t *end)
{
    if ((uint32_t)(end - *at) < 2 * stimulus->batch)
        return SIZE;
    for (uint32_t b = 0; b < stimulus->batch; b++) {
        uint32_t steps = get16(*at + 2 * b);
        if (steps < 1 || steps > stimulus->steps)
            return VALUE;
    }
    stimulus->lengths = *at;
    *at += 2 * stimulus->batch;
    return OK;
}

/* Read what stands before the input at `*at`, and move that to it. */
static uint8_t read_header(struct stimulus *stimulus, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *header = *at;

    if ((uint32_t)(end - header) < RUN_HEADER)
        return SIZE;
    uint32_t flags = get16(header + 2), first = get16(header + 8);
    stimulus->kind = header[0];
    stimulus->steps = get16(header + 4);
    stimulus->batch = get16(header + 6);
    probe_count = header[1];
    if (stimulus->kind > MOST_KIND || probe_count > MAX_PROBES || flags > MOST_FLAGS ||
        get16(header + 10) != 0 || stimulus->steps < 1 || stimulus->steps > MAX_STEPS ||
        stimulus->batch < 1 || (first != 0 && (flags & (RESUME | KEEP)) == 0))
        return VALUE;
    if (stimulus->kind == EVENT_ADDRESSES)
        return UNSUPPORTED;
    *at += RUN_HEADER;
    for (uint32_t p = 0; p < probe_count; p++) {
        uint8_t status = probe_read(&probes[p], at, end, stimulus->steps);
        if (status != OK)
            return status;
    }
    if (sample_bytes(stimulus->steps) * stimulus->batch > MAX_PAYLOAD)
        return SIZE;
    if ((flags & (RESUME | KEEP)) && first + stimulus->batch > MAX_KEPT / network.neurons)
        return ROOM;
    return flags & LENGTHS ? read_lengths(stimulus, at, end) : OK;
}

uint8_t run_serve(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered,
                  uint32_t *samples)
{
    struct stimulus stimulus = {0, 0, 0, network.projections[0].pre, 0};
    const uint8_t *input = payload, *end = payload + size;
    uint8_t status = read_header(&stimulus, &input, end);
    if (status == OK)
        status = stimulus_check(&stimulus, input, (uint64_t)(end - input));
    if (status != OK)
        return status;

    uint32_t bytes = (uint32_t)sample_bytes(stimulus.steps);
    uint32_t flags = get16(payload + 2), first = get16(payload + 8);
    *answered = bytes * stimulus.batch;
    for (uint32_t i = 0; i < *answered; i++)
        answer[i] = 0;
    for (uint32_t b = 0; b < stimulus.batch; b++) {
        membranes(flags & RESUME ? neurons_take : 0, first + b);
        for (uint32_t t = 0; t < stimulus_steps(&stimulus, b); t++)
            run_step(&stimulus, input, t, answer);
        if (flags & KEEP)
            membranes(neurons_keep, first + b);
        input += stimulus_bytes(&stimulus, b);
        answer += bytes;
    }
    *samples = stimulus.batch;
    return OK;
}
