// An interpreter for Brainfuck without input, which runs "Hello World!" n times. Leaves the number of bytes written and a hash of
// them.
#include <string.h>

#include "harness.h"

static const char program[] =
    "++++++++[>++++[>++>+++>+++>+<<<<-]>+>+>->>+[<]<-]"
    ">>.>---.+++++++..+++.>>.<-.<.+++.------.--------.>>+.>++.";

static int partners[sizeof program];
static uint8_t tape[32];
static uint64_t written, hash;

static void match_brackets(void)
{
    int opened[16], top = 0;
    for (int place = 0; program[place] != '\0'; place++) {
        if (program[place] == '[') {
            opened[top++] = place;
        } else if (program[place] == ']') {
            int partner = opened[--top];
            partners[place] = partner;
            partners[partner] = place;
        }
    }
}

static void run_program(void)
{
    int cell = 0;
    for (int place = 0; program[place] != '\0'; place++) {
        switch (program[place]) {
        case '>':
            cell++;
            break;
        case '<':
            cell--;
            break;
        case '+':
            tape[cell]++;
            break;
        case '-':
            tape[cell]--;
            break;
        case '.':
            hash = 31 * hash + tape[cell];
            written++;
            break;
        case '[':
            if (tape[cell] == 0) {
                place = partners[place];
            }
            break;
        case ']':
            if (tape[cell] != 0) {
                place = partners[place];
            }
            break;
        }
    }
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    match_brackets();
    written = hash = 0;
    for (int64_t i = 0; i < n; i++) {
        memset(tape, 0, sizeof tape);
        run_program();
    }
    stack[0] = written;
    stack[1] = hash;
    return 2;
}
