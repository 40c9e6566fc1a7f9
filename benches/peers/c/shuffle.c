// Each of n iterations replaces a, b with 7b, a + 7b.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    uint64_t a = 1, b = 2;
    for (int64_t iteration = 0; iteration < n; iteration++) {
        uint64_t seven = 7 * b;
        b = a + seven;
        a = seven;
        BARRIER(a);
        BARRIER(b);
    }
    stack[0] = a;
    stack[1] = b;
    return 2;
}
