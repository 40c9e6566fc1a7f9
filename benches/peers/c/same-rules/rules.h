// The language's rules in C: cells of 64 bits, one memory with a bounds check at each access, and checks at each call. Each
// program defines CELLS, the number of its cells, before it includes this file. It has the calls, loops, loads and stores of its
// workload's text. gcc gets two more options: arithmetic wraps (-fwrapv), and a call at the end of a function remains a call
// (-fno-optimize-sibling-calls).
//
// Only programs with recursion check their calls. In the others, the longest chain of calls is known, as it is to our compilers.
// Recursive functions must not be inlined, so that each call is one.
#include <string.h>

#include "../harness.h"

#define RECURSIVE __attribute__((noinline))

enum { CALL_LIMIT = 10000, STACK_LIMIT = 65536 };

static _Noreturn void trap(const char *kind) __attribute__((noinline, cold));

static void trap(const char *kind)
{
    fprintf(stderr, "trap %s\n", kind);
    exit(1);
}

static int64_t memory[CELLS];

// The memory is zero at the start of every run.
static inline void clear_memory(void)
{
    memset(memory, 0, sizeof memory);
}

static inline int64_t load(int64_t address)
{
    if ((uint64_t)address >= CELLS) {
        trap("out of bounds");
    }
    return memory[address];
}

static inline void store(int64_t x, int64_t address)
{
    if ((uint64_t)address >= CELLS) {
        trap("out of bounds");
    }
    memory[address] = x;
}

static inline int64_t logical_shift(int64_t x, int64_t n)
{
    return (int64_t)((uint64_t)x >> (n & 63));
}
