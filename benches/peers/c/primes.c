// The number of primes below n by trial division.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    int64_t count = 0;
    for (int64_t i = 2; i < n; i++) {
        int64_t d = 2;
        while (d * d <= i && i % d != 0) {
            d++;
            BARRIER(d);
        }
        count += d * d > i;
        BARRIER(count);
    }
    stack[0] = (uint64_t)count;
    return 1;
}
