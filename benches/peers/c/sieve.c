// The number of primes below n by the sieve of Eratosthenes, for n up to 262,144.
#include <stdbool.h>
#include <string.h>

#include "harness.h"

static bool composite[262144];

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    memset(composite, 0, sizeof composite);
    uint64_t count = 0;
    for (int64_t p = 2; p < n; p++) {
        if (!composite[p]) {
            count++;
            for (int64_t multiple = p * p; multiple < n; multiple += p) {
                composite[multiple] = true;
            }
        }
    }
    stack[0] = count;
    return 1;
}
