// The sum of the decimal digits of the squares of 0 ... n-1.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t m = i * i;
        while (m != 0) {
            sum += m % 10;
            m /= 10;
            BARRIER(sum);
            BARRIER(m);
        }
    }
    stack[0] = (uint64_t)sum;
    return 1;
}
