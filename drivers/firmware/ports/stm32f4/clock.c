/* The PLL from the oscillator inside the chip, so that no crystal has to be known. It is within 1 %
 * at room temperature (datasheet DocID022152), which a serial line bears. Numbers are of RM0090; those
 * of the STM32F411 (RM0383) and STM32F446 (RM0390) are the same. */
#include "clock.h"

#include "cortex_m.h"
#include "limits.h"

#define RCC_CONTROL REGISTER(0x40023800u)
#define RCC_PLL REGISTER(0x40023804u)
#define RCC_CONFIGURATION REGISTER(0x40023808u)
#define FLASH_ACCESS REGISTER(0x40023C00u)

#define PLL_ON (1u << 24)
#define PLL_READY (1u << 25)

/* 16 MHz / 8 * N / 2; the clock of USB, / 7, is not used. */
#define PLL_SETTING (8u | (CORE_MHZ) << 6 | 0u << 16 | 7u << 24)

/* APB1, of USART2, at a quarter and APB2, of USART1, at half of the core's clock, whose source is
 * then the PLL. */
#define BUS_SHARE (USART == 2 ? 4u : 2u)
#define APB_DIVIDERS (5u << 10 | 4u << 13)
#define SOURCE_PLL 2u
#define SOURCE_USED(configuration) ((configuration) >> 2 & 3u)

/* Wait states, prefetch, both caches. */
#define FLASH_SETTING (FLASH_WAITS | 1u << 8 | 1u << 9 | 1u << 10)

/* Rounds of a loop; the PLL locks within 0.3 ms, some 500 of them. QEMU has none. */
#define PATIENCE 4000u

uint32_t clock_start(void)
{
    /* A boot loader may have left another source in use: go back to the oscillator first. */
    RCC_CONFIGURATION = 0;
    for (uint32_t i = 0; i < PATIENCE && SOURCE_USED(RCC_CONFIGURATION) != 0; i++)
        ;
    RCC_CONTROL &= ~PLL_ON;
    for (uint32_t i = 0; i < PATIENCE && (RCC_CONTROL & PLL_READY); i++)
        ;
    RCC_PLL = PLL_SETTING;
    RCC_CONTROL |= PLL_ON;
    for (uint32_t i = 0; i < PATIENCE && !(RCC_CONTROL & PLL_READY); i++)
        ;
    if (!(RCC_CONTROL & PLL_READY))
        return 16000000u;
    FLASH_ACCESS = FLASH_SETTING;
    RCC_CONFIGURATION = APB_DIVIDERS;
    RCC_CONFIGURATION = APB_DIVIDERS | SOURCE_PLL;
    for (uint32_t i = 0; i < PATIENCE && SOURCE_USED(RCC_CONFIGURATION) != SOURCE_PLL; i++)
        ;
    return SOURCE_USED(RCC_CONFIGURATION) == SOURCE_PLL
               ? CORE_MHZ * 1000000u / BUS_SHARE
               : 16000000u / BUS_SHARE;
}
