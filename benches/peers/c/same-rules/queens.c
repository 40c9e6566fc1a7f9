// The number of ways to place n queens on a board of n by n squares so that none attacks another, for n up to 16.
enum { COLUMNS = 0, RISING = 16, FALLING = 48, CELLS = 80 };
#include "calls.h"

static int64_t is_attacked(int64_t row, int64_t column)
{
    return load(COLUMNS + column) | load(RISING + row + column) | load(FALLING + row - column + 15);
}

static void mark(int64_t x, int64_t row, int64_t column)
{
    store(x, COLUMNS + column);
    store(x, RISING + row + column);
    store(x, FALLING + row - column + 15);
}

static RECURSIVE int64_t place(int64_t n, int64_t row, int64_t calls, int64_t base)
{
    if (n == row) {
        return 1;
    }
    int64_t count = 0, column = 0;
    for (int64_t times = n; times > 0; times--) {
        CHECK(4, 5);
        if (is_attacked(row, column) == 0) {
            CHECK(4, 6);
            mark(1, row, column);
            count += place(n, row + 1, CALL(4, 7));
            CHECK(4, 6);
            mark(0, row, column);
        }
        column++;
    }
    return count;
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    int64_t calls = CALL_LIMIT, base = 0;
    clear_memory();
    stack[0] = (uint64_t)place(n, 0, CALL(0, 7));
    return 1;
}
