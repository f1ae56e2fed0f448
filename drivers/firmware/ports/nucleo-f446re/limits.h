/* Nucleo-F446RE: PA2 and PA3, which its ST-LINK brings to USB. */
#ifndef LIMITS_H
#define LIMITS_H

#define PORT_NAME "nucleo-f446re"
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
#define CORE_MHZ 168
#define FLASH_WAITS 5
#define USART 2

#endif
