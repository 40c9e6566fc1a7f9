// The triangular number of n, and n + 1.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    uint64_t sum = 0, i = 1;
    for (int64_t iteration = 0; iteration < n; iteration++) {
        sum += i;
        i++;
        BARRIER(sum);
        BARRIER(i);
    }
    stack[0] = sum;
    stack[1] = i;
    return 2;
}
