/* Random, meant and damaged frames for the device. Whatever comes, it answers with whole frames,
 * never to a request that was not sent, and HELLO as ever in the end.
 *
 * usage: fuzz COUNT SEED */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "cobs.h"
#include "crc32.h"
#include "device.h"
#include "hal.h"
#include "limits.h"
#include "protocol.h"

#define ROOM 4096

static uint64_t state;
static unsigned long count, strings, answers, refusals, link_errors;

/* What is being sent, and the whole request in it when it was meant as one. */
static uint8_t sent[ROOM], request[ROOM];
static uint32_t sent_size, sent_next, request_size;

static uint8_t got[ROOM * 4];
static uint32_t got_size;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13; /* xorshift64, Marsaglia 2003 */
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static void fail(const char *what)
{
    fprintf(stderr, "string %lu: %s\n", strings, what);
    abort();
}

/* A payload that means something more often than not. */
static uint32_t draw_payload(uint8_t type, uint8_t *out)
{
    static uint32_t sizes[MAX_LAYERS + 2] = {8, 8, 8, 8, 8};
    static uint32_t depth = 1;
    uint32_t size = 0;

    switch (type) {
    case CONFIGURE:
        depth = 1 + draw(draw(20) ? MAX_LAYERS : MAX_LAYERS + 1);
        out[0] = (uint8_t)depth;
        out[1] = draw(50) == 0;
        put16(out + 2, draw(0x10000));
        put32(out + 4, 6554 + draw(650000));
        size = 8;
        for (uint32_t l = 0; l <= depth; l++, size += 2)
            put16(out + size, sizes[l] = draw(24) + (draw(20) != 0));
        for (uint32_t l = 0; l < depth; l++, size += 4)
            put32(out + size, draw(1u << draw(24)) + 1);
        return size;
    case WRITE:
        out[size++] = (uint8_t)draw(depth);
        for (uint32_t runs = draw(4); runs > 0; runs--) {
            uint32_t count = draw(40);
            put32(out + size, draw(draw(9) == 0 ? 0xFFFFFFFF : 100));
            put16(out + size + 4, count);
            size += 6;
            while (count-- > 0)
                out[size++] = (uint8_t)draw(256);
        }
        return size;
    case READ:
        out[0] = (uint8_t)draw(depth);
        put32(out + 1, draw(draw(9) == 0 ? 0xFFFFFFFF : 100));
        put16(out + 5, draw(draw(9) == 0 ? 0xFFFF : 60));
        return 7;
    case CRC:
        out[0] = (uint8_t)draw(depth + 1);
        return 1;
    case RUN: {
        uint32_t kind = draw(draw(30) == 0 ? 256 : 4), probes = draw(4), channels = sizes[0];
        uint32_t steps = draw(MAX_STEPS + 2), batch = draw(4);
        uint32_t row = kind < 2 ? 2 * channels : kind == 2 ? (channels + 7) / 8 : channels;
        uint32_t input = batch * row * (kind == 0 ? 1 : steps);
        out[0] = (uint8_t)kind;
        out[1] = (uint8_t)probes;
        put16(out + 2, steps);
        put16(out + 4, batch);
        size = 6;
        for (uint32_t p = 0; p < 4 * probes; p += 4, size += 4) {
            out[size] = (uint8_t)(draw(20) ? 1 + draw(depth) : draw(256));
            out[size + 1] = (uint8_t)draw(2);
            out[size + 2] = (uint8_t)draw(3);
            out[size + 3] = (uint8_t)(out[size + 1] ? draw(steps + 2) : 1);
        }
        for (uint32_t i = 0; i < input && size < MAX_PAYLOAD; i++)
            out[size++] = (uint8_t)(kind == 1 || kind == 0 ? (i % 2 ? draw(16) : draw(256))
                                    : kind == 2 && channels % 8 ? draw(1u << channels % 8)
                                                                : draw(256));
        return size;
    }
    default:
        for (size = 0; draw(12) != 0 && size < MAX_PAYLOAD; size++)
            out[size] = (uint8_t)draw(256);
        if (draw(40) == 0)
            return MAX_PAYLOAD - 5 + draw(10);
        return draw(3) ? size : 0;
    }
}

/* Send bytes as the device would, with their crc. */
static void stuff(uint8_t *bytes, uint32_t size)
{
    put32(bytes + size, crc32(bytes, size));
    got_size = 0;
    cobs_send(bytes, size + CRC_BYTES);
    memcpy(sent, got, sent_size = got_size);
}

static void make_request(uint8_t type, uint32_t payload)
{
    request[0] = draw(40) ? PROTOCOL_VERSION : (uint8_t)draw(256);
    request[1] = (uint8_t)draw(256);
    request[2] = type;
    request[3] = 0;
    request_size = payload + OVERHEAD_BYTES;
    stuff(request, HEADER_BYTES + payload);
}

