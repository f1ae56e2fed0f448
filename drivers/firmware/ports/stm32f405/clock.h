/* The clock of the chip. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Run at 168 MHz where that can be had; the clock of USART1 in Hz. */
uint32_t clock_start(void);

#endif
