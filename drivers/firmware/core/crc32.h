/* CRC-32 of IEEE 802.3, as in zlib. */
#ifndef CRC32_H
#define CRC32_H

#include <stdint.h>

uint32_t crc32(const uint8_t *bytes, uint32_t size);

#endif
