/* 125 MHz, and 48 MHz for USB, from the crystal of 12 MHz that every Pico has. Numbers are of the RP2040 datasheet. */
#include "clock.h"

#include "cortex_m.h"

#define REF_CONTROL REGISTER(0x40008030u)
#define REF_SELECTED REGISTER(0x40008038u)
#define SYS_CONTROL REGISTER(0x4000803Cu)
#define SYS_SELECTED REGISTER(0x40008044u)
#define PERI_CONTROL REGISTER(0x40008048u)
#define USB_CONTROL REGISTER(0x40008054u)
#define CLOCK_ON (1u << 11)

#define CRYSTAL_CONTROL REGISTER(0x40024000u)
#define CRYSTAL_STATE REGISTER(0x40024004u)
#define CRYSTAL_STARTUP REGISTER(0x4002400Cu)
#define CRYSTAL_ON (0xFABu << 12 | 0xAA0u)
#define CRYSTAL_STABLE (1u << 31)

#define PLL_SYS 0x40028000u
#define PLL_USB 0x4002C000u
#define PLL_CONTROL(pll) REGISTER((pll) + 0x0)
#define PLL_OFF(pll) REGISTER((pll) + 0x4)
#define PLL_FACTOR(pll) REGISTER((pll) + 0x8)
#define PLL_DIVIDERS(pll) REGISTER((pll) + 0xC)
#define PLL_LOCKED (1u << 31)
#define OFF_ALL 0x2Du
#define OFF_DIVIDERS 0x0Cu
#define OFF_NOTHING 0x04u /* but the noise shaping, which a whole factor has no use for */

/* The crystal's 12 MHz times a factor, divided twice. */
static void pll_start(uint32_t pll, uint32_t factor, uint32_t divider, uint32_t second_divider)
{
    PLL_OFF(pll) = OFF_ALL;
    PLL_CONTROL(pll) = 1;
    PLL_FACTOR(pll) = factor;
    PLL_OFF(pll) = OFF_DIVIDERS;
    while (!(PLL_CONTROL(pll) & PLL_LOCKED))
        ;
    PLL_DIVIDERS(pll) = divider << 16 | second_divider << 12;
    PLL_OFF(pll) = OFF_NOTHING;
}

void clock_start(void)
{
    CRYSTAL_STARTUP = 47; /* 1 ms, in 256 periods */
    CRYSTAL_CONTROL = CRYSTAL_ON;
    while (!(CRYSTAL_STATE & CRYSTAL_STABLE))
        ;
    /* After a reset of the core the PLL may still be in use: go to the crystal first. */
    SYS_CONTROL = 0;
    while (SYS_SELECTED != 1u << 0)
        ;
    REF_CONTROL = 2;
    while (REF_SELECTED != 1u << 2)
        ;
    pll_start(PLL_SYS, 125, 6, 2);
    pll_start(PLL_USB, 100, 5, 5);
    SYS_CONTROL = 1;
    while (SYS_SELECTED != 1u << 1)
        ;
    PERI_CONTROL = CLOCK_ON;
    USB_CONTROL = CLOCK_ON;
}
