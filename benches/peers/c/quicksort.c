// Sorts n pseudo-random numbers by Hoare's quicksort, for n up to 65,536. Leaves the number of neighbors that are out of order,
// and a hash of the sorted numbers.
#include "harness.h"

static int items[65536];

static void sort(int low, int high)
{
    if (low >= high) {
        return;
    }
    int pivot = items[(low + high) / 2], i = low, j = high;
    while (i <= j) {
        while (items[i] < pivot) {
            i++;
        }
        while (items[j] > pivot) {
            j--;
        }
        if (i <= j) {
            int item = items[i];
            items[i++] = items[j];
            items[j--] = item;
        }
    }
    sort(low, j);
    sort(i, high);
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    uint32_t state = 1;
    for (int64_t i = 0; i < n; i++) {
        state = (state * 1103515245 + 12345) & 0x7fffffff;
        items[i] = (int)(state >> 16);
    }
    sort(0, (int)n - 1);
    uint64_t descents = 0, hash = 0;
    for (int64_t i = 0; i + 1 < n; i++) {
        descents += items[i] > items[i + 1];
    }
    for (int64_t i = 0; i < n; i++) {
        hash = 31 * hash + (uint64_t)items[i];
    }
    stack[0] = descents;
    stack[1] = hash;
    return 2;
}
