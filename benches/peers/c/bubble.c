// Sorts n pseudo-random numbers by bubble sort, for n up to 4096. Leaves the number of exchanges and a hash of the sorted
// numbers.
#include "harness.h"

static int items[4096];

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    uint32_t state = 1;
    for (int64_t i = 0; i < n; i++) {
        state = (state * 1103515245 + 12345) & 0x7fffffff;
        items[i] = (int)(state >> 16);
    }
    uint64_t exchanges = 0, hash = 0;
    for (int64_t last = n - 1; last > 0; last--) {
        for (int64_t i = 0; i < last; i++) {
            if (items[i] > items[i + 1]) {
                int item = items[i];
                items[i] = items[i + 1];
                items[i + 1] = item;
                exchanges++;
            }
        }
    }
    for (int64_t i = 0; i < n; i++) {
        hash = 31 * hash + (uint64_t)items[i];
    }
    stack[0] = exchanges;
    stack[1] = hash;
    return 2;
}
