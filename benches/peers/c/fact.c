// n times (20! + 21); each iteration computes 20! again.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    uint64_t sum = 0;
    for (int64_t iteration = 0; iteration < n; iteration++) {
        uint64_t product = 1, i = 1;
        while (i <= 20) {
            product *= i;
            i++;
            BARRIER(product);
            BARRIER(i);
        }
        sum += product + i;
        BARRIER(sum);
    }
    stack[0] = sum;
    return 1;
}
