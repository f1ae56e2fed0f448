/* Numbers and payloads drawn at random. */
#ifndef DRAW_H
#define DRAW_H

#include <stdint.h>

void draw_seed(uint64_t seed);

/* A number from 0 to below - 1. */
uint32_t draw(uint32_t below);

/* The payload of a request, which means something more often than not; its size. */
uint32_t draw_payload(uint8_t type, uint8_t *out);

#endif
