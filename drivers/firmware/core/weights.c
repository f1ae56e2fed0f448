#include "weights.h"

#include "bytes.h"
#include "crc32.h"
#include "network.h"
#include "protocol.h"

#define RUN_HEADER 6u
#define DELAYS_TOO 1u

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

/* All runs are looked at before the first is written. */
static uint8_t check_runs(const struct projection *to, const uint8_t *run, const uint8_t *end)
{
    while (run < end) {
        if (end - run < (int)RUN_HEADER)
            return SIZE;
        uint32_t first = get32(run), count = get16(run + 4);
        if (count < 1)
            return VALUE;
        run += RUN_HEADER;
        if ((uint32_t)(end - run) < count)
            return SIZE;
        if (!within(to, first, count))
            return VALUE;
        for (uint32_t i = 0; i < count; i++)
            if (run[i] == 0x80) /* -128 */
                return VALUE;
        run += count;
    }
    return OK;
}

uint8_t weights_write(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered)
{
    if (size < 2)
        return SIZE;
    if (get16(payload) >= network.depth)
        return VALUE;
    const struct projection *to = &network.projections[get16(payload)];
    const uint8_t *run = payload + 2, *end = payload + size;
    uint8_t status = check_runs(to, run, end);
    if (status != OK)
        return status;

    uint32_t written = 0;
    while (run < end) {
        int8_t *cell = to->weights + get32(run);
        uint32_t count = get16(run + 4);
        run += RUN_HEADER;
        for (uint32_t i = 0; i < count; i++)
            cell[i] = (int8_t)run[i];
        run += count;
        written += count;
    }
    put32(answer, written);
    *answered = 4;
    return OK;
}

/* Of which projection, and what of it: weights, since delays there are none. */
static uint8_t check_read(const uint8_t *payload)
{
    if (get16(payload) >= network.depth || payload[2] > DELAYS_TOO || payload[3] != 0)
        return VALUE;
    return payload[2] == 0 ? OK : UNSUPPORTED;
}

uint8_t weights_read(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered)
{
    if (size != 10)
        return SIZE;
    uint8_t status = check_read(payload);
    if (status != OK)
        return status;
    const struct projection *to = &network.projections[get16(payload)];
    uint32_t first = get32(payload + 4), count = get16(payload + 8);
    if (!within(to, first, count))
        return VALUE;
    if (count > MAX_PAYLOAD)
        return SIZE;
    for (uint32_t i = 0; i < count; i++)
        answer[i] = (uint8_t)to->weights[first + i];
    *answered = count;
    return OK;
}

uint8_t weights_crc(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered)
{
    if (size != 4)
        return SIZE;
    uint8_t status = check_read(payload);
    if (status != OK)
        return status;
    const struct projection *to = &network.projections[get16(payload)];
    put32(answer, crc32((const uint8_t *)to->weights, cells_of(to)));
    *answered = 4;
    return OK;
}
