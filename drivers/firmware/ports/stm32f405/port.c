/* USART1 of the STM32F405 (RM0090): PA9 sends, PA10 receives, 115200 baud, 8 bits, no parity. */
#include "clock.h"
#include "cortex_m.h"
#include "hal.h"

#define RCC_AHB1_ENABLE REGISTER(0x40023830u)
#define RCC_APB2_ENABLE REGISTER(0x40023844u)
#define ENABLE_PORT_A (1u << 0)
#define ENABLE_USART1 (1u << 4)

#define PORT_A 0x40020000u
#define MODE REGISTER(PORT_A + 0x00)
#define PULL REGISTER(PORT_A + 0x0C)
#define FUNCTION_HIGH REGISTER(PORT_A + 0x24)

#define USART1 0x40011000u
#define STATUS REGISTER(USART1 + 0x00)
#define DATA REGISTER(USART1 + 0x04)
#define RATE REGISTER(USART1 + 0x08)
#define CONTROL REGISTER(USART1 + 0x0C)

#define STATUS_OVERRUN (1u << 3)
#define STATUS_RECEIVED (1u << 5)
#define STATUS_SEND_EMPTY (1u << 7)
#define CONTROL_ON (1u << 13 | 1u << 5 | 1u << 3 | 1u << 2) /* and an interrupt on reception */

#define BAUD 115200u

const uint32_t port_interrupt = 37;

void port_start(void)
{
    uint32_t clock = clock_start();

    RCC_AHB1_ENABLE |= ENABLE_PORT_A;
    RCC_APB2_ENABLE |= ENABLE_USART1;
    (void)RCC_APB2_ENABLE; /* a peripheral takes two cycles to wake up */
    FUNCTION_HIGH = (FUNCTION_HIGH & ~0x00000FF0u) | 0x00000770u;
    PULL = (PULL & ~(3u << 20)) | 1u << 20; /* a line that is not connected rests */
    MODE = (MODE & ~(15u << 18)) | 10u << 18;
    RATE = (clock + BAUD / 2) / BAUD;
    CONTROL = CONTROL_ON;
}

void port_serve(void)
{
    /* An overrun is cleared by the same two reads; its frame is damaged, and comes again. */
    if (STATUS & (STATUS_RECEIVED | STATUS_OVERRUN))
        line_received((uint8_t)DATA);
}

void hal_put(uint8_t byte)
{
    while (!(STATUS & STATUS_SEND_EMPTY))
        ;
    DATA = byte;
}
