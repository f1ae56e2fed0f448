/* UART0 of the MPS2, a CMSDK APB UART (Arm DDI 0479, section 4.3), at 115200 baud. */
#include "cortex_m.h"
#include "hal.h"

#define UART 0x40004000u
#define DATA REGISTER(UART + 0x00)
#define STATE REGISTER(UART + 0x04)
#define CONTROL REGISTER(UART + 0x08)
#define INTERRUPT_CLEAR REGISTER(UART + 0x0C)
#define DIVIDER REGISTER(UART + 0x10)

#define STATE_SEND_FULL (1u << 0)
#define STATE_RECEIVED (1u << 1)
#define CONTROL_SEND (1u << 0)
#define CONTROL_RECEIVE (1u << 1)
#define CONTROL_RECEIVE_INTERRUPT (1u << 3)
#define INTERRUPT_RECEIVE (1u << 1)

#define CLOCK_HZ 25000000u
#define BAUD 115200u

void port_start(void)
{
    DIVIDER = (CLOCK_HZ + BAUD / 2) / BAUD;
    CONTROL = CONTROL_RECEIVE | CONTROL_RECEIVE_INTERRUPT;
    /* A read tells QEMU that there is room; else it may leave what the host sent before lie. It
     * would take a byte that comes just now, so the line is not called on before it is done. */
    if (!(STATE & STATE_RECEIVED))
        (void)DATA;
    CONTROL = CONTROL_SEND | CONTROL_RECEIVE | CONTROL_RECEIVE_INTERRUPT;
    INTERRUPT_ON(0);
}

void port_serve(void)
{
    INTERRUPT_CLEAR = INTERRUPT_RECEIVE;
    while (STATE & STATE_RECEIVED)
        line_received((uint8_t)DATA);
}

void hal_put(uint8_t byte)
{
    while (STATE & STATE_SEND_FULL)
        ;
    DATA = byte;
}
