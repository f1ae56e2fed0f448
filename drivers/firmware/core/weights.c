#include "weights.h"

#include "bytes.h"
#include "crc32.h"
#include "network.h"
#include "protocol.h"

#define RUN_HEADER 6u

static uint32_t cells_of(const struct projection *to)
{
    return to->pre * to->post;
}

/* Whether `count` cells from `first` on are some of the projection's. */
static int within(const struct projection *to, uint32_t first, uint32_t count)
{
    uint32_t cells = cells_of(to);

    return count >= 1 && count <= cells && first <= cells - count;
}

/* Bytes of a value on the line. */
static uint32_t width(enum of_synapses what)
{
    return what == OF_DELAYS ? 2 : 1;
}

static int allowed(const struct projection *to, enum of_synapses what, const uint8_t *value)
{
    return what == OF_DELAYS ? to->delay + get16(value) <= MAX_DELAY
                             : value[0] != 0x80; /* -128 */
}

/* Whether there is such a projection, and has that of its synapses. */
static int has(uint32_t projection, uint32_t what)
{
    return projection < network.count && what <= OF_DELAYS &&
           (what == OF_WEIGHTS || network.projections[projection].delays != 0);
}

/* All runs are looked at before the first is written. */
static uint8_t check_runs(const struct projection *to, enum of_synapses what, const uint8_t *run,
                          const uint8_t *end)
{
    while (run < end) {
        if (end - run < (int)RUN_HEADER)
            return SIZE;
        uint32_t first = get32(run), count = get16(run + 4);
        if (count < 1)
            return VALUE;
        run += RUN_HEADER;
        if ((uint32_t)(end - run) < count * width(what))
            return SIZE;
        if (!within(to, first, count))
            return VALUE;
        for (; count > 0; count--, run += width(what))
            if (!allowed(to, what, run))
                return VALUE;
    }
    return OK;
}

static void write_one(struct projection *to, enum of_synapses what, uint32_t cell,
                      const uint8_t *value)
{
    if (what == OF_WEIGHTS) {
        to->weights[cell] = (int8_t)value[0];
        return;
    }
    to->delays[cell] = (uint8_t)get16(value);
    if (to->delays[cell] > to->longest)
        to->longest = to->delays[cell];
}

uint8_t weights_write(enum of_synapses what, const uint8_t *payload, uint32_t size,
                      uint8_t *answer, uint32_t *answered)
{
    if (size < 2)
        return SIZE;
    if (!has(get16(payload), what))
        return VALUE;
    struct projection *to = &network.projections[get16(payload)];
    const uint8_t *run = payload + 2, *end = payload + size;
    uint8_t status = check_runs(to, what, run, end);
    if (status != OK)
        return status;

    uint32_t written = 0;
    while (run < end) {
        uint32_t first = get32(run), count = get16(run + 4);
        run += RUN_HEADER;
        for (uint32_t i = 0; i < count; i++, run += width(what))
            write_one(to, what, first + i, run);
        written += count;
    }
    put32(answer, written);
    *answered = 4;
    return OK;
}

uint8_t weights_read(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered)
{
    if (size != 10)
        return SIZE;
    uint32_t what = payload[2];
    if (!has(get16(payload), what) || payload[3] != 0)
        return VALUE;
    const struct projection *to = &network.projections[get16(payload)];
    uint32_t first = get32(payload + 4), count = get16(payload + 8);
    if (!within(to, first, count))
        return VALUE;
    if (count * width(what) > MAX_PAYLOAD)
        return SIZE;
    for (uint32_t i = 0; i < count; i++)
        if (what == OF_WEIGHTS)
            answer[i] = (uint8_t)to->weights[first + i];
        else
            put16(answer + 2 * i, to->delays[first + i]);
    *answered = count * width(what);
    return OK;
}

uint8_t weights_crc(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered)
{
    if (size != 4)
        return SIZE;
    if (!has(get16(payload), payload[2]) || payload[3] != 0)
        return VALUE;
    const struct projection *to = &network.projections[get16(payload)];
    uint32_t crc = 0xFFFFFFFF;
    for (uint32_t i = 0; i < cells_of(to); i++)
        if (payload[2] == OF_WEIGHTS)
            crc = crc32_next(crc, (uint8_t)to->weights[i]);
        else
            crc = crc32_next(crc32_next(crc, to->delays[i]), 0);
    put32(answer, ~crc);
    *answered = 4;
    return OK;
}
