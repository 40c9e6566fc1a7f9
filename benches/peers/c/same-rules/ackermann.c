// Ackermann's function of 3 and n.
#define CELLS 1
#include "calls.h"

static RECURSIVE int64_t ackermann(int64_t m, int64_t n, int64_t calls, int64_t base)
{
    if (m == 0) {
        return n + 1;
    }
    if (n == 0) {
        return ackermann(m - 1, 1, CALL(0, 4));
    }
    int64_t inner = ackermann(m, n - 1, CALL(1, 4));
    return ackermann(m - 1, inner, CALL(0, 4));
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    int64_t calls = CALL_LIMIT, base = 0;
    stack[0] = (uint64_t)ackermann(3, n, CALL(0, 4));
    return 1;
}
