/* From reset to the device, on any Cortex-M. */
#include "cortex_m.h"
#include "device.h"

#define VECTOR_TABLE REGISTER(0xE000ED08u)
#define RESET_CONTROL REGISTER(0xE000ED0Cu)
#define RESET_REQUEST 0x05FA0004u

/* Places of the linker script. */
extern uint32_t ram_start[], ram_end[], stack_top[];
extern uint32_t data_start[], data_end[], data_image[], zero_start[], zero_end[];
extern uint32_t fast_zero_start[], fast_zero_end[];

/* Two words that a reset leaves alone: the id of the boot before, and its complement. */
extern volatile uint32_t boot_record[2];

/* Two words where an emulator or a debugger may leave another chip seed, and its complement; what
 * stands in the third is only mixed into the first boot id. */
extern volatile uint32_t handover[3];

uint32_t chip_seed;

/* A number that differs from boot to boot. After a reset it counts up; after power came on it is
 * made of what memory holds then, which is noise. */
static uint32_t next_boot(void)
{
    uint32_t id = boot_record[0] + 1;

    if (boot_record[1] != ~boot_record[0]) {
        id = 2166136261u; /* FNV-1a, over words */
        for (volatile uint32_t *word = ram_start; word < ram_end; word++)
            id = (id ^ *word) * 16777619u;
    }
    boot_record[0] = id;
    boot_record[1] = ~id;
    return id;
}

static void clear(uint32_t *from, const uint32_t *to)
{
    while (from < to)
        *from++ = 0;
}

static void fault(void);

/* Initial stack, 15 exceptions of the core, and one handler for whatever interrupt the port lets come. */
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*exceptions[15])(void);
    void (*interrupts[INTERRUPTS])(void);
} vectors = {
    stack_top,
    {reset, [1 ... 14] = fault},
    {[0 ... INTERRUPTS - 1] = port_serve},
};

void reset(void)
{
    uint32_t boot_id = next_boot();
    uint32_t chip = handover[1] == ~handover[0] ? handover[0] : CHIP;

    for (uint32_t i = 0; data_start + i < data_end; i++)
        data_start[i] = data_image[i];
    clear(zero_start, zero_end);
    clear(fast_zero_start, fast_zero_end);
    chip_seed = chip;
    VECTOR_TABLE = (uint32_t)&vectors;
    port_start();
    device_serve(chip_seed, boot_id);
}

/* What should never happen ends in a boot, which the host notices. */
static void fault(void)
{
    RESET_CONTROL = RESET_REQUEST;
    for (;;)
        ;
}
