/* The serial lines of the RP2040: USB, and UART0, a PL011 (Arm DDI 0183), of which GP0 sends and GP1
 * receives, 115200 baud, 8 bits, no parity. Answers go where the last byte came from. */
#include "clock.h"
#include "cortex_m.h"
#include "hal.h"
#include "usb.h"

#define RESETS 0x4000C000u
#define RESET_ON REGISTER(RESETS + 0x2000)  /* sets bits */
#define RESET_OFF REGISTER(RESETS + 0x3000) /* clears bits */
#define RESET_DONE REGISTER(RESETS + 0x08)
#define PINS (1u << 5 | 1u << 8) /* and their pads */
#define PLLS (1u << 12 | 1u << 13)
#define UART0 (1u << 22)
#define USB_CONTROLLER (1u << 24)

#define PIN_0_FUNCTION REGISTER(0x40014004u)
#define PIN_1_FUNCTION REGISTER(0x4001400Cu)
#define FUNCTION_UART 2u
#define PIN_1_PAD REGISTER(0x4001C008u)
#define PAD_PULLED_UP 0x5Au /* a line that is not connected rests */

#define UART 0x40034000u
#define DATA REGISTER(UART + 0x00)
#define FLAGS REGISTER(UART + 0x18)
#define RATE_WHOLE REGISTER(UART + 0x24)
#define RATE_64THS REGISTER(UART + 0x28)
#define FORMAT REGISTER(UART + 0x2C)
#define CONTROL REGISTER(UART + 0x30)
#define FILL_LEVELS REGISTER(UART + 0x34)
#define INTERRUPTS_ON REGISTER(UART + 0x38)

#define FLAG_RECEIVE_EMPTY (1u << 4)
#define FLAG_SEND_FULL (1u << 5)
#define FORMAT_8_BITS_BUFFERED (3u << 5 | 1u << 4)
#define CONTROL_ON (1u << 9 | 1u << 8 | 1u << 0)
#define ON_RECEPTION (1u << 4 | 1u << 6) /* the buffer fills, or rests with something in it */

#define UART_INTERRUPT 20u

#define BAUD 115200u
#define RATE ((8u * CLOCK_HZ / BAUD + 1) / 2) /* of 16 samples a bit, in 64ths */

void port_start(void)
{
    RESET_ON = UART0 | USB_CONTROLLER;
    RESET_OFF = PINS | PLLS | UART0 | USB_CONTROLLER;
    while (~RESET_DONE & (PINS | PLLS))
        ;
    clock_start();
    while (~RESET_DONE & (UART0 | USB_CONTROLLER))
        ;
    PIN_1_PAD = PAD_PULLED_UP;
    PIN_0_FUNCTION = FUNCTION_UART;
    PIN_1_FUNCTION = FUNCTION_UART;
    RATE_WHOLE = RATE / 64;
    RATE_64THS = RATE % 64;
    FORMAT = FORMAT_8_BITS_BUFFERED;
    FILL_LEVELS = 0; /* at 4 of 32 */
    INTERRUPTS_ON = ON_RECEPTION;
    CONTROL = CONTROL_ON;
    INTERRUPT_ON(UART_INTERRUPT);
    usb_start();
    INTERRUPT_ON(USB_INTERRUPT);
}

static volatile bool is_usb;

void port_serve(void)
{
    if (usb_serve())
        is_usb = true;
    while (!(FLAGS & FLAG_RECEIVE_EMPTY)) {
        is_usb = false;
        line_received((uint8_t)DATA);
    }
}

void hal_put(uint8_t byte)
{
    if (is_usb) {
        usb_put(byte);
        return;
    }
    while (FLAGS & FLAG_SEND_FULL)
        ;
    DATA = byte;
}
