// The sum of gcd(i, 360360) for i = 0 ... n-1.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t a = i, b = 360360;
        while (b != 0) {
            int64_t rest = a % b;
            a = b;
            b = rest;
            BARRIER(a);
            BARRIER(b);
        }
        sum += a;
        BARRIER(sum);
    }
    stack[0] = (uint64_t)sum;
    return 1;
}
