// n steps of a linear congruential generator from 1.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    uint64_t state = 1;
    for (int64_t iteration = 0; iteration < n; iteration++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        BARRIER(state);
    }
    stack[0] = state;
    return 1;
}
