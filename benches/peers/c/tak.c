// Takeuchi's function of 3 n, 2 n and n in McCarthy's version. gcc turns the outer of the four calls into a jump.
#include "harness.h"

static int64_t tak(int64_t x, int64_t y, int64_t z)
{
    if (y >= x) {
        return z;
    }
    return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    stack[0] = (uint64_t)tak(3 * n, 2 * n, n);
    return 1;
}
