/* STM32F4 Discovery, STM32F407VG: PA2 sends, PA3 receives; something else hangs on PA9. */
#ifndef LIMITS_H
#define LIMITS_H

#define PORT_NAME "discovery-f407"
#define MAX_LAYERS 4
#define MAX_INPUTS 1024
#define MAX_NEURONS 512
#define MAX_WEIGHTS (88 << 10)
#define MAX_STEPS 1024
#define MAX_DELAY 15
#define MAX_KEPT (8 << 10)
#define MAX_PAYLOAD 8192

#define FLASH_KB 1024
#define RAM_KB 128
#define CORE_RAM_KB 64
#define CORE_MHZ 168
#define FLASH_WAITS 5
#define USART 2

#endif
