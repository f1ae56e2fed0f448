/* CRC-32 of IEEE 802.3, as in zlib. */
#ifndef CRC32_H
#define CRC32_H

#include <stdint.h>

/* Of bytes that come one by one: from ~0, and turned by ~ in the end. */
uint32_t crc32_next(uint32_t crc, uint8_t byte);

uint32_t crc32(const uint8_t *bytes, uint32_t size);

#endif
