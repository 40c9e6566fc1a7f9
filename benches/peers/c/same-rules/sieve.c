// The number of primes below n by the sieve of Eratosthenes, for n up to 262,144.
enum { COMPOSITE = 0, CELLS = 262144 };
#include "rules.h"

static void strike(int64_t n, int64_t p)
{
    int64_t multiple = p * p;
    while (multiple < n) {
        store(1, COMPOSITE + multiple);
        multiple += p;
    }
}

static int64_t sieve(int64_t n)
{
    int64_t count = 0, p = 2;
    while (p < n) {
        if (load(COMPOSITE + p) == 0) {
            strike(n, p);
            count++;
        }
        p++;
    }
    return count;
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    clear_memory();
    stack[0] = (uint64_t)sieve(n);
    return 1;
}
