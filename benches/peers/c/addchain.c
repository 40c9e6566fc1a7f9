// Eight additions of 1 in each of n iterations: 8 n.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    uint64_t sum = 0;
    for (int64_t iteration = 0; iteration < n; iteration++) {
        sum++;
        sum++;
        sum++;
        sum++;
        sum++;
        sum++;
        sum++;
        sum++;
        BARRIER(sum);
    }
    stack[0] = sum;
    return 1;
}
