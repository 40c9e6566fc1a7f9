// The edit distance of two strings of n pseudo-random letters out of four, for n up to 2048.
#include "harness.h"

static char first[2048], second[2048];
static int row[2049];

static uint32_t state;

static void fill(char *string, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        state = (state * 1103515245 + 12345) & 0x7fffffff;
        string[i] = (char)(state >> 16 & 3);
    }
}

static int min(int a, int b)
{
    return a < b ? a : b;
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    n = n < 0 ? 0 : n;
    state = 1;
    fill(first, n);
    fill(second, n);
    for (int j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (int64_t i = 0; i < n; i++) {
        int diagonal = row[0]++;
        for (int64_t j = 0; j < n; j++) {
            int distance = min(diagonal + (first[i] != second[j]), min(row[j], row[j + 1]) + 1);
            diagonal = row[j + 1];
            row[j + 1] = distance;
        }
    }
    stack[0] = (uint64_t)row[n];
    return 1;
}
