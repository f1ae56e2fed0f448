/* The clock of the chip. */
#ifndef CLOCK_H
#define CLOCK_H

#define CLOCK_HZ 125000000u

/* Run at that rate, peripherals too. */
void clock_start(void);

#endif
