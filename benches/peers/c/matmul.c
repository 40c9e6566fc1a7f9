// Multiplies two matrices of n by n pseudo-random integers, for n up to 128. Leaves the sum of the product's diagonal and a hash
// of the product.
#include "harness.h"

static int left[128][128], right[128][128], product[128][128];

static uint32_t state;

static void fill(int matrix[128][128], int64_t n)
{
    for (int64_t row = 0; row < n; row++) {
        for (int64_t column = 0; column < n; column++) {
            state = (state * 1103515245 + 12345) & 0x7fffffff;
            matrix[row][column] = (int)(state >> 16) % 1000 - 500;
        }
    }
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    state = 1;
    fill(left, n);
    fill(right, n);
    for (int64_t row = 0; row < n; row++) {
        for (int64_t column = 0; column < n; column++) {
            int sum = 0;
            for (int64_t i = 0; i < n; i++) {
                sum += left[row][i] * right[i][column];
            }
            product[row][column] = sum;
        }
    }
    int64_t trace = 0;
    uint64_t hash = 0;
    for (int64_t row = 0; row < n; row++) {
        trace += product[row][row];
        for (int64_t column = 0; column < n; column++) {
            hash = 31 * hash + (uint64_t)product[row][column];
        }
    }
    stack[0] = (uint64_t)trace;
    stack[1] = hash;
    return 2;
}
