// A polynomial by Horner's rule at x = 1, 2, ... n; each result is an input of the next.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    uint64_t x = 1, result = 0;
    for (int64_t iteration = 0; iteration < n; iteration++) {
        result = result * x + 7;
        result = result * x + 11;
        result = result * x + 13;
        result = result * x + 17;
        x++;
        BARRIER(x);
        BARRIER(result);
    }
    stack[0] = x;
    stack[1] = result;
    return 2;
}
