/* USART1 (PA9 sends, PA10 receives) or USART2 (PA2, PA3) of an STM32F4 (RM0090), 115200 baud, 8 bits,
 * no parity. */
#include "clock.h"
#include "cortex_m.h"
#include "hal.h"
#include "limits.h"

#define RCC_AHB1_ENABLE REGISTER(0x40023830u)
#define ENABLE_PORT_A (1u << 0)
#if USART == 1
#define RCC_USART REGISTER(0x40023844u)
#define ENABLE_USART (1u << 4)
#define USART_BASE 0x40011000u
#define INTERRUPT 37
#define SENDS 9
#else
#define RCC_USART REGISTER(0x40023840u)
#define ENABLE_USART (1u << 17)
#define USART_BASE 0x40004400u
#define INTERRUPT 38
#define SENDS 2
#endif
#define RECEIVES (SENDS + 1)

#define PORT_A 0x40020000u
#define MODE REGISTER(PORT_A + 0x00)
#define PULL REGISTER(PORT_A + 0x0C)
#define FUNCTION(pin) REGISTER(PORT_A + 0x20 + 4 * ((pin) / 8))
#define FUNCTION_USART(pin) (7u << 4 * ((pin) % 8))
#define STATUS REGISTER(USART_BASE + 0x00)
#define DATA REGISTER(USART_BASE + 0x04)
#define RATE REGISTER(USART_BASE + 0x08)
#define CONTROL REGISTER(USART_BASE + 0x0C)

#define STATUS_OVERRUN (1u << 3)
#define STATUS_RECEIVED (1u << 5)
#define STATUS_SEND_EMPTY (1u << 7)
#define CONTROL_ON (1u << 13 | 1u << 5 | 1u << 3 | 1u << 2) /* and an interrupt on reception */

#define BAUD 115200u

void port_start(void)
{
    uint32_t clock = clock_start();

    RCC_AHB1_ENABLE |= ENABLE_PORT_A;
    RCC_USART |= ENABLE_USART;
    (void)RCC_USART; /* a peripheral takes two cycles to wake up */
    FUNCTION(SENDS) |= FUNCTION_USART(SENDS);
    FUNCTION(RECEIVES) |= FUNCTION_USART(RECEIVES);
    PULL = (PULL & ~(3u << 2 * RECEIVES)) | 1u << 2 * RECEIVES; /* without a line, it rests */
    MODE = (MODE & ~(15u << 2 * SENDS)) | 10u << 2 * SENDS;
    RATE = (clock + BAUD / 2) / BAUD;
    CONTROL = CONTROL_ON;
    INTERRUPT_ON(INTERRUPT);
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
