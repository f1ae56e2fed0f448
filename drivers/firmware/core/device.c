#include "device.h"

#include "bytes.h"
#include "cobs.h"
#include "crc32.h"
#include "hal.h"
#include "hello.h"
#include "lease.h"
#include "limits.h"
#include "network.h"
#include "protocol.h"
#include "run.h"
#include "weights.h"

#define STATS_BYTES 24u

/* The frame that comes in, stuffed, and how much of it came; more than fits is only counted. */
static uint8_t frame[COBS_LONGEST(MAX_PAYLOAD + OVERHEAD_BYTES)];
static uint32_t received;

/* The last answer, and which request it is to. */
static uint8_t answer[MAX_PAYLOAD + OVERHEAD_BYTES];
static uint32_t answer_bytes; /* 0 when there is none */
static uint32_t answered_crc;
static uint8_t answered_sequence;

static uint32_t chip, boot_id;

static struct {
    uint32_t whole, damaged, requests, again, runs, samples;
} counts;

static void boot(uint32_t chip_seed, uint32_t boot_number)
{
    chip = chip_seed;
    boot_id = boot_number;
    received = 0;
    answer_bytes = 0;
    counts.whole = counts.damaged = counts.requests = 0;
    counts.again = counts.runs = counts.samples = 0;
    network_forget();
    lease_forget(boot_id);
}

static uint8_t hello(const uint8_t *payload, uint32_t size, uint8_t *out, uint32_t *answered)
{
    uint8_t status = lease_ask(payload, size);

    if (status == OK)
        *answered = hello_write(out, chip, boot_id);
    return status;
}

static uint8_t stats(uint32_t size, uint8_t *out, uint32_t *answered)
{
    if (size != 0)
        return SIZE;
    put32(out, counts.whole);
    put32(out + 4, counts.damaged);
    put32(out + 8, counts.requests);
    put32(out + 12, counts.again);
    put32(out + 16, counts.runs);
    put32(out + 20, counts.samples);
    *answered = STATS_BYTES;
    return OK;
}

static uint8_t echo(const uint8_t *payload, uint32_t size, uint8_t *out, uint32_t *answered)
{
    for (uint32_t i = 0; i < size; i++)
        out[i] = payload[i];
    *answered = size;
    return OK;
}

static uint8_t run(const uint8_t *payload, uint32_t size, uint8_t *out, uint32_t *answered)
{
    uint32_t samples = 0;
    uint8_t status = run_serve(payload, size, out, answered, &samples);

    if (status == OK) {
        counts.runs++;
        counts.samples += samples;
    }
    return status;
}

/* Do what a request asks for: a status, and the payload of the answer with its size. */
static uint8_t execute(const uint8_t *request, const uint8_t *payload, uint32_t size, uint8_t *out,
                       uint32_t *answered)
{
    uint8_t version = request[0], type = request[2], lease = request[3];

    if (type == HELLO)
        return hello(payload, size, out, answered);
    if (version != PROTOCOL_VERSION)
        return OTHER_VERSION;
    if (lease != lease_held()->number)
        return OWNED;
    switch (type) {
    case STATS:
        return stats(size, out, answered);
    case ECHO:
        return echo(payload, size, out, answered);
    case CONFIGURE:
        return network_configure(payload, size, chip);
    case WRITE:
    case READ:
    case CRC:
    case RUN:
    case DELAYS:
        break;
    case TRIM:
        return UNSUPPORTED;
    default:
        return UNKNOWN;
    }
    if (network.depth == 0)
        return NOT_CONFIGURED;
    switch (type) {
    case WRITE:
        return weights_write(OF_WEIGHTS, payload, size, out, answered);
    case DELAYS:
        return weights_write(OF_DELAYS, payload, size, out, answered);
    case READ:
        return weights_read(payload, size, out, answered);
    case CRC:
        return weights_crc(payload, size, out, answered);
    default:
        return run(payload, size, out, answered);
    }
}

/* Write the header and the crc around a payload; the size of it all. */
static uint32_t close_frame(uint8_t *bytes, uint8_t sequence, uint8_t type, uint8_t status,
                            uint32_t payload)
{
    bytes[0] = PROTOCOL_VERSION;
    bytes[1] = sequence;
    bytes[2] = type;
    bytes[3] = status;
    put32(bytes + HEADER_BYTES + payload, crc32(bytes, HEADER_BYTES + payload));
    return payload + OVERHEAD_BYTES;
}

/* A link error has bytes of its own: it must not take away the last answer. */
static void complain(uint8_t status)
{
    uint8_t bytes[OVERHEAD_BYTES];

    counts.damaged++;
    cobs_send(bytes, close_frame(bytes, 0, LINKERR, status, 0));
}

static void serve(const uint8_t *request, uint32_t size, uint32_t crc)
{
    uint8_t sequence = request[1], type = request[2];

    counts.whole++;
    if (type & ANSWER_BIT)
        return;
    lease_use(request[3]);
    if (answer_bytes != 0 && sequence == answered_sequence && crc == answered_crc) {
        counts.again++;
    } else {
        uint32_t answered = 0;
        counts.requests++;
        uint8_t status = execute(request, request + HEADER_BYTES, size - OVERHEAD_BYTES,
                                 answer + HEADER_BYTES, &answered);
        answer_bytes =
            close_frame(answer, sequence, (uint8_t)(type | ANSWER_BIT), status, answered);
        answered_sequence = sequence;
        answered_crc = crc;
    }
    cobs_send(answer, answer_bytes);
}

static void end_frame(uint32_t stuffed)
{
    if (stuffed > sizeof frame) {
        complain(LINK_LENGTH);
        return;
    }
    uint32_t size = cobs_decode(frame, stuffed);
    if (size == COBS_WRONG) {
        complain(LINK_COBS);
        return;
    }
    if (size < OVERHEAD_BYTES) {
        complain(LINK_LENGTH);
        return;
    }
    uint32_t crc = crc32(frame, size - CRC_BYTES);
    if (crc != get32(frame + size - CRC_BYTES))
        complain(LINK_CRC);
    else if (size > MAX_PAYLOAD + OVERHEAD_BYTES)
        complain(LINK_LENGTH);
    else
        serve(frame, size, crc);
}

/* Take one byte, and answer the frame that it ends. */
static void take(uint8_t byte)
{
    if (byte != 0) {
        if (received < sizeof frame)
            frame[received] = byte;
        if (received <= sizeof frame)
            received++;
        return;
    }
    uint32_t stuffed = received;
    received = 0;
    if (stuffed != 0)
        end_frame(stuffed);
}

void device_serve(uint32_t chip_seed, uint32_t boot_number)
{
    boot(chip_seed, boot_number);
    for (;;)
        take(hal_get());
}
