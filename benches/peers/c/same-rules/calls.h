// The checks of calls, for the programs with recursion. A recursive function has two more parameters: `calls` is how many more
// calls may be active, and `base` is how many values lie below its own.
#include "rules.h"

// Checks a call whose definition has a frame of `size` values. The caller's own values, without the parameters, are `below`.
#define CHECK(below, size) check_call(calls, base + (below) + (size))

// The same, and the callee's `calls` and `base`.
#define CALL(below, size) (CHECK(below, size), calls - 1), base + (below)

static inline void check_call(int64_t calls, int64_t depth)
{
    if (calls == 0) {
        trap("call depth exceeded");
    }
    if (depth > STACK_LIMIT) {
        trap("stack overflow");
    }
}
