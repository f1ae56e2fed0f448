#include "run.h"

#include "bytes.h"
#include "network.h"
#include "neurons.h"
#include "probe.h"
#include "protocol.h"
#include "stimulus.h"

#define RUN_HEADER 6u
#define PROBE_BYTES 4u
#define MAX_PROBES 8u

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

uint8_t run_serve(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered,
                  uint32_t *samples)
{
    if (size < RUN_HEADER)
        return SIZE;
    struct stimulus stimulus = {payload[0], get16(payload + 2), get16(payload + 4),
                                network.projections[0].pre};
    probe_count = payload[1];
    if (stimulus.kind > MOST_KIND || probe_count > MAX_PROBES || stimulus.steps < 1 ||
        stimulus.steps > MAX_STEPS || stimulus.batch < 1)
        return VALUE;
    uint32_t start = RUN_HEADER + PROBE_BYTES * probe_count;
    if (size < start)
        return SIZE;
    for (uint32_t p = 0; p < probe_count; p++)
        if (!probe_read(&probes[p], payload + RUN_HEADER + PROBE_BYTES * p, stimulus.steps))
            return VALUE;
    uint64_t bytes = sample_bytes(stimulus.steps);
    if (bytes * stimulus.batch > MAX_PAYLOAD)
        return SIZE;
    const uint8_t *input = payload + start;
    uint8_t status = stimulus_check(&stimulus, input, size - start);
    if (status != OK)
        return status;

    *answered = (uint32_t)bytes * stimulus.batch;
    for (uint32_t i = 0; i < *answered; i++)
        answer[i] = 0;
    for (uint32_t b = 0; b < stimulus.batch; b++) {
        for (uint32_t l = 0; l < network.depth; l++)
            neurons_rest(l, network.projections[l].post);
        for (uint32_t t = 0; t < stimulus.steps; t++)
            run_step(&stimulus, input, t, answer);
        input += stimulus_bytes(&stimulus);
        answer += bytes;
    }
    *samples = stimulus.batch;
    return OK;
}
