/* A serial line over USB: the class CDC-ACM, which no system needs a driver for.
 *
 * Registers are of the RP2040 datasheet, section 4.1; requests of the USB specification 2.0, chapter
 * 9, and of the class definition for PSTN devices 1.2, section 6.3. */
#include "usb.h"

#include "cortex_m.h"

#define USB 0x50110000u
#define ADDRESS REGISTER(USB + 0x00)
#define CONTROLLER REGISTER(USB + 0x40)
#define LINK REGISTER(USB + 0x4C)
#define LINK_STATE REGISTER(USB + 0x50)
#define TRANSFERS_DONE REGISTER(USB + 0x58)
#define STALL_ENDPOINT_0 REGISTER(USB + 0x68)
#define PADS REGISTER(USB + 0x74)
#define POWER REGISTER(USB + 0x78)
#define INTERRUPTS_ON REGISTER(USB + 0x90)
#define CAUSES REGISTER(USB + 0x98)

#define CONTROLLER_ON 1u
#define LINK_INTERRUPT_OF_0 (1u << 29)
#define LINK_PULLED_UP (1u << 16)
#define STATE_SETUP (1u << 17)
#define STATE_RESET (1u << 19)
#define PADS_OF_PHY (1u << 3 | 1u << 0)
#define POWER_ALWAYS (1u << 3 | 1u << 2) /* no pin tells whether there is a cable */
#define ON_TRANSFER (1u << 4)
#define ON_RESET (1u << 12)
#define ON_SETUP (1u << 16)

/* The memory that the controller shares. */
#define MEMORY 0x50100000u
#define BYTES(offset) ((volatile uint8_t *)(MEMORY + (offset)))
#define ENDPOINT_IN(number) REGISTER(MEMORY + 8 * (number))
#define ENDPOINT_OUT(number) REGISTER(MEMORY + 4 + 8 * (number))
#define BUFFER(transfer) REGISTER(MEMORY + 0x80 + 4 * (transfer))
#define ENDPOINT_ON (1u << 31 | 1u << 29)
#define TYPE_BULK (2u << 26)
#define TYPE_INTERRUPT (3u << 26)

#define BUFFER_FULL (1u << 15)
#define BUFFER_DATA1 (1u << 13)
#define BUFFER_STALL (1u << 11)
#define BUFFER_AVAILABLE (1u << 10)
#define BUFFER_LENGTH 0x3FFu

/* Transfers, as the controller numbers them, and where their packets lie. */
enum { CONTROL_IN = 0, CONTROL_OUT = 1, NOTICE_IN = 2, LINE_IN = 4, LINE_OUT = 5, TRANSFERS = 6 };
#define PACKET 64u
#define AT_CONTROL 0x100u
#define AT_NOTICE 0x180u
#define AT_LINE_IN 0x1C0u
#define AT_LINE_OUT 0x200u

enum {
    GET_STATUS = 0x8000,
    CLEAR_FEATURE = 0x0201,
    SET_ADDRESS = 0x0005,
    GET_DESCRIPTOR = 0x8006,
    GET_CONFIGURATION = 0x8008,
    SET_CONFIGURATION = 0x0009,
    SET_LINE_CODING = 0x2120,
    GET_LINE_CODING = 0xA121,
    SET_CONTROL_LINE_STATE = 0x2122,
};
enum { DEVICE = 1, CONFIGURATION = 2, STRING = 3, INTERFACE = 4, ENDPOINT = 5, OF_CLASS = 0x24 };
enum { MAKER = 1, PRODUCT = 2, SERIAL = 3 };

#define LOW_HIGH(word) (word) & 0xFF, (word) >> 8

