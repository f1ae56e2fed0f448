/* A sum fits 32 bits: 4096 inputs of 4095 over weights of 127 are less than 2^31. */
#include "stimulus.h"

#include "bytes.h"
#include "protocol.h"

#define MOST_CURRENT 4095

#if MAX_INPUTS > 4096 || MAX_NEURONS > 4096
#error "a sum over so many would not fit 32 bits"
#endif

static int32_t current_at(const uint8_t *at)
{
    int32_t value = (int32_t)get16(at);

    return value < 0x8000 ? value : value - 0x10000;
}

int stimulus_is_current(const struct stimulus *stimulus)
{
    return stimulus->kind <= CURRENT_TRACE;
}

/* Bytes of one step. */
static uint32_t step_bytes(const struct stimulus *stimulus)
{
    uint32_t channels = stimulus->channels;

    return stimulus_is_current(stimulus) ? 2 * channels
           : stimulus->kind == EVENT_BITS ? (channels + 7) / 8
                                          : channels;
}

uint32_t stimulus_steps(const struct stimulus *stimulus, uint32_t sample)
{
    return stimulus->lengths == 0 ? stimulus->steps : get16(stimulus->lengths + 2 * sample);
}

uint64_t stimulus_bytes(const struct stimulus *stimulus, uint32_t sample)
{
    uint32_t rows = stimulus->kind == CONSTANT_CURRENT ? 1 : stimulus_steps(stimulus, sample);

    return (uint64_t)rows * step_bytes(stimulus);
}

uint8_t stimulus_check(const struct stimulus *stimulus, const uint8_t *input, uint64_t size)
{
    uint64_t bytes = 0;

    for (uint32_t b = 0; b < stimulus->batch; b++)
        bytes += stimulus_bytes(stimulus, b);
    if (size != bytes)
        return SIZE;
    if (stimulus_is_current(stimulus)) {
        for (uint32_t i = 0; i < size; i += 2) {
            int32_t current = current_at(input + i);
            if (current < -MOST_CURRENT || current > MOST_CURRENT)
                return VALUE;
        }
    }
    uint32_t used = stimulus->channels % 8, row = step_bytes(stimulus);
    if (stimulus->kind == EVENT_BITS && used != 0)
        for (uint32_t end = row; end <= size; end += row)
            if (input[end - 1] >> used != 0)
                return VALUE;
    return OK;
}

static void add(const struct projection *to, uint32_t from, int32_t times, int32_t *sums)
{
    const int8_t *weights = to->weights + from * to->post;

    for (uint32_t j = 0; j < to->post; j++)
        sums[j] += times * weights[j];
}

static void clear(const struct projection *to, int32_t *sums)
{
    for (uint32_t j = 0; j < to->post; j++)
        sums[j] = 0;
}

void stimulus_add_spikes(const struct projection *to, const uint8_t *spikes, int32_t *sums)
{
    clear(to, sums);
    for (uint32_t i = 0; i < to->pre; i++)
        if (spikes[i / 8] >> i % 8 & 1)
            add(to, i, 1, sums);
}

void stimulus_add(const struct stimulus *stimulus, const struct projection *to,
                  const uint8_t *sample, uint32_t step, int32_t *sums)
{
    uint32_t row = stimulus->kind == CONSTANT_CURRENT ? 0 : step;
    const uint8_t *given = sample + row * step_bytes(stimulus);

    if (stimulus->kind == EVENT_BITS) {
        stimulus_add_spikes(to, given, sums);
        return;
    }
    clear(to, sums);
    for (uint32_t i = 0; i < to->pre; i++) {
        int32_t times = stimulus_is_current(stimulus) ? current_at(given + 2 * i) : given[i];
        if (times != 0)
            add(to, i, times, sums);
    }
}
