/* Black Pill, STM32F411CE, at the most that its core voltage allows after a reset: PA9 and PA10. */
#ifndef LIMITS_H
#define LIMITS_H

#define PORT_NAME "blackpill-f411"
#define MAX_LAYERS 4
#define MAX_INPUTS 1024
#define MAX_NEURONS 512
#define MAX_WEIGHTS (50 << 10)
#define MAX_STEPS 1024
#define MAX_DELAY 15
#define MAX_KEPT (4 << 10)
#define MAX_PAYLOAD 8192

#define FLASH_KB 512
#define RAM_KB 128
#define CORE_RAM_KB 0
#define CORE_MHZ 84
#define FLASH_WAITS 2
#define USART 1

#endif
