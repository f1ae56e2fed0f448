/* What this port has room for; HELLO tells it. */
#ifndef LIMITS_H
#define LIMITS_H

#define PORT_NAME "mps2"
#define MAX_LAYERS 8
#define MAX_INPUTS 4096
#define MAX_NEURONS 1024
#define MAX_WEIGHTS (1 << 20)
#define MAX_STEPS 1024
#define MAX_DELAY 31
#define MAX_KEPT (1 << 16)
#define MAX_PAYLOAD 16384

#endif
