// Made by `jitduel export` from "-e"; number of inputs: 1, stack limit: 9, call limit: 10000, fuel: 100
// cc -O2 -o program program.c && ./program [INPUT…]

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A program or a definition: a function from the stack pointer before it to the one after it. It points past the topmost value.
typedef uint64_t *function(uint64_t *);

// The bottom of the stack.
static uint64_t *bottom;

// The iterations and calls that may still begin.
static uint64_t fuel;

// Where a run began.
static jmp_buf start;

// Ends a run. Not static, because not every program needs it.
_Noreturn void trap(const char *kind, unsigned line, unsigned column)
{
    printf("trap %s %u:%u\n", kind, line, column);
    longjmp(start, 1);
}

static uint64_t *stack(uint64_t values)
{
    uint64_t *bottom = values < SIZE_MAX / 8 ? malloc((size_t)(values + 1) * 8) : NULL;
    if (bottom == NULL) {
        fprintf(stderr, "error: no memory for a stack of %" PRIu64 " values\n", values);
        exit(2);
    }
    return bottom;
}

// Runs a program and prints its line.
static int run(function *program, const uint64_t *inputs, size_t count)
{
    memcpy(bottom, inputs, count * sizeof *inputs);
    if (setjmp(start) != 0) {
        return 1;
    }
    uint64_t *top = program(bottom + count);
    for (uint64_t *value = bottom; value < top; value++) {
        printf("%s%" PRId64, value == bottom ? "" : " ", (int64_t)*value);
    }
    printf("\n");
    return 0;
}

static uint64_t *program(uint64_t *sp)
{
    fuel = UINT64_C(100);
    sp[0] = sp[-1]; sp++; // dup 1:1
    for (int64_t n = (int64_t)*--sp; n > 0; n--) { // times 1:5
        if (fuel-- == 0) trap("out of fuel", 1, 5);
        if (sp - bottom > 8) trap("stack overflow", 1, 11);
        *sp++ = 2; // 1:11
    }
    for (;;) { // while 2:1
        if (fuel-- == 0) trap("out of fuel", 2, 1);
        if (sp - bottom > 8) trap("stack overflow", 2, 7);
        sp[0] = sp[-1]; sp++; // dup 2:7
        if (sp - bottom > 8) trap("stack overflow", 2, 11);
        *sp++ = 7; // 2:11
        sp[-2] = (int64_t)sp[-2] < (int64_t)sp[-1]; sp--; // < 2:13
        if (*--sp == 0) break; // do
        sp--; // drop 2:18
        if (sp - bottom < 2) trap("stack underflow", 2, 23);
        { uint64_t a = sp[-2], b = sp[-1]; sp[-2] = b; sp[-1] = a; } // swap 2:23
        if (sp - bottom > 8) trap("stack overflow", 2, 28);
        sp[0] = sp[-2]; sp++; // over 2:28
    }
    if (sp - bottom > 8) trap("stack overflow", 3, 1);
    *sp++ = 100; // 3:1
    { uint64_t a = sp[-2], b = sp[-1]; sp[-2] = b; sp[-1] = a; } // swap 3:5
    if (sp[-1] == 0) trap("division by zero", 3, 10);
    sp[-2] = sp[-1] == UINT64_MAX ? 0 - sp[-2] : (uint64_t)((int64_t)sp[-2] / (int64_t)sp[-1]); sp--; // / 3:10
    if (sp - bottom < 3) trap("stack underflow", 3, 12);
    { uint64_t a = sp[-3], b = sp[-2], c = sp[-1]; sp[-3] = b; sp[-2] = c; sp[-1] = a; } // rot 3:12
    if (sp - bottom > 8) trap("stack overflow", 3, 18);
    sp[0] = sp[-3]; sp++; // 2 pick 3:18
    if (sp[-1] == 0) trap("division by zero", 3, 23);
    sp[-2] = sp[-1] == UINT64_MAX ? 0 : (uint64_t)((int64_t)sp[-2] % (int64_t)sp[-1]); sp--; // mod 3:23
    if (*--sp != 0) { // if 4:1
        if (sp - bottom > 8) trap("stack overflow", 4, 4);
        *sp++ = 3; // 4:4
    } else {
        sp--; // drop 4:11
    }
    if (sp - bottom < 2) trap("stack underflow", 4, 20);
    sp[-2] = sp[-2] << (sp[-1] & 63); sp--; // lshift 4:20
    return sp;
}

// Parses an integer in the language's notation.
static int parse(const char *text, uint64_t *value)
{
    int hexadecimal = text[0] == '0' && text[1] == 'x';
    const char *digits = hexadecimal ? text + 2 : text[0] == '-' ? text + 1 : text;
    if (*digits == '\0' || strspn(digits, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits)) {
        return 0;
    }
    errno = 0;
    *value = hexadecimal ? strtoull(digits, NULL, 16) : (uint64_t)strtoll(text, NULL, 10);
    return errno == 0;
}

// The inputs given at export; arguments replace them. The last 0 is not an input.
static uint64_t inputs[] = {INT64_MIN, 0};

static int execute(void)
{
    return run(program, inputs, 1);
}

int main(int argc, char **argv)
{
    if (argc > 1 && argc - 1 != 1) {
        fprintf(stderr, "error: the number of inputs must be 1\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        if (!parse(argv[i], &inputs[i - 1])) {
            fprintf(stderr, "error: `%s` is not a 64-bit integer\n", argv[i]);
            return 2;
        }
    }
    bottom = stack(UINT64_C(9));
    return execute();
}