/* The identity that pid.codes keeps for tests: whoever sells boards takes one of his own. */
static const uint8_t device[] = {
    18, DEVICE, LOW_HIGH(0x0200), 2, 0, 0, PACKET, LOW_HIGH(0x1209), LOW_HIGH(0x0001),
    LOW_HIGH(0x0100), MAKER, PRODUCT, SERIAL, 1,
};
static const uint8_t configuration[] = {
    9, CONFIGURATION, LOW_HIGH(67), 2, 1, 0, 0x80, 50, /* 100 mA */
    9, INTERFACE, 0, 0, 1, 2, 2, 0, 0,
    5, OF_CLASS, 0, LOW_HIGH(0x0110),
    5, OF_CLASS, 1, 0, 1,
    4, OF_CLASS, 2, 2,
    5, OF_CLASS, 6, 0, 1,
    7, ENDPOINT, 0x81, 3, LOW_HIGH(8), 16,
    9, INTERFACE, 1, 0, 2, 10, 0, 0, 0,
    7, ENDPOINT, 0x82, 2, LOW_HIGH(PACKET), 0,
    7, ENDPOINT, 0x02, 2, LOW_HIGH(PACKET), 0,
};
static uint8_t line_coding[7] = {0x00, 0xC2, 0x01, 0x00, 0, 0, 8}; /* 115200 baud, which nothing heeds */

static uint8_t text[PACKET];       /* the descriptor of a string */
static const uint8_t *reply;       /* what is left of the answer to a request */
static uint32_t reply_left;
static uint8_t next_address;       /* valid once its request has been answered */
static volatile bool is_configured;
static uint32_t second;            /* a bit a transfer: its next packet is a DATA1 */
static uint8_t packet[PACKET];     /* what is kept to be sent */
static uint32_t kept;

/* Hand a buffer to the controller, which may look only some cycles after the rest of the word stands. */
static void begin(uint32_t transfer, uint32_t state)
{
    if (second >> transfer & 1)
        state |= BUFFER_DATA1;
    second ^= 1u << transfer;
    BUFFER(transfer) = state;
    __asm__ volatile("nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop");
    BUFFER(transfer) = state | BUFFER_AVAILABLE;
}

static void send(uint32_t transfer, uint32_t offset, const uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        BYTES(offset)[i] = bytes[i];
    begin(transfer, BUFFER_FULL | size);
}

/* No answer of ours fills its last packet, so none needs an empty one to end it. */
static void send_reply(void)
{
    uint32_t size = reply_left < PACKET ? reply_left : PACKET;

    send(CONTROL_IN, AT_CONTROL, reply, size);
    reply += size;
    reply_left -= size;
}

static uint32_t put_text(uint32_t size, char letter)
{
    text[size] = (uint8_t)letter;
    text[size + 1] = 0;
    return size + 2;
}

/* Write the descriptor of a string in UTF-16; the serial number is the seed of the chip. */
static uint32_t spell(uint32_t number)
{
    uint32_t size = 2;

    if (number == 0) { /* the languages: English */
        text[2] = 0x09;
        text[3] = 0x04;
        size = 4;
    } else if (number == SERIAL) {
        uint32_t place = 1;
        while (chip_seed / place >= 10)
            place *= 10;
        for (; place; place /= 10)
            size = put_text(size, (char)('0' + chip_seed / place % 10));
    } else {
        for (const char *at = number == MAKER ? "spikeloop" : "spikeloop board"; *at; at++)
            size = put_text(size, *at);
    }
    text[0] = (uint8_t)size;
    text[1] = STRING;
    return size;
}

static void open_line(void)
{
    second &= ~(1u << NOTICE_IN | 1u << LINE_IN | 1u << LINE_OUT);
    ENDPOINT_IN(1) = ENDPOINT_ON | TYPE_INTERRUPT | AT_NOTICE;
    ENDPOINT_IN(2) = ENDPOINT_ON | TYPE_BULK | AT_LINE_IN;
    ENDPOINT_OUT(2) = ENDPOINT_ON | TYPE_BULK | AT_LINE_OUT;
    BUFFER(LINE_IN) = 0;
    kept = 0;
    is_configured = true;
    begin(LINE_OUT, PACKET);
}

