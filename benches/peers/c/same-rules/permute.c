// Visits all orders of the first n of ten items by recursive exchanges. Leaves the number of calls and a hash of the first item
// at each visit.
enum { ITEMS = 0, CALLS = 10, HASH = 11, CELLS = 12 };
#include "calls.h"

static void exchange(int64_t p, int64_t q)
{
    int64_t x = load(p), y = load(q);
    store(y, p);
    store(x, q);
}

static RECURSIVE void permute(int64_t n, int64_t calls, int64_t base)
{
    store(load(CALLS) + 1, CALLS);
    if (n == 0) {
        store(31 * load(HASH) + load(ITEMS), HASH);
        return;
    }
    int64_t last = n - 1;
    permute(last, CALL(1, 5));
    for (int64_t i = last; i >= 0; i--) {
        CHECK(2, 5);
        exchange(ITEMS + last, ITEMS + i);
        permute(last, CALL(2, 5));
        CHECK(2, 5);
        exchange(ITEMS + last, ITEMS + i);
    }
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    int64_t calls = CALL_LIMIT, base = 0;
    clear_memory();
    for (int64_t i = 0; i < 10; i++) {
        store(i + 1, ITEMS + i);
    }
    permute(n, CALL(0, 5));
    stack[0] = (uint64_t)load(CALLS);
    stack[1] = (uint64_t)load(HASH);
    return 2;
}
