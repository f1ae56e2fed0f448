/* What a port to a Cortex-M gives to the start-up code, and gets from it. */
#ifndef CORTEX_M_H
#define CORTEX_M_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Where the core begins. */
void reset(void);

/* Number of interrupts in the vector table. */
#define INTERRUPTS 96

/* The port: set up clocks and the serial line, with its interrupt for a byte that came. */
void port_start(void);

/* The port: number of that interrupt, and what serves it; it calls `line_received`. */
extern const uint32_t port_interrupt;
void port_serve(void);

/* A byte came. */
void line_received(uint8_t byte);

#endif
