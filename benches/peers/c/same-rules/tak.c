// Takeuchi's function of 3 n, 2 n and n in McCarthy's version.
#define CELLS 1
#include "calls.h"

static RECURSIVE int64_t tak(int64_t x, int64_t y, int64_t z, int64_t calls, int64_t base)
{
    if (y >= x) {
        return z;
    }
    int64_t one = tak(x - 1, y, z, CALL(3, 8));
    int64_t two = tak(y - 1, z, x, CALL(4, 8));
    int64_t three = tak(z - 1, x, y, CALL(5, 8));
    return tak(one, two, three, CALL(3, 8));
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    int64_t calls = CALL_LIMIT, base = 0;
    stack[0] = (uint64_t)tak(3 * n, 2 * n, n, CALL(0, 8));
    return 1;
}
