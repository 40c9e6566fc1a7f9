// The CRC-32 of a message of 256 bytes that is repeated n times. A table gives the effect of each byte.
enum { TABLE = 0, MESSAGE = 256, CELLS = 512 };
#include "rules.h"

static int64_t remainder_of(int64_t byte)
{
    for (int64_t times = 8; times > 0; times--) {
        byte = byte & 1 ? logical_shift(byte, 1) ^ 0xedb88320 : logical_shift(byte, 1);
    }
    return byte;
}

static int64_t add(int64_t crc, int64_t byte)
{
    return load(TABLE + ((crc ^ byte) & 255)) ^ logical_shift(crc, 8);
}

static int64_t add_message(int64_t crc)
{
    int64_t byte = MESSAGE;
    for (int64_t times = 256; times > 0; times--) {
        crc = add(crc, load(byte));
        byte++;
    }
    return crc;
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    clear_memory();
    for (int64_t byte = 0; byte < 256; byte++) {
        store(remainder_of(byte), TABLE + byte);
    }
    for (int64_t i = 0; i < 256; i++) {
        store(i * (i + 7) & 255, MESSAGE + i);
    }
    int64_t crc = 0xffffffff;
    for (int64_t times = n; times > 0; times--) {
        crc = add_message(crc);
    }
    stack[0] = (uint64_t)(crc ^ 0xffffffff);
    return 1;
}
