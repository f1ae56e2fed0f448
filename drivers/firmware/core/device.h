/* The device: frames in, answers out. */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdint.h>

/* Boot, with no network, no last answer and all counts 0; then answer what comes, for ever.
 *
 * chip: seed of the fixed pattern; 0 is the ideal device.
 * boot_id: a number that differs from the one of the boot before. */
void device_serve(uint32_t chip, uint32_t boot_id);

#endif
