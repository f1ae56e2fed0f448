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

uint32_t draw_payload(uint8_t type, uint8_t *out)
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
