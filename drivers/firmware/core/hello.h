/* What the device says of itself. */
#ifndef HELLO_H
#define HELLO_H

#include <stdint.h>

/* Write the payload of the answer to HELLO; its size. */
uint32_t hello_write(uint8_t *out, uint32_t chip, uint32_t boot_id);

#endif
