/* Bytes that came are kept until the device asks for them, so that none is lost while it computes
 * or sends. There is room for a whole frame. */
#include "cobs.h"
#include "cortex_m.h"
#include "hal.h"
#include "limits.h"
#include "protocol.h"

#define ROOM_BYTES (COBS_LONGEST(MAX_PAYLOAD + OVERHEAD_BYTES) + 2u)

static volatile uint8_t kept[ROOM_BYTES];
static volatile uint32_t first, next; /* written by one side each */

static uint32_t after(uint32_t place)
{
    return place + 1 == ROOM_BYTES ? 0 : place + 1;
}

void line_received(uint8_t byte)
{
    if (after(next) == first)
        return; /* a host that sends more than one frame at once loses it, and sends it again */
    kept[next] = byte;
    next = after(next);
}

uint8_t hal_get(void)
{
    /* Interrupts wait while this looks, else one could come between the look and the sleep; they
     * end the sleep all the same. */
    while (first == next) {
        __asm__ volatile("cpsid i" ::: "memory");
        if (first == next)
            __asm__ volatile("wfi" ::: "memory");
        __asm__ volatile("cpsie i\n isb" ::: "memory");
    }
    uint8_t byte = kept[first];
    first = after(first);
    return byte;
}
