#include "lease.h"

#include "bytes.h"
#include "protocol.h"

#define ASKED_BYTES 12u
#define GIVE_BACK 1u

static struct lease held;
static uint8_t last;

static void hold(uint8_t number, uint32_t token, const uint8_t *name, uint32_t size)
{
    held.number = number;
    held.token = token;
    held.used = 0;
    for (uint32_t i = 0; i < LEASE_NAME; i++)
        held.name[i] = i < size ? name[i] : 0;
}

void lease_forget(uint32_t boot_id)
{
    last = (uint8_t)boot_id;
    hold(0, 0, 0, 0);
}

void lease_use(uint8_t number)
{
    if (number != 0 && number == held.number)
        held.used++;
}

uint8_t lease_ask(const uint8_t *payload, uint32_t size)
{
    if (size == 0)
        return OK;
    if (size < ASKED_BYTES || size > ASKED_BYTES + LEASE_NAME)
        return SIZE;
    uint32_t token = get32(payload);
    if (token == 0 || payload[5] > GIVE_BACK || get16(payload + 6) != 0)
        return VALUE;
    if (token == held.token) {
        if (payload[5] == GIVE_BACK)
            hold(0, 0, 0, 0);
    } else if (payload[5] != GIVE_BACK &&
               (held.number == 0 ||
                (payload[4] == held.number && get32(payload + 8) == held.used))) {
        last = (uint8_t)(last % 255u + 1u);
        hold(last, token, payload + ASKED_BYTES, size - ASKED_BYTES);
    }
    return OK;
}

const struct lease *lease_held(void)
{
    return &held;
}
