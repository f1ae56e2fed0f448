/* 125 MHz from the crystal of 12 MHz that every Pico has. Numbers are of the RP2040 datasheet. */
#include "clock.h"

#include "cortex_m.h"

#define REF_CONTROL REGISTER(0x40008030u)
#define REF_SELECTED REGISTER(0x40008038u)
#define SYS_CONTROL REGISTER(0x4000803Cu)
#define SYS_SELECTED REGISTER(0x40008044u)
#define PERI_CONTROL REGISTER(0x40008048u)
#define PERI_ON (1u << 11)

#define CRYSTAL_CONTROL REGISTER(0x40024000u)
#define CRYSTAL_STATE REGISTER(0x40024004u)
#define CRYSTAL_STARTUP REGISTER(0x4002400Cu)
#define CRYSTAL_ON (0xFABu << 12 | 0xAA0u)
#define CRYSTAL_STABLE (1u << 31)

#define PLL_CONTROL REGISTER(0x40028000u)
#define PLL_OFF REGISTER(0x40028004u)
#define PLL_FACTOR REGISTER(0x40028008u)
#define PLL_DIVIDERS REGISTER(0x4002800Cu)
#define PLL_LOCKED (1u << 31)
#define OFF_ALL 0x2Du
#define OFF_DIVIDERS 0x0Cu
#define OFF_NOTHING 0x04u /* but the noise shaping, which a whole factor has no use for */

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
    PLL_OFF = OFF_ALL;
    PLL_CONTROL = 1; /* 12 MHz * 125 / 6 / 2 */
    PLL_FACTOR = 125;
    PLL_OFF = OFF_DIVIDERS;
    while (!(PLL_CONTROL & PLL_LOCKED))
        ;
    PLL_DIVIDERS = 6u << 16 | 2u << 12;
    PLL_OFF = OFF_NOTHING;
    SYS_CONTROL = 1;
    while (SYS_SELECTED != 1u << 1)
        ;
    PERI_CONTROL = PERI_ON;
}
