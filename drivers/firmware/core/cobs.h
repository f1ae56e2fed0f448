/* Consistent overhead byte stuffing, Cheshire & Baker 1999, IEEE/ACM Trans. Networking 7(2):159. */
#ifndef COBS_H
#define COBS_H

#include <stdint.h>

/* Most bytes that so many are stuffed into, by any sender. */
#define COBS_LONGEST(size) ((size) + (size) / 254u + 1u)

#define COBS_WRONG UINT32_MAX

/* Decode in place what stood before a zero; the size after it, or COBS_WRONG. */
uint32_t cobs_decode(uint8_t *bytes, uint32_t size);

/* Send bytes stuffed, and the zero that ends them. */
void cobs_send(const uint8_t *bytes, uint32_t size);

#endif
