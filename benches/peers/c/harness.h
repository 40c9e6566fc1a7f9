// Shared by the reference programs. Each defines `run`, which writes the final stack of its workload, bottom first, and returns
// the number of values. `main` takes the size and the number of runs as arguments, and prints the stack of the last run.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// Forces the value into a register and hides it from the optimizer, so that the compiler cannot remove the loop.
#define BARRIER(value) __asm__ volatile("" : "+r"(value))

static int run(int64_t n, uint64_t *stack) __attribute__((noinline));

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s SIZE TIMES\n", argv[0]);
        return 2;
    }
    int64_t size = strtoll(argv[1], NULL, 10);
    uint64_t stack[8];
    int depth = 0;
    for (int64_t times = strtoll(argv[2], NULL, 10); times > 0; times--) {
        depth = run(size, stack);
    }
    for (int i = 0; i < depth; i++) {
        printf("%s%" PRId64, i == 0 ? "" : " ", (int64_t)stack[i]);
    }
    printf("\n");
    return 0;
}
