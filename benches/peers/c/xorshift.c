// The sum of n outputs of the 64-bit xorshift generator (13, 7, 17) from the state 1.
#include "harness.h"

static int run(int64_t n, uint64_t *stack)
{
    uint64_t state = 1, sum = 0;
    for (int64_t iteration = 0; iteration < n; iteration++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        sum += state;
        BARRIER(state);
        BARRIER(sum);
    }
    stack[0] = state;
    stack[1] = sum;
    return 2;
}
