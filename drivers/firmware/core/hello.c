/* Numbers are those of the records in docs/protocol.md; what a record does not say is 0. */
#include "hello.h"

#include "bytes.h"
#include "lease.h"
#include "limits.h"
#include "probe.h"
#include "protocol.h"

enum record { NAME = 1, CAPACITY, TIMING, NEURON, WEIGHTS, INPUT, SETTING, PROBE, ABILITIES, LEASE };

/* Where the next byte goes. */
static uint8_t *at;

static void byte(uint32_t value)
{
    *at++ = (uint8_t)value;
}

static void word(uint32_t value)
{
    put16(at, value);
    at += 2;
}

static void number(uint32_t value)
{
    put32(at, value);
    at += 4;
}

static void text(const char *letters, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        byte(*letters != 0 ? (uint8_t)*letters++ : 0);
}

static void record(enum record kind, uint32_t size)
{
    byte(kind);
    byte(size);
}

static void capacity(void)
{
    record(CAPACITY, 32);
    number(MAX_INPUTS);
    number(MAX_NEURONS);
    number(MAX_WEIGHTS);
    number(MAX_KEPT);
    number(0); /* fan-in: as many as there are */
    word(MAX_LAYERS);
    word(MAX_STEPS);
    word(0); /* samples: as many as fit a frame */
    word(MAX_DELAY);
    word(MAX_PROBES);
    word(7); /* recurrence, projections of any two populations, delays by synapse */
}

static void neuron(void)
{
    record(TIMING, 8);
    number(1000000); /* ns */
    byte(2);         /* inputs act at the end of their step, */
    byte(2);         /* and so do spikes of the layer before */
    byte(0);
    byte(2); /* events add up */

    record(NEURON, 16);
    byte(1); /* a spike takes the threshold away */
    byte(1); /* one spike a step */
    word(1); /* not refractory */
    number(0);
    number(0);
    number(4096); /* a membrane sample at one threshold unit */

    record(WEIGHTS, 12);
    word(255);
    word(0);
    number(100000); /* millionths */
    number(100000000);
}

static void input(uint32_t kind, uint32_t unit, uint32_t largest)
{
    record(INPUT, 8);
    byte(kind);
    byte(0);
    word(unit);
    number(largest);
}

static void setting(uint32_t role, uint32_t coding, const char *unit, uint32_t least,
                    uint32_t greatest, uint32_t usual, const char *name)
{
    record(SETTING, 36);
    byte(role);
    byte(coding);
    byte(0);
    byte(0);
    text(unit, 4);
    number(least);
    number(greatest);
    number(usual);
    text(name, 16);
}

static void probe(uint32_t quantity, uint32_t sampled)
{
    record(PROBE, 8);
    byte(quantity);
    byte(3); /* of hidden layers and the output */
    byte(7); /* none, mean, last */
    byte(sampled);
    word(1);
    word(0);
}

static void lease(void)
{
    const struct lease *held = lease_held();

    record(LEASE, 12 + LEASE_NAME);
    byte(held->number);
    byte(0);
    word(0);
    number(held->token);
    number(held->used);
    text((const char *)held->name, LEASE_NAME);
}

uint32_t hello_write(uint8_t *out, uint32_t chip, uint32_t boot_id)
{
    static const char name[] = PORT_NAME;

    at = out;
    text("SPKL", 4);
    byte(PROTOCOL_VERSION);
    byte(0);
    word(MAX_PAYLOAD);
    number(FIRMWARE_VERSION);
    number(boot_id);
    number(chip);
    record(NAME, sizeof name - 1);
    text(name, sizeof name - 1);
    capacity();
    neuron();
    input(0, 256, 4095);
    input(1, 256, 4095);
    input(2, 1, 1);
    input(3, 1, 255);
    setting(2, 2, "s", 100, 1000000, 10000, "tau_membrane");
    setting(1, 1, "", 100000, 10000000, 1000000, "threshold");
    probe(0, 0);
    probe(1, 1); /* before the reset of its step */
    record(ABILITIES, 4);
    number(1 | 4 | 8); /* deterministic, carries on, lengths by sample */
    lease();
    return (uint32_t)(at - out);
}
