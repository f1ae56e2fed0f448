/* Small, so that every limit is met often. */
#ifndef LIMITS_H
#define LIMITS_H

#define PORT_NAME "fuzz"
#define MAX_LAYERS 3
#define MAX_INPUTS 40
#define MAX_NEURONS 20
#define MAX_WEIGHTS 500
#define MAX_STEPS 24
#define MAX_DELAY 5
#define MAX_KEPT 400
#define MAX_PAYLOAD 600

#endif