/* The host asks for something, in eight bytes. */
static void answer(void)
{
    static const uint8_t zeros[2], one[1] = {1};
    const uint8_t kind = BYTES(0)[3], number = BYTES(0)[2];
    const uint32_t asked = BYTES(0)[6] | (uint32_t)BYTES(0)[7] << 8;
    uint32_t size = 0;
    bool is_known = true;

    second |= 1u << CONTROL_IN | 1u << CONTROL_OUT;
    reply = zeros;
    switch (BYTES(0)[0] << 8 | BYTES(0)[1]) {
    case GET_DESCRIPTOR:
        if (kind == DEVICE) {
            reply = device;
            size = sizeof device;
        } else if (kind == CONFIGURATION) {
            reply = configuration;
            size = sizeof configuration;
        } else if (kind == STRING && number <= SERIAL) {
            reply = text;
            size = spell(number);
        } else {
            is_known = false;
        }
        break;
    case SET_ADDRESS:
        next_address = number;
        break;
    case SET_CONFIGURATION:
        is_configured = false;
        if (number)
            open_line();
        break;
    case GET_CONFIGURATION:
        reply = is_configured ? one : zeros;
        size = 1;
        break;
    case GET_STATUS:
    case GET_STATUS | 1 << 8:
    case GET_STATUS | 2 << 8:
        size = 2;
        break;
    case CLEAR_FEATURE: /* of an endpoint, whose packets are then counted anew */
        if (BYTES(0)[4] == 0x82)
            second &= ~(1u << LINE_IN);
        break;
    case GET_LINE_CODING:
        reply = line_coding;
        size = sizeof line_coding;
        break;
    case SET_LINE_CODING:
        begin(CONTROL_OUT, PACKET);
        return;
    case SET_CONTROL_LINE_STATE:
        break;
    default:
        is_known = false;
    }
    if (is_known) {
        reply_left = size < asked ? size : asked;
        send_reply();
    } else {
        STALL_ENDPOINT_0 = 3;
        BUFFER(CONTROL_IN) = BUFFER_STALL;
        BUFFER(CONTROL_OUT) = BUFFER_STALL;
    }
}

static void control_sent(void)
{
    if (next_address) {
        ADDRESS = next_address;
        next_address = 0;
    } else if (reply_left) {
        send_reply();
    } else if (BYTES(0)[0] & 0x80) {
        second |= 1u << CONTROL_OUT;
        begin(CONTROL_OUT, 0);
    }
}

static void control_received(void)
{
    if (BYTES(0)[0] & 0x80)
        return; /* the host has its answer */
    for (uint32_t i = 0; i < sizeof line_coding; i++)
        line_coding[i] = BYTES(AT_CONTROL)[i];
    reply_left = 0;
    send_reply();
}

void usb_start(void)
{
    for (uint32_t i = 0; i < 0x100; i += 4)
        REGISTER(MEMORY + i) = 0;
    PADS = PADS_OF_PHY;
    POWER = POWER_ALWAYS;
    CONTROLLER = CONTROLLER_ON;
    INTERRUPTS_ON = ON_TRANSFER | ON_RESET | ON_SETUP;
    LINK = LINK_INTERRUPT_OF_0 | LINK_PULLED_UP;
}

bool usb_serve(void)
{
    uint32_t causes = CAUSES, done = 0;

    if (causes & ON_RESET) {
        is_configured = false;
        next_address = 0;
        ADDRESS = 0;
        LINK_STATE = STATE_RESET;
    }
    if (causes & ON_TRANSFER) {
        done = TRANSFERS_DONE;
        TRANSFERS_DONE = done;
    }
    if (done & 1u << CONTROL_IN)
        control_sent();
    if (done & 1u << CONTROL_OUT)
        control_received();
    if (causes & ON_SETUP) { /* after what belonged to the request before */
        LINK_STATE = STATE_SETUP;
        answer();
    }
    if (!(done & 1u << LINE_OUT) || !is_configured)
        return false;
    for (uint32_t i = 0, size = BUFFER(LINE_OUT) & BUFFER_LENGTH; i < size; i++)
        line_received(BYTES(AT_LINE_OUT)[i]);
    begin(LINE_OUT, PACKET);
    return true;
}

/* A host that is gone takes nothing any more; when it is back, it begins with a reset. */
static void send_packet(void)
{
    while (BUFFER(LINE_IN) & BUFFER_AVAILABLE && is_configured)
        ;
    __asm__ volatile("cpsid i" ::: "memory"); /* the interrupt counts packets as well */
    if (is_configured)
        send(LINE_IN, AT_LINE_IN, packet, kept);
    kept = 0;
    __asm__ volatile("cpsie i" ::: "memory");
}

void usb_put(uint8_t byte)
{
    packet[kept++] = byte;
    if (byte && kept < PACKET)
        return;
    bool is_full = kept == PACKET;
    send_packet();
    if (!byte && is_full)
        send_packet(); /* what ends with a full packet goes on, for the host, until an empty one */
}
