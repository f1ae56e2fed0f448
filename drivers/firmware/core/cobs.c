#include "cobs.h"

#include "hal.h"

#define LONGEST_BLOCK 254u

uint32_t cobs_decode(uint8_t *bytes, uint32_t size)
{
    uint32_t from = 0, to = 0;

    while (from < size) {
        uint32_t code = bytes[from];
        if (code == 0 || code > size - from)
            return COBS_WRONG;
        /* What is written never overtakes what is read: a block loses its code. */
        for (uint32_t i = 1; i < code; i++)
            bytes[to++] = bytes[from + i];
        from += code;
        if (code <= LONGEST_BLOCK && from < size)
            bytes[to++] = 0;
    }
    return to;
}

void cobs_send(const uint8_t *bytes, uint32_t size)
{
    uint32_t start = 0;

    for (;;) {
        uint32_t end = start;
        while (end < size && bytes[end] != 0 && end - start < LONGEST_BLOCK)
            end++;
        hal_put((uint8_t)(end - start + 1));
        for (uint32_t i = start; i < end; i++)
            hal_put(bytes[i]);
        if (end == size)
            break;
        /* A full block stands for no zero. */
        start = end - start == LONGEST_BLOCK ? end : end + 1;
    }
    hal_put(0);
}
