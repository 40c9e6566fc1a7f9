// The CRC-32 of a message of 256 bytes that is repeated n times. A table gives the effect of each byte.
#include "harness.h"

static uint32_t table[256];
static uint8_t message[256];

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t remainder = byte;
        for (int bit = 0; bit < 8; bit++) {
            remainder = remainder & 1 ? remainder >> 1 ^ 0xedb88320 : remainder >> 1;
        }
        table[byte] = remainder;
        message[byte] = (uint8_t)(byte * byte + 7 * byte);
    }
    uint32_t crc = 0xffffffff;
    for (int64_t times = 0; times < n; times++) {
        for (int i = 0; i < 256; i++) {
            crc = table[(crc ^ message[i]) & 255] ^ crc >> 8;
        }
    }
    stack[0] = crc ^ 0xffffffff;
    return 1;
}
