// Eight additions of 1 in each of n passes: 8 n.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    uint64_t sum = 0;
    for (int64_t pass = 0; pass < n; pass++) {
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
