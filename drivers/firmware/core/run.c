#include "run.h"

#include "bytes.h"
#include "network.h"
#include "neurons.h"
#include "probe.h"
#include "protocol.h"
#include "slots.h"
#include "stimulus.h"
#include "synapses.h"

#define RUN_HEADER 12u

enum flag { RESUME = 1, KEEP = 2, LENGTHS = 4, MOST_FLAGS = 7 };

static struct probe probes[MAX_PROBES];
static uint32_t probe_count;

/* A sample that is run. */
struct sample {
    const struct stimulus *stimulus;
    const uint8_t *input;
    const int32_t *before; /* input of the steps before it, the last one first; 0 for none */
};

/* What arrives at a population: drives by currents, which stay from step to step where these are
 * constant, and weighted sums of events. */
static int32_t drives[MAX_NEURONS];
static int32_t events[MAX_NEURONS];

static uint32_t outputs(void)
{
    return network.sizes[network.depth];
}

/* Bytes of one sample in the answer. */
static uint64_t sample_bytes(uint32_t steps)
{
    uint64_t bytes = 2 * outputs();

    for (uint32_t p = 0; p < probe_count; p++)
        bytes += probe_bytes(&probes[p], steps);
    return bytes;
}

/* What a source of a projection did so many steps before a step: a current, or events. */
static int32_t did(const struct sample *sample, const struct projection *to, uint32_t from,
                   uint32_t step, uint32_t ago, int current)
{
    const struct stimulus *stimulus = sample->stimulus;

    if (to->source != 0)
        return neurons_spikes(to->source - 1, ago)[from / 8] >> from % 8 & 1;
    if (ago > step)
        return sample->before == 0
                   ? 0
                   : stimulus_kept(sample->before[(ago - step - 1) * to->pre + from], current);
    if (stimulus_is_current(stimulus) != current)
        return 0;
    return stimulus_at(stimulus, stimulus_row(stimulus, sample->input, step - ago), from);
}

/* Sum what arrives over a projection in a step, currents or events: whether anything does. */
static int sum(const struct sample *sample, const struct projection *to, uint32_t step,
                int current, int32_t *sums)
{
    const struct stimulus *stimulus = sample->stimulus;
    int32_t times[MAX_DELAY + 1];

    if (to->delays != 0) {
        for (uint32_t i = 0; i < to->pre; i++) {
            int32_t any = 0;
            for (uint32_t own = 0; own <= to->longest; own++)
                any |= times[own] = did(sample, to, i, step, to->delay + own, current);
            if (any != 0)
                synapses_add_each(to, i, times, sums);
        }
    } else if (to->source != 0)
        synapses_add_bits(to, neurons_spikes(to->source - 1, to->delay), sums);
    else if (stimulus->kind == EVENT_BITS && to->delay <= step && !current)
        synapses_add_bits(to, stimulus_row(stimulus, sample->input, step - to->delay), sums);
    else {
        int is_now = to->delay <= step && stimulus_is_current(stimulus) == current;
        const uint8_t *row = is_now ? stimulus_row(stimulus, sample->input, step - to->delay) : 0;
        for (uint32_t i = 0; i < to->pre; i++) {
            int32_t one = is_now ? stimulus_at(stimulus, row, i)
                                 : did(sample, to, i, step, to->delay, current);
            if (one != 0)
                synapses_add(to, i, one, sums);
        }
    }
    return synapses_end(to, sums);
}

/* Whether input of a kind can be on its way in a step: that of the sample, or of what was before. */
static int comes(const struct sample *sample, const struct projection *to, uint32_t step,
                 int current)
{
    return stimulus_is_current(sample->stimulus) == current ||
           (sample->before != 0 && step < to->delay + to->longest);
}

/* Let currents flow into a population, and find who spikes. */
static void test(const struct sample *sample, uint32_t l, uint32_t step)
{
    uint32_t count = network.sizes[l + 1];

    for (const struct projection *to = network.projections; to < network.projections + network.count;
         to++) {
        if (to->source != 0 || to->target != l + 1 || !comes(sample, to, step, 1))
            continue;
        if (sample->stimulus->kind != CONSTANT_CURRENT || network.fed > 1 ||
            step <= to->delay + to->longest) {
            if (!sum(sample, to, step, 1, drives))
                synapses_clear(to, drives);
            neurons_drive(l, count, drives, to->multiplier);
        }
        neurons_test(l, count, drives);
        return;
    }
    neurons_test(l, count, 0);
}

static void run_step(const struct sample *sample, uint32_t step, uint8_t *answer)
{
    const struct projection *end = network.projections + network.count;

    neurons_step();
    for (uint32_t l = 0; l < network.depth; l++) {
        test(sample, l, step);
        uint8_t *place = answer + 2 * outputs();
        for (uint32_t p = 0; p < probe_count; p++) {
            if (probes[p].layer == l)
                probe_sample(&probes[p], step, place);
            place += probe_bytes(&probes[p], sample->stimulus->steps);
        }
    }
    for (const struct projection *to = network.projections; to < end; to++)
        if ((to->source != 0 || comes(sample, to, step, 0)) && sum(sample, to, step, 0, events))
            neurons_add(to->target - 1, to->post, events, to->multiplier);
    for (uint32_t l = 0; l < network.depth; l++)
        neurons_reset(l, network.sizes[l + 1]);
    count_spikes(network.depth - 1, outputs(), answer);
}

/* Begin a sample: from what is in a slot, or at rest. */
static void begin(const int32_t *cells)
{
    for (uint32_t l = 0, at = 0; l < network.depth; at += network.sizes[++l])
        if (cells == 0)
            neurons_rest(l, network.sizes[l + 1], network.delay);
        else
            neurons_take(l, network.sizes[l + 1], network.delay, cells + at,
                         cells + network.neurons + at);
}

/* Where a slot has the input of the steps before. */
static int32_t *input_of(int32_t *cells)
{
    return cells + (network.delay != 0 ? 2 : 1) * network.neurons;
}

/* End a sample in a slot. */
static void keep(const struct sample *sample, uint32_t steps, int32_t *cells)
{
    for (uint32_t l = 0, at = 0; l < network.depth; at += network.sizes[++l])
        neurons_keep(l, network.sizes[l + 1], network.delay, cells + at,
                     cells + network.neurons + at);
    stimulus_keep(sample->stimulus, sample->input, steps, input_of(cells), network.input_delay,
                  sample->before != 0);
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
    if ((flags & (RESUME | KEEP)) && first + stimulus->batch > slots_count())
        return ROOM;
    return flags & LENGTHS ? read_lengths(stimulus, at, end) : OK;
}

uint8_t run_serve(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered,
                  uint32_t *samples)
{
    struct stimulus stimulus = {0, 0, 0, network.sizes[0], 0};
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
        int32_t *cells = flags & (RESUME | KEEP) ? slots_cells(first + b) : 0;
        int resumed = (flags & RESUME) != 0;
        struct sample sample = {&stimulus, input, resumed ? input_of(cells) : 0};
        uint32_t steps = stimulus_steps(&stimulus, b);
        begin(resumed ? cells : 0);
        for (uint32_t t = 0; t < steps; t++)
            run_step(&sample, t, answer);
        if (flags & KEEP)
            keep(&sample, steps, cells);
        input += stimulus_bytes(&stimulus, b);
        answer += bytes;
    }
    *samples = stimulus.batch;
    return OK;
}
