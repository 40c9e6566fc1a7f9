// One row of n pixels of the Mandelbrot set, x from -2 to 1, y = 0.3, in fixed point with 12 bits; at most 48 steps a pixel.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    uint64_t hash = 0;
    for (int64_t pixel = 0; pixel < n; pixel++) {
        int64_t cx = pixel * 12288 / n - 8192;
        int64_t k = 0, x = 0, y = 0;
        while (k < 48 && x * x + y * y <= 67108864) {
            int64_t next = (x * x - y * y) / 4096 + cx;
            y = x * y / 2048 + 1229;
            x = next;
            k++;
            BARRIER(x);
            BARRIER(y);
            BARRIER(k);
        }
        hash = hash * 31 + (uint64_t)k;
        BARRIER(hash);
    }
    stack[0] = hash;
    return 1;
}
