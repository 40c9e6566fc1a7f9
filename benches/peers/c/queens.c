// The number of ways to place n queens on a board of n by n squares so that none attacks another, for n up to 16.
#include <stdbool.h>

#include "harness.h"

static bool columns[16], rising[32], falling[32];

static int place(int n, int row)
{
    if (row == n) {
        return 1;
    }
    int count = 0;
    for (int column = 0; column < n; column++) {
        if (!columns[column] && !rising[row + column] && !falling[row - column + 15]) {
            columns[column] = rising[row + column] = falling[row - column + 15] = true;
            count += place(n, row + 1);
            columns[column] = rising[row + column] = falling[row - column + 15] = false;
        }
    }
    return count;
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    stack[0] = (uint64_t)place((int)n, 0);
    return 1;
}