/* Too short to be a frame, with a crc that is right. */
static void draw_stump(void)
{
    uint8_t bytes[HEADER_BYTES + CRC_BYTES];

    for (uint32_t i = 0; i < HEADER_BYTES; i++)
        bytes[i] = (uint8_t)draw(256);
    request_size = 0;
    stuff(bytes, draw(HEADER_BYTES));
}

static void draw_request(void)
{
    uint8_t type = (uint8_t)(draw(20) == 0 ? draw(256) : 1 + draw(RUN));

    make_request(type, draw_payload(type, request + HEADER_BYTES));
}

static void draw_bytes(void)
{
    request_size = 0;
    sent_size = draw(draw(50) == 0 ? ROOM - 1 : 60);
    for (uint32_t i = 0; i < sent_size; i++)
        sent[i] = (uint8_t)draw(256);
    sent[sent_size++] = 0;
}

static void damage(void)
{
    for (uint32_t faults = 1 + draw(3); faults > 0; faults--) {
        uint32_t at = draw(sent_size), left = sent_size - at;
        switch (draw(5)) {
        case 0: /* flip a bit */
            sent[at] ^= (uint8_t)(1u << draw(8));
            break;
        case 1: /* overwrite */
            sent[at] = (uint8_t)draw(256);
            break;
        case 2: /* lose bytes */
            left = 1 + draw(left);
            memmove(sent + at, sent + at + left, sent_size - at - left);
            sent_size -= left;
            break;
        case 3: /* double the rest */
            if (sent_size + left < ROOM) {
                memmove(sent + at + left, sent + at, left);
                sent_size += left;
            }
            break;
        default: /* insert a byte */
            if (sent_size + 1 < ROOM) {
                memmove(sent + at + 1, sent + at, left);
                sent[at] = (uint8_t)draw(256);
                sent_size++;
            }
        }
        if (sent_size == 0)
            break;
    }
    if (sent_size == 0 || sent[sent_size - 1] != 0)
        sent[sent_size++] = 0;
}

static uint32_t end_of(const uint8_t *bytes, uint32_t from)
{
    while (bytes[from] != 0)
        from++;
    return from;
}

/* How often the whole request is in what was sent. */
static uint32_t requests_sent(void)
{
    static uint8_t piece[ROOM];
    uint32_t found = 0;

    for (uint32_t from = 0; from < sent_size; from = end_of(sent, from) + 1) {
        uint32_t size = end_of(sent, from) - from;
        memcpy(piece, sent + from, size);
        size = cobs_decode(piece, size);
        if (request_size != 0 && size == request_size && memcmp(piece, request, size) == 0)
            found++;
    }
    return found;
}

static void check(void)
{
    uint32_t allowed = requests_sent();

    if (got_size != 0 && got[got_size - 1] != 0)
        fail("half an answer");
    for (uint32_t from = 0, end; from < got_size; from = end + 1) {
        end = end_of(got, from);
        uint8_t *answer = got + from;
        uint32_t size = cobs_decode(answer, end - from);
        if (size == COBS_WRONG || size < OVERHEAD_BYTES || size > MAX_PAYLOAD + OVERHEAD_BYTES ||
            crc32(answer, size - CRC_BYTES) != get32(answer + size - CRC_BYTES))
            fail("a broken answer");
        if (answer[2] == LINKERR && answer[1] == 0 && answer[3] < UNKNOWN) {
            link_errors++;
            continue;
        }
        if (allowed-- == 0)
            fail("an answer to nothing");
        if (answer[1] != request[1] || answer[2] != (request[2] | ANSWER_BIT))
            fail("an answer to something else");
        if (answer[3] != OK && size != OVERHEAD_BYTES)
            fail("a refusal with a payload");
        if (answer[3] == OK)
            answers++;
        else
            refusals++;
    }
}

/* The next string to send; after the last of them HELLO, and after that the end. */
static void next(void)
{
    static int greeted;

    if (greeted) {
        if (got_size == 0 || memcmp(got + HEADER_BYTES, "SPKL", 4) != 0)
            fail("HELLO is not answered");
        printf("%lu strings: %lu answers, %lu refusals, %lu link errors; then HELLO is answered\n",
               strings, answers, refusals, link_errors);
        exit(0);
    }
    if (strings == count) {
        greeted = 1;
        make_request(HELLO, 0);
    } else {
        strings++;
        if (draw(4) == 0) {
            draw_bytes();
        } else if (draw(50) == 0) {
            draw_stump();
        } else {
            draw_request();
            if (draw(3) == 0)
                damage();
        }
    }
    sent_next = got_size = 0;
}

uint8_t hal_get(void)
{
    while (sent_next == sent_size) {
        check();
        next();
    }
    return sent[sent_next++];
}

void hal_put(uint8_t byte)
{
    if (got_size == sizeof got)
        fail("no end of answers");
    got[got_size++] = byte;
}

int main(int arguments, char **argument)
{
    if (arguments != 3) {
        fprintf(stderr, "usage: %s COUNT SEED\n", argument[0]);
        return 2;
    }
    count = strtoul(argument[1], NULL, 10);
    state = strtoull(argument[2], NULL, 10) * 2654435761u + 1;
    device_serve(1, 1);
}
