/* Requests that write and read weights of a configured network. */
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include <stdint.h>

/* Each answers one request: a status, and the payload of the answer with its size. */
uint8_t weights_write(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered);
uint8_t weights_read(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered);
uint8_t weights_crc(const uint8_t *payload, uint32_t size, uint8_t *answer, uint32_t *answered);

#endif
