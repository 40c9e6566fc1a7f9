// The n-th Fibonacci number by two calls for each; n itself if n < 2.
#define CELLS 1
#include "calls.h"

static RECURSIVE int64_t fib(int64_t n, int64_t calls, int64_t base)
{
    if (n < 2) {
        return n;
    }
    int64_t one = fib(n - 1, CALL(1, 3));
    int64_t other = fib(n - 2, CALL(1, 3));
    return one + other;
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    int64_t calls = CALL_LIMIT, base = 0;
    stack[0] = (uint64_t)fib(n, CALL(0, 3));
    return 1;
}
