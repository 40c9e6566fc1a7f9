// Multiplies two matrices of n by n pseudo-random integers, for n up to 128. Leaves the sum of the product's diagonal and a hash
// of the product.
enum { LEFT = 0, RIGHT = 16384, PRODUCT = 32768, CELLS = 49152 };
#include "rules.h"
#include "random.h"

static int64_t fill(int64_t state, int64_t matrix, int64_t count)
{
    int64_t element = matrix;
    for (int64_t times = count; times > 0; times--) {
        state = next(state);
        store(logical_shift(state, 16) % 1000 - 500, element);
        element++;
    }
    return state;
}

static int64_t dot(int64_t n, int64_t p, int64_t q)
{
    int64_t sum = 0;
    for (int64_t times = n; times > 0; times--) {
        sum += load(p) * load(q);
        q += n;
        p++;
    }
    return sum;
}

static void multiply(int64_t n)
{
    int64_t element = PRODUCT, row = LEFT;
    for (int64_t rows = n; rows > 0; rows--) {
        int64_t column = RIGHT;
        for (int64_t columns = n; columns > 0; columns--) {
            store(dot(n, row, column), element);
            column++;
            element++;
        }
        row += n;
    }
}

static int64_t trace(int64_t step, int64_t count)
{
    int64_t sum = 0, element = PRODUCT;
    for (int64_t times = count; times > 0; times--) {
        sum += load(element);
        element += step;
    }
    return sum;
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    clear_memory();
    fill(fill(1, LEFT, n * n), RIGHT, n * n);
    multiply(n);
    stack[0] = (uint64_t)trace(n + 1, n);
    stack[1] = (uint64_t)hash_cells(PRODUCT, n * n);
    return 2;
}
