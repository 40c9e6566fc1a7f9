// The sum of the integer square roots of 1000003 * i for i = 1 ... n, by Newton's method.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    int64_t sum = 0;
    for (int64_t i = 1; i <= n; i++) {
        int64_t m = 1000003 * i, x = m;
        while (m / x < x) {
            x = (m / x + x) / 2;
            BARRIER(x);
        }
        sum += x;
        BARRIER(sum);
    }
    stack[0] = (uint64_t)sum;
    return 1;
}
