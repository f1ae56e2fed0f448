/* The second stage of the RP2040 (datasheet, section 2.8.1.3): the boot ROM copies the first 256 bytes
 * of the flash to RAM and calls them. It copies the image behind them to RAM, where it runs at full
 * speed whatever flash the board has, and starts it.
 *
 * The flash is read by its command 03h, which all of them know: 8 bits of command, 24 of address, 32
 * of data (section 4.10). */
#include "cortex_m.h"
#include "limits.h"

#define SSI 0x18000000u
#define SSI_CONTROL REGISTER(SSI + 0x00)
#define SSI_FRAMES REGISTER(SSI + 0x04)
#define SSI_ENABLE REGISTER(SSI + 0x08)
#define SSI_DIVIDER REGISTER(SSI + 0x14)
#define SSI_COMMAND REGISTER(SSI + 0xF4)

#define FRAME_32_BITS (31u << 16)
#define COMMAND_THEN_DATA (3u << 8)
#define READ_03H (0x03u << 24 | 2u << 8 | 6u << 2)

#define FLASH_IMAGE ((const uint32_t *)0x10000100u)
#define RAM_IMAGE ((volatile uint32_t *)0x20000000u)

__attribute__((noreturn, section(".boot"))) void boot(void)
{
    SSI_ENABLE = 0;
    SSI_DIVIDER = 4;
    SSI_CONTROL = FRAME_32_BITS | COMMAND_THEN_DATA;
    SSI_FRAMES = 0;
    SSI_COMMAND = READ_03H;
    SSI_ENABLE = 1;
    for (uint32_t i = 0; i < CODE_KB * 256u; i++)
        RAM_IMAGE[i] = FLASH_IMAGE[i];
    /* As the core itself begins: the initial stack, then the first handler. */
    __asm__ volatile("msr msp, %0\n bx %1" ::"r"(RAM_IMAGE[0]), "r"(RAM_IMAGE[1]));
    __builtin_unreachable();
}
