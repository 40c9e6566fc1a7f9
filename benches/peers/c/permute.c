// Visits all orders of the first n of ten items by recursive exchanges. Leaves the number of calls and a hash of the first item
// at each visit.
#include "harness.h"

static int items[10];
static uint64_t calls, hash;

static void exchange(int i, int j)
{
    int item = items[i];
    items[i] = items[j];
    items[j] = item;
}

static void permute(int n)
{
    calls++;
    if (n == 0) {
        hash = 31 * hash + (uint64_t)items[0];
        return;
    }
    permute(n - 1);
    for (int i = n - 1; i >= 0; i--) {
        exchange(n - 1, i);
        permute(n - 1);
        exchange(n - 1, i);
    }
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    for (int i = 0; i < 10; i++) {
        items[i] = i + 1;
    }
    calls = hash = 0;
    permute((int)n);
    stack[0] = calls;
    stack[1] = hash;
    return 2;
}
