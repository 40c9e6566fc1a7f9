// Conway's Game of Life: n generations from the R-pentomino, on a board of 64 by 64 squares. Beyond the board nothing lives.
// Leaves the number of living cells and a hash of the board.
enum { ONE = 0, OTHER = 4356, CELLS = 8712 };
#include "rules.h"
#include "random.h"

static int64_t neighbors(int64_t a)
{
    return load(a - 67) + load(a - 66) + load(a - 65) + load(a - 1) + load(a + 1) + load(a + 65) + load(a + 66) + load(a + 67);
}

static void generation(int64_t from, int64_t to)
{
    from += 67;
    to += 67;
    for (int64_t rows = 64; rows > 0; rows--) {
        for (int64_t columns = 64; columns > 0; columns--) {
            store((neighbors(from) | load(from)) == 3, to);
            to++;
            from++;
        }
        to += 2;
        from += 2;
    }
}

static int64_t count(int64_t board)
{
    int64_t living = 0;
    for (int64_t times = 4356; times > 0; times--) {
        living += load(board);
        board++;
    }
    return living;
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    clear_memory();
    store(1, ONE + 2145);
    store(1, ONE + 2146);
    store(1, ONE + 2210);
    store(1, ONE + 2211);
    store(1, ONE + 2277);
    int64_t from = ONE, to = OTHER;
    for (int64_t times = n; times > 0; times--) {
        generation(from, to);
        int64_t board = from;
        from = to;
        to = board;
    }
    stack[0] = (uint64_t)count(from);
    stack[1] = (uint64_t)hash_cells(from, 4356);
    return 2;
}
