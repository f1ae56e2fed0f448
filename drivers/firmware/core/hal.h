/* What a port has to offer. */
#ifndef HAL_H
#define HAL_H

#include <stdint.h>

/* The next byte from the host; waits for it. */
uint8_t hal_get(void);

/* Send a byte to the host. A frame ends with a zero, so a port that buffers can flush then. */
void hal_put(uint8_t byte);

#endif
