// The n-th Fibonacci number and its successor, wrapping.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    uint64_t a = 0, b = 1;
    for (int64_t iteration = 0; iteration < n; iteration++) {
        uint64_t next = a + b;
        a = b;
        b = next;
        BARRIER(a);
        BARRIER(b);
    }
    stack[0] = a;
    stack[1] = b;
    return 2;
}
