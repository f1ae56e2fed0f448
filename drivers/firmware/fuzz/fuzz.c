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
#include "draw.h"
#include "hal.h"
#include "limits.h"
#include "protocol.h"

#define ROOM 4096

static unsigned long count, strings, answers, refusals, link_errors;

/* What is being sent, and the whole request in it when it was meant as one. */
static uint8_t sent[ROOM], request[ROOM];
static uint32_t sent_size, sent_next, request_size;

static uint8_t got[ROOM * 4];
static uint32_t got_size;

static void fail(const char *what)
{
    fprintf(stderr, "string %lu: %s\n", strings, what);
    abort();
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
    uint8_t type = (uint8_t)(draw(20) == 0 ? draw(256) : 1 + draw(TRIM));

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
    draw_seed(strtoull(argument[2], NULL, 10));
    device_serve(1, 1);
}
