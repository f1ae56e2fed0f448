/* The clock of the chip. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Run at the board's rate where that can be had; the clock of its USART in Hz. */
uint32_t clock_start(void);

#endif
