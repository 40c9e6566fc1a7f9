// Ackermann's function of 3 and n. gcc turns the calls at the end of the function into jumps.
#include "harness.h"

static int64_t ackermann(int64_t m, int64_t n)
{
    if (m == 0) {
        return n + 1;
    }
    if (n == 0) {
        return ackermann(m - 1, 1);
    }
    return ackermann(m - 1, ackermann(m, n - 1));
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    stack[0] = (uint64_t)ackermann(3, n);
    return 1;
}
