// The edit distance of two strings of n pseudo-random letters out of four, for n up to 2048.
enum { FIRST = 0, SECOND = 2048, ROW = 4096, CELLS = 6145 };
#include "rules.h"
#include "random.h"

static int64_t fill(int64_t state, int64_t string, int64_t count)
{
    int64_t letter = string;
    for (int64_t times = count; times > 0; times--) {
        state = next(state);
        store(logical_shift(state, 16) & 3, letter);
        letter++;
    }
    return state;
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void advance(int64_t n, int64_t x)
{
    int64_t diagonal = load(ROW), q = SECOND, left = ROW;
    store(diagonal + 1, ROW);
    for (int64_t times = n; times > 0; times--) {
        int64_t distance = min(diagonal + (load(q) != x), min(load(left), load(left + 1)) + 1);
        diagonal = load(left + 1);
        store(distance, left + 1);
        left++;
        q++;
    }
}

static int64_t distance(int64_t n)
{
    int64_t j = 0;
    for (int64_t times = n + 1; times > 0; times--) {
        store(j, ROW + j);
        j++;
    }
    int64_t letter = FIRST;
    for (int64_t times = n; times > 0; times--) {
        advance(n, load(letter));
        letter++;
    }
    return load(ROW + n);
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    clear_memory();
    fill(fill(1, FIRST, n), SECOND, n);
    stack[0] = (uint64_t)distance(n);
    return 1;
}
