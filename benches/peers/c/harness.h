// What the references share: each defines `run`, which leaves the final stack of its workload, bottom first, and returns how
// many values that is. Its main runs it for the size that is its first argument, as many times as the second says, and
// prints the last stack.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// The compiler must have the value in a register here, and forgets what it knew of it: so a loop stays one.
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
