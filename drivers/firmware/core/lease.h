/* Whose the device is: of two hosts on one line, the one that holds the lease. */
#ifndef LEASE_H
#define LEASE_H

#include <stdint.h>

#define LEASE_NAME 32u

struct lease {
    uint8_t number; /* 0: nobody's */
    uint32_t token; /* of its owner */
    uint32_t used;  /* frames received under it */
    uint8_t name[LEASE_NAME];
};

/* Be nobody's; numbers of leases go on from the boot's. */
void lease_forget(uint32_t boot_id);

/* Take note of a frame received under a lease. */
void lease_use(uint8_t number);

/* Do what the payload of a HELLO asks for: a status. */
uint8_t lease_ask(const uint8_t *payload, uint32_t size);

/* Whose it is. */
const struct lease *lease_held(void);

#endif
