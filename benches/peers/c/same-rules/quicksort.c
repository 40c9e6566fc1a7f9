// Sorts n pseudo-random numbers by Hoare's quicksort, for n up to 65,536. Leaves the number of neighbors that are out of order,
// and a hash of the sorted numbers.
enum { ITEMS = 0, CELLS = 65536 };
#include "calls.h"
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

static RECURSIVE void sort(int64_t low, int64_t high, int64_t calls, int64_t base)
{
    if (low >= high) {
        return;
    }
    int64_t pivot = load((low + high) / 2), i = low, j = high;
    while (i <= j) {
        while (load(i) < pivot) {
            i++;
        }
        while (load(j) > pivot) {
            j--;
        }
        if (i <= j) {
            CHECK(5, 5);
            exchange(i, j);
            i++;
            j--;
        }
    }
    sort(low, j, CALL(3, 7));
    sort(i, high, CALL(1, 7));
}

static int64_t descents(int64_t n)
{
    int64_t count = 0, item = ITEMS;
    for (int64_t times = n - 1; times > 0; times--) {
        count += load(item) > load(item + 1);
        item++;
    }
    return count;
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    int64_t calls = CALL_LIMIT, base = 0;
    clear_memory();
    fill(n);
    sort(ITEMS, ITEMS + n - 1, CALL(1, 7));
    stack[0] = (uint64_t)descents(n);
    stack[1] = (uint64_t)hash_cells(ITEMS, n);
    return 2;
}
