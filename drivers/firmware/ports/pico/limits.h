/* What this port has room for; HELLO tells it. */
#ifndef LIMITS_H
#define LIMITS_H

#define PORT_NAME "pico"
#define MAX_LAYERS 4
#define MAX_INPUTS 1024
#define MAX_NEURONS 512
#define MAX_WEIGHTS (144 << 10)
#define MAX_STEPS 1024
#define MAX_DELAY 15
#define MAX_KEPT (8 << 10)
#define MAX_PAYLOAD 8192

/* Room in RAM for the code, which the second stage copies there. */
#define CODE_KB 18

#endif
