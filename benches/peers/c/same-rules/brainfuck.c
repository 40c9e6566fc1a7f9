// An interpreter for Brainfuck without input, which runs "Hello World!" n times. Leaves the number of bytes written and a hash of
// them.
enum { PROGRAM = 0, PARTNERS = 256, OPENED = 512, TAPE = 528, WRITTEN = 560, HASH = 561, CELLS = 562 };
#include "rules.h"

static int64_t unpack(int64_t commands, int64_t a)
{
    for (int64_t times = 16; times > 0; times--) {
        store(commands & 15, a);
        a++;
        commands = logical_shift(commands, 4);
    }
    return a;
}

static void load_program(void)
{
    int64_t a = PROGRAM;
    a = unpack(0x1633331633333333, a);
    a = unpack(0x2222313331333133, a);
    a = unpack(0x4272631141313174, a);
    a = unpack(0x3333333544415117, a);
    a = unpack(0x3352542511533355, a);
    a = unpack(0x4444444544444453, a);
    unpack(0x0000005331531154, a);
}

static void match_brackets(void)
{
    int64_t top = OPENED, place = 0;
    while (load(PROGRAM + place) != 0) {
        if (load(PROGRAM + place) == 6) {
            store(place, top);
            top++;
        }
        if (load(PROGRAM + place) == 7) {
            top--;
            int64_t partner = load(top);
            store(place, PARTNERS + partner);
            store(partner, PARTNERS + place);
        }
        place++;
    }
}

static void write_byte(int64_t byte)
{
    store(load(HASH) * 31 + byte, HASH);
    store(load(WRITTEN) + 1, WRITTEN);
}

static void run_program(void)
{
    int64_t place = 0, cell = TAPE, command;
    while ((command = load(PROGRAM + place)) != 0) {
        if (command == 1) {
            cell++;
        } else if (command == 2) {
            cell--;
        } else if (command == 3) {
            store((load(cell) + 1) & 255, cell);
        } else if (command == 4) {
            store((load(cell) - 1) & 255, cell);
        } else if (command == 5) {
            write_byte(load(cell));
        } else if ((command == 6) == (load(cell) == 0)) {
            place = load(PARTNERS + place);
        }
        place++;
    }
}

static void clear_tape(void)
{
    int64_t cell = TAPE;
    for (int64_t times = 32; times > 0; times--) {
        store(0, cell);
        cell++;
    }
}

static int run(int64_t n, uint64_t *stack)
{
    BARRIER(n);
    clear_memory();
    load_program();
    match_brackets();
    for (int64_t times = n; times > 0; times--) {
        clear_tape();
        run_program();
    }
    stack[0] = (uint64_t)load(WRITTEN);
    stack[1] = (uint64_t)load(HASH);
    return 2;
}
