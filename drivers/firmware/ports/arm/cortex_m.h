/* What a port to a Cortex-M gives to the start-up code, and gets from it. */
#ifndef CORTEX_M_H
#define CORTEX_M_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Where the core begins. */
void reset(void);

/* Number of interrupts in the vector table. */
#define INTERRUPTS 96

/* Let an interrupt of the port come. */
#define INTERRUPT_ON(number) (REGISTER(0xE000E100u + 4 * ((number) / 32)) = 1u << (number) % 32)

/* Seed of the chip, which is known when the port starts. */
extern uint32_t chip_seed;

/* The port: set up clocks and the serial line, and let its interrupt come when a byte has. */
void port_start(void);

/* The port: serve any interrupt; it calls `line_received`. */
void port_serve(void);

/* A byte came. */
void line_received(uint8_t byte);

#endif
