#include "stimulus.h"

#include "protocol.h"

#define MOST_CURRENT 4095

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
            int32_t current = (int16_t)get16(input + i);
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

const uint8_t *stimulus_row(const struct stimulus *stimulus, const uint8_t *sample, uint32_t step)
{
    return sample + (stimulus->kind == CONSTANT_CURRENT ? 0 : step) * step_bytes(stimulus);
}

int32_t stimulus_kept(int32_t cell, int current)
{
    return current ? (int16_t)(cell & 0xFFFF) : cell >> 16;
}

void stimulus_keep(const struct stimulus *stimulus, const uint8_t *sample, uint32_t steps,
                   int32_t *rows, uint32_t past, int resumed)
{
    uint32_t channels = stimulus->channels;

    /* From the oldest, so that none is overwritten before it has moved on. */
    for (uint32_t ago = past; ago-- > 0;)
        for (uint32_t i = 0; i < channels; i++) {
            int32_t *cell = rows + ago * channels + i;
            if (ago >= steps) {
                *cell = resumed ? rows[(ago - steps) * channels + i] : 0;
                continue;
            }
            int32_t value = stimulus_at(stimulus, stimulus_row(stimulus, sample, steps - 1 - ago), i);
            *cell = stimulus_is_current(stimulus) ? value & 0xFFFF : value << 16;
        }
}
