// Made by `jitduel export` from "-e"; number of inputs: 0, stack limit: 40, call limit: 40, fuel: 100
// cc -O2 -pthread -o program program.c && ./program [INPUT…]

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A program or a definition: a function from the stack pointer before it to the one after it. It points past the topmost value.
typedef uint64_t *function(uint64_t *);

// The bottom of the stack.
static uint64_t *bottom;

// The memory.
static uint64_t cells[10];

// The iterations and calls that may still begin.
static uint64_t fuel;

// The number of calls that may become active in addition to those that are.
static uint64_t calls;

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

static uint64_t *program_2(uint64_t *sp);

// store ( 2 -- 0 ) 2:3
static uint64_t *program_0(uint64_t *sp)
{
    *sp++ = 0; // a 2:20
    sp[-2] = sp[-2] + sp[-1]; sp--; // + 2:22
    if (sp[-1] >= 10) trap("out of bounds", 2, 24);
    cells[sp[-1]] = sp[-2]; sp -= 2; // ! 2:24
    return sp;
}

// last ( 3 -- 1 ) 3:3
static uint64_t *program_1(uint64_t *sp)
{
    const uint64_t *base = sp - 3;
    for (int64_t n = (int64_t)*--sp; n > 0; n--) { // times 3:23
        if (fuel-- == 0) trap("out of fuel", 3, 23);
        if (sp - base < 1) trap("stack underflow", 3, 29);
        sp--; // drop 3:29
    }
    if (sp - base < 2) trap("stack underflow", 3, 38);
    { uint64_t a = sp[-2], b = sp[-1]; sp[-2] = b; sp[-1] = a; } // swap 3:38
    sp--; // drop 3:43
    return sp;
}

// up ( 1 -- 1 ) 5:3
static uint64_t *program_3(uint64_t *sp)
{
    sp[0] = sp[-1]; sp++; // dup 5:17
    *sp++ = 2; // 5:21
    sp[-2] = sp[-2] - sp[-1]; sp--; // - 5:23
    if (fuel-- == 0) trap("out of fuel", 5, 25);
    if (calls == 0) trap("call depth exceeded", 5, 25);
    if (sp - bottom > 38) trap("stack overflow", 5, 25);
    calls--; sp = program_2(sp); calls++; // down 5:25
    sp[-2] = (int64_t)sp[-2] > (int64_t)sp[-1] ? sp[-2] : sp[-1]; sp--; // max 5:30
    return sp;
}

// down ( 1 -- 1 ) 4:3
static uint64_t *program_2(uint64_t *sp)
{
    sp[0] = sp[-1]; sp++; // dup 4:19
    *sp++ = 1; // 4:23
    sp[-2] = (int64_t)sp[-2] < (int64_t)sp[-1]; sp--; // < 4:25
    if (*--sp != 0) { // if 4:27
        return sp; // exit 4:30
    }
    *sp++ = 3; // 4:39
    for (int64_t n = (int64_t)*--sp; n > 0; n--) { // times 4:41
        if (fuel-- == 0) trap("out of fuel", 4, 41);
        *sp++ = 1; // 4:47
        sp[-2] = sp[-2] - sp[-1]; sp--; // - 4:49
        sp[0] = sp[-1]; sp++; // dup 4:51
        *sp++ = 0; // 4:55
        sp[-2] = (int64_t)sp[-2] < (int64_t)sp[-1]; sp--; // < 4:57
        if (*--sp != 0) { // if 4:59
            return sp; // exit 4:62
        }
        sp[0] = sp[-1]; sp++; // dup 4:71
        if (*--sp != 0) { // if 4:75
            if (fuel-- == 0) trap("out of fuel", 4, 78);
            if (calls == 0) trap("call depth exceeded", 4, 78);
            if (sp - bottom > 38) trap("stack overflow", 4, 78);
            calls--; sp = program_3(sp); calls++; // up 4:78
        } else {
            break; // leave 4:86
        }
    }
    return sp;
}

static uint64_t *program(uint64_t *sp)
{
    fuel = UINT64_C(100);
    calls = UINT64_C(40);
    memset(cells, 0, 10 * sizeof *cells);
    *sp++ = 5; // 6:1
    *sp++ = 0; // 6:3
    if (fuel-- == 0) trap("out of fuel", 6, 5);
    if (calls == 0) trap("call depth exceeded", 6, 5);
    calls--; sp = program_0(sp); calls++; // store 6:5
    *sp++ = 8; // b 6:12
    *sp++ = 0; // a 6:14
    if (sp[-1] >= 10) trap("out of bounds", 6, 16);
    sp[-1] = cells[sp[-1]]; // @ 6:16
    *sp++ = 0; // 6:18
    if (fuel-- == 0) trap("out of fuel", 6, 20);
    if (calls == 0) trap("call depth exceeded", 6, 20);
    calls--; sp = program_1(sp); calls++; // last 6:20
    if (fuel-- == 0) trap("out of fuel", 6, 25);
    if (calls == 0) trap("call depth exceeded", 6, 25);
    if (sp - bottom > 38) trap("stack overflow", 6, 25);
    calls--; sp = program_2(sp); calls++; // down 6:25
    *sp++ = 0; // 6:31
    *sp++ = 0; // a 6:33
    *sp++ = 100; // 6:35
    if (fuel-- == 0) trap("out of fuel", 6, 39);
    if (calls == 0) trap("call depth exceeded", 6, 39);
    if (sp - bottom > 38) trap("stack overflow", 6, 39);
    calls--; sp = program_3(sp); calls++; // up 6:39
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
static uint64_t inputs[] = {0};

static int execute(void)
{
    return run(program, inputs, 0);
}

static void *thread(void *status)
{
    *(int *)status = execute();
    return NULL;
}

// Executes the runs on a stack with room for all active calls. The usual one may be too small.
static int on_large_stack(uint64_t bytes)
{
    int status;
    pthread_attr_t attributes;
    pthread_t id;
    if ((size_t)bytes != bytes || pthread_attr_init(&attributes) != 0
        || pthread_attr_setstacksize(&attributes, (size_t)bytes) != 0
        || pthread_create(&id, &attributes, thread, &status) != 0) {
        fprintf(stderr, "error: no memory for a C stack of %" PRIu64 " bytes\n", bytes);
        return 2;
    }
    pthread_join(id, NULL);
    return status;
}

int main(int argc, char **argv)
{
    if (argc > 1 && argc - 1 != 0) {
        fprintf(stderr, "error: the number of inputs must be 0\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        if (!parse(argv[i], &inputs[i - 1])) {
            fprintf(stderr, "error: `%s` is not a 64-bit integer\n", argv[i]);
            return 2;
        }
    }
    bottom = stack(UINT64_C(40));
    return on_large_stack(UINT64_C(458752));
}
