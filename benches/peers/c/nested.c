// Adds 1 in three nested loops: 1,000,000 times n.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int j = 0; j < 1000; j++) {
            for (int k = 0; k < 1000; k++) {
                sum++;
                BARRIER(sum);
            }
        }
    }
    stack[0] = sum;
    return 1;
}
