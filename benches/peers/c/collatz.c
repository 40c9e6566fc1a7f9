// The sum of the Collatz steps of i = 1 ... n.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    int64_t sum = 0;
    for (int64_t i = 1; i <= n; i++) {
        int64_t x = i;
        while (x > 1) {
            x = x & 1 ? 3 * x + 1 : x / 2;
            sum++;
            BARRIER(x);
            BARRIER(sum);
        }
    }
    stack[0] = (uint64_t)sum;
    return 1;
}
