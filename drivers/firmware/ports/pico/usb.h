/* A serial line over USB. */
#ifndef USB_H
#define USB_H

#include <stdbool.h>
#include <stdint.h>

/* Number of its interrupt. */
#define USB_INTERRUPT 5u

/* Let the host see a device. */
void usb_start(void);

/* Serve the interrupt; whether bytes came, all of which went to `line_received`. */
bool usb_serve(void);

/* Send a byte; a zero sends what was kept for a packet. */
void usb_put(uint8_t byte);

#endif
