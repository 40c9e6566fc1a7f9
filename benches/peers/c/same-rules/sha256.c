// The SHA-256 hash of a message of n bytes, whose byte i is i mod 251, as eight words of 32 bits.
enum { HASH = 0, CONSTANTS = 8, SCHEDULE = 72, AS = 136, ES = 204, CELLS = 272 };
#include "rules.h"

static int64_t mask(int64_t x)
{
    return x & 0xffffffff;
}

static int64_t ror(int64_t x, int64_t n)
{
    return mask(logical_shift(x, n) | x << ((32 - n) & 63));
}

static int64_t Sigma0(int64_t x)
{
    return ror(x, 2) ^ ror(x, 13) ^ ror(x, 22);
}

static int64_t Sigma1(int64_t x)
{
    return ror(x, 6) ^ ror(x, 11) ^ ror(x, 25);
}

static int64_t sigma0(int64_t x)
{
    return ror(x, 7) ^ ror(x, 18) ^ logical_shift(x, 3);
}

static int64_t sigma1(int64_t x)
{
    return ror(x, 17) ^ ror(x, 19) ^ logical_shift(x, 10);
}

static int64_t choice(int64_t x, int64_t y, int64_t z)
{
    return z ^ (x & (y ^ z));
}

static int64_t majority(int64_t x, int64_t y, int64_t z)
{
    return (z & (x ^ y)) ^ (x & y);
}

static void store_8(int64_t p, int64_t q, int64_t r, int64_t s, int64_t t, int64_t u, int64_t v, int64_t w, int64_t a)
{
    store(w, a + 7);
    store(v, a + 6);
    store(u, a + 5);
    store(t, a + 4);
    store(s, a + 3);
    store(r, a + 2);
    store(q, a + 1);
    store(p, a);
}

static void initialize(void)
{
    store_8(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19, HASH);
    store_8(0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, CONSTANTS);
    store_8(0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, CONSTANTS + 8);
    store_8(0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, CONSTANTS + 16);
    store_8(0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, CONSTANTS + 24);
    store_8(0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, CONSTANTS + 32);
    store_8(0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, CONSTANTS + 40);
    store_8(0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, CONSTANTS + 48);
    store_8(0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2, CONSTANTS + 56);
}

static int64_t byte(int64_t n, int64_t i)
{
    if (n > i) {
        return i % 251;
    }
    return n == i ? 128 : 0;
}

static int64_t word(int64_t n, int64_t i)
{
    int64_t w = 0;
    for (int64_t times = 4; times > 0; times--) {
        w = w << 8 | byte(n, i);
        i++;
    }
    return w;
}

static void read_block(int64_t n, int64_t i)
{
    int64_t p = SCHEDULE;
    for (int64_t times = 16; times > 0; times--) {
        store(word(n, i), p);
        p++;
        i += 4;
    }
}

static void put_length(int64_t n)
{
    int64_t bits = n << 3;
    store(logical_shift(bits, 32), SCHEDULE + 14);
    store(mask(bits), SCHEDULE + 15);
}

static void extend(void)
{
    int64_t p = SCHEDULE + 16;
    for (int64_t times = 48; times > 0; times--) {
        store(mask(sigma1(load(p - 2)) + load(p - 7) + sigma0(load(p - 15)) + load(p - 16)), p);
        p++;
    }
}

static void begin_block(void)
{
    for (int64_t i = 0; i < 4; i++) {
        store(load(HASH + i), AS + 3 - i);
        store(load(HASH + 4 + i), ES + 3 - i);
    }
}

static void round_of(int64_t t)
{
    int64_t q = ES + t;
    int64_t sum = load(q) + Sigma1(load(q + 3)) + choice(load(q + 3), load(q + 2), load(q + 1));
    sum += load(CONSTANTS + t) + load(SCHEDULE + t);
    int64_t p = AS + t;
    store(mask(load(p) + sum), q + 4);
    int64_t other = Sigma0(load(p + 3)) + majority(load(p + 3), load(p + 2), load(p + 1));
    store(mask(sum + other), p + 4);
}

static void finish_block(void)
{
    for (int64_t i = 0; i < 4; i++) {
        store(mask(load(HASH + i) + load(AS + 67 - i)), HASH + i);
        store(mask(load(HASH + 4 + i) + load(ES + 67 - i)), HASH + 4 + i);
    }
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    clear_memory();
    initialize();
    int64_t i = 0;
    while (n + 8 >= i) {
        read_block(n, i);
        if (n + 8 < i + 64) {
            put_length(n);
        }
        extend();
        begin_block();
        for (int64_t t = 0; t < 64; t++) {
            round_of(t);
        }
        finish_block();
        i += 64;
    }
    for (int64_t j = 0; j < 8; j++) {
        stack[j] = (uint64_t)load(HASH + j);
    }
    return 8;
}
