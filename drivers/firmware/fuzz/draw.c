#include "draw.h"

#include "bytes.h"
#include "limits.h"
#include "protocol.h"

static uint64_t state;

void draw_seed(uint64_t seed)
{
    state = seed * 2654435761u + 1;
}

uint32_t draw(uint32_t below)
{
    state ^= state << 13; /* xorshift64, Marsaglia 2003 */
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

/* What is drawn after a network was: its size, so that requests are about what is there. */
static uint32_t sizes[MAX_LAYERS + 2] = {8, 8, 8, 8, 8};
static uint32_t depth = 1, count = 1;

/* Mostly a value, now and then another one. */
static uint32_t mostly(uint32_t value)
{
    return draw(60) ? value : draw(draw(2) ? 4 : 0x10000);
}

static uint32_t draw_network(uint8_t *out)
{
    uint32_t size = 12;

    depth = 1 + draw(draw(20) ? MAX_LAYERS : MAX_LAYERS + 1);
    for (uint32_t l = 0; l <= depth; l++)
        sizes[l] = draw(draw(2) ? 6 : 24) + (draw(20) != 0);
    put16(out, depth);
    count = mostly(draw(2) ? depth : depth + draw(3)) % 40;
    put16(out + 2, count);
    put32(out + 4, sizes[0]);
    put16(out + 8, mostly(2));
    put16(out + 10, mostly(0));
    for (uint32_t l = 0; l < depth; l++, size += 16) {
        put32(out + size, sizes[l + 1]);
        put32(out + size + 4, mostly(0));
        put32(out + size + 8, draw(0x10000) + (draw(40) == 0));
        put32(out + size + 12, 6554 + draw(650000));
    }
    /* A chain, or after it, or instead of it, any projections with any delays. */
    uint32_t graph = draw(3), delayed = draw(2), chain = graph == 2 ? 0 : depth;
    for (uint32_t p = 0; p < count; p++, size += 12) {
        put16(out + size, mostly(p < chain ? p : draw(depth + 1)));
        put16(out + size + 2, mostly(p < chain ? p + 1 : 1 + draw(depth)));
        put16(out + size + 4, mostly(graph && delayed ? draw(MAX_DELAY + 1) : 0));
        put16(out + size + 6, mostly(graph && delayed ? draw(2) : 0));
        put32(out + size + 8, draw(1u << draw(24)) + 1);
    }
    return size;
}

static uint32_t draw_probe(uint8_t *out, uint32_t steps)
{
    uint32_t layer = 1 + draw(depth), named = draw(3) ? 0 : draw(5);

    put16(out, mostly(layer));
    out[2] = (uint8_t)draw(2);
    out[3] = (uint8_t)draw(3);
    put16(out + 4, out[2] ? draw(steps + 2) : mostly(1));
    put16(out + 6, named);
    for (uint32_t i = 0; i < named; i++)
        put32(out + 8 + 4 * i, draw(40) ? draw(sizes[layer] + 1) : draw(0xFFFFFFFF));
    return 8 + 4 * named;
}

static uint32_t draw_run(uint8_t *out)
{
    uint32_t kind = draw(draw(30) == 0 ? 256 : 4), probes = draw(4), channels = sizes[0];
    uint32_t steps = draw(MAX_STEPS + 2), batch = draw(4), flags = draw(2) ? 0 : draw(8);
    uint32_t row = kind < 2 ? 2 * channels : kind == 2 ? (channels + 7) / 8 : channels;
    uint32_t size = 12, rows = 0;

    out[0] = (uint8_t)kind;
    out[1] = (uint8_t)probes;
    put16(out + 2, mostly(flags));
    put16(out + 4, steps);
    put16(out + 6, batch);
    put16(out + 8, flags & 3 ? mostly(draw(3)) : mostly(0));
    put16(out + 10, mostly(0));
    while (probes-- > 0)
        size += draw_probe(out + size, steps);
    for (uint32_t b = 0; b < batch; b++) {
        uint32_t length = flags & 4 ? draw(steps + 1) + (draw(30) == 0) : steps;
        if (flags & 4) {
            put16(out + size, length);
            size += 2;
        }
        rows += kind == 0 ? 1 : length;
    }
    for (uint32_t i = 0; i < rows * row && size < MAX_PAYLOAD; i++)
        out[size++] = (uint8_t)(kind < 2                       ? (i % 2 ? draw(16) : draw(256))
                                : kind == 2 && channels % 8 ? draw(1u << channels % 8)
                                                            : draw(256));
    return size;
}

uint32_t draw_payload(uint8_t type, uint8_t *out)
{
    uint32_t size = 0;

    switch (type) {
    case CONFIGURE:
        return draw_network(out);
    case WRITE:
    case DELAYS:
        put16(out, mostly(draw(count + 1)));
        size = 2;
        for (uint32_t runs = draw(4); runs > 0; runs--) {
            uint32_t values = draw(40);
            put32(out + size, draw(draw(9) == 0 ? 0xFFFFFFFF : 100));
            put16(out + size + 4, values);
            size += 6;
            for (; values > 0; values--, size += type == WRITE ? 1 : 2)
                if (type == WRITE)
                    out[size] = (uint8_t)draw(256);
                else
                    put16(out + size, mostly(draw(MAX_DELAY)));
        }
        return size;
    case READ:
    case CRC:
        put16(out, mostly(draw(count + 1)));
        out[2] = (uint8_t)mostly(draw(2));
        out[3] = (uint8_t)mostly(0);
        put32(out + 4, draw(draw(9) == 0 ? 0xFFFFFFFF : 100));
        put16(out + 8, draw(draw(9) == 0 ? 0xFFFF : 60));
        return type == READ ? 10 : 4;
    case RUN:
        return draw_run(out);
    default:
        for (size = 0; draw(12) != 0 && size < MAX_PAYLOAD; size++)
            out[size] = (uint8_t)draw(256);
        if (draw(40) == 0)
            return MAX_PAYLOAD - 5 + draw(10);
        return draw(3) ? size : 0;
    }
}
