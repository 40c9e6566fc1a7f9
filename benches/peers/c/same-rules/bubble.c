// Sorts n pseudo-random numbers by bubble sort, for n up to 4096. Leaves the number of exchanges and a hash of the sorted
// numbers.
enum { ITEMS = 0, CELLS = 4096 };
#include "rules.h"
#include "random.h"

static void fill(int64_t n)
{
    int64_t state = 1, item = ITEMS;
    for (int64_t times = n; times > 0; times--) {
        state = next(state);
        store(logical_shift(state, 16), item);
        item++;
    }
}

static void exchange(int64_t p, int64_t q)
{
    int64_t x = load(p), y = load(q);
    store(y, p);
    store(x, q);
}

static int64_t sort(int64_t n)
{
    int64_t exchanges = 0, length = n;
    while (length > 1) {
        length--;
        int64_t item = ITEMS;
        for (int64_t times = length; times > 0; times--) {
            if (load(item) > load(item + 1)) {
                exchange(item, item + 1);
                exchanges++;
            }
            item++;
        }
    }
    return exchanges;
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    clear_memory();
    fill(n);
    stack[0] = (uint64_t)sort(n);
    stack[1] = (uint64_t)hash_cells(ITEMS, n);
    return 2;
}
