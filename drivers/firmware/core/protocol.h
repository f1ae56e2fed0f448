/* Numbers of the protocol; docs/protocol.md says what they mean. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#define PROTOCOL_VERSION 2
#define FIRMWARE_VERSION (2u << 16 | 2u << 8 | 0u)
#define HEADER_BYTES 4u
#define CRC_BYTES 4u
#define OVERHEAD_BYTES (HEADER_BYTES + CRC_BYTES)
#define ANSWER_BIT 0x80u

enum type {
    HELLO = 0x01,
    STATS = 0x02,
    ECHO = 0x03,
    CONFIGURE = 0x04,
    WRITE = 0x05,
    READ = 0x06,
    CRC = 0x07,
    RUN = 0x08,
    DELAYS = 0x09,
    TRIM = 0x0A,
    LINKERR = 0xFF
};

enum status {
    OK = 0x00,
    LINK_CRC = 0x11,
    LINK_COBS = 0x12,
    LINK_LENGTH = 0x13,
    UNKNOWN = 0x20,
    SIZE = 0x21,
    VALUE = 0x22,
    ROOM = 0x23,
    NOT_CONFIGURED = 0x24,
    OTHER_VERSION = 0x25,
    UNSUPPORTED = 0x26,
    OWNED = 0x27
};

#endif
