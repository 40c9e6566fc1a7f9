// The n-th Fibonacci number by two calls for each; n itself if n < 2. gcc inlines several levels of the recursion, and turns half
// of the calls into loops.
#include "harness.h"

static int64_t fib(int64_t n)
{
    if (n < 2) {
        return n;
    }
    return fib(n - 1) + fib(n - 2);
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    stack[0] = (uint64_t)fib(n);
    return 1;
}
