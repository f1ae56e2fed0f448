/* 168 MHz from the oscillator inside the chip, so that no crystal has to be known. It is within 1 %
 * at room temperature (datasheet DocID022152), which a serial line bears. Numbers are of RM0090. */
#include "clock.h"

#include "cortex_m.h"

#define RCC_CONTROL REGISTER(0x40023800u)
#define RCC_PLL REGISTER(0x40023804u)
#define RCC_CONFIGURATION REGISTER(0x40023808u)
#define FLASH_ACCESS REGISTER(0x40023C00u)

#define PLL_ON (1u << 24)
#define PLL_READY (1u << 25)

/* 16 MHz / 8 * 168 / 2; the 48 MHz of USB, / 7, are not used. */
#define PLL_168_MHZ (8u | 168u << 6 | 0u << 16 | 7u << 24)

/* APB1 at a quarter, APB2 at half of the core's clock, then the PLL as its source. */
#define APB_DIVIDERS (5u << 10 | 4u << 13)
#define SOURCE_PLL 2u
#define SOURCE_USED(configuration) ((configuration) >> 2 & 3u)

/* 5 wait states, prefetch, both caches. */
#define FLASH_168_MHZ (5u | 1u << 8 | 1u << 9 | 1u << 10)

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
    RCC_PLL = PLL_168_MHZ;
    RCC_CONTROL |= PLL_ON;
    for (uint32_t i = 0; i < PATIENCE && !(RCC_CONTROL & PLL_READY); i++)
        ;
    if (!(RCC_CONTROL & PLL_READY))
        return 16000000u;
    FLASH_ACCESS = FLASH_168_MHZ;
    RCC_CONFIGURATION = APB_DIVIDERS;
    RCC_CONFIGURATION = APB_DIVIDERS | SOURCE_PLL;
    for (uint32_t i = 0; i < PATIENCE && SOURCE_USED(RCC_CONFIGURATION) != SOURCE_PLL; i++)
        ;
    return SOURCE_USED(RCC_CONFIGURATION) == SOURCE_PLL ? 84000000u : 8000000u;
}
