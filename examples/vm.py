#!/usr/bin/env python3
"""A VM for the language of docs/LANGUAGE.md, to be judged by `jitduel check` and `jitduel fuzz` with
--external 'python3 examples/vm.py {file}'. docs/EXTERNAL.md explains what it must do.

It expects a valid program, because jitduel rejects all others before any VM sees them. It compiles each definition and
the main program to a list of instructions: the offset of the word, the number of values that it pops, the name of the
instruction and its arguments. A jump names the index of an instruction in the same list.
"""
import re
import sys


def quotient(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def unsigned(a):
    return a % 2**64


def wrapped(a):
    return (a + 2**63) % 2**64 - 2**63


UNARY = {"negate": lambda a: -a, "invert": lambda a: ~a, "abs": abs}
BINARY = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "/": quotient, "mod": lambda a, b: a - b * quotient(a, b),
    "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    "lshift": lambda a, n: a << n % 64, "arshift": lambda a, n: a >> n % 64,
    "rshift": lambda a, n: unsigned(a) >> n % 64,
    "=": lambda a, b: a == b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b, ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b, "u<": lambda a, b: unsigned(a) < unsigned(b),
    "min": min, "max": max,
}
# What each shuffle takes and leaves.
SHUFFLES = {"dup": ("a", "aa"), "drop": ("a", ""), "swap": ("ab", "ba"), "over": ("ab", "aba"),
            "rot": ("abc", "bca"), "nip": ("ab", "b"), "tuck": ("ab", "bab")}
# For each word: how many values it pops and pushes, and its instruction.
WORDS = {word: (1, 1, "compute", function) for word, function in UNARY.items()}
WORDS |= {word: (2, 1, "compute", function) for word, function in BINARY.items()}
WORDS |= {word: (len(takes), len(leaves), "shuffle", takes, leaves) for word, (takes, leaves) in SHUFFLES.items()}
WORDS |= {"@": (1, 1, "load"), "!": (2, 0, "store")}


def words(text):
    """The words of a text with their offsets. Comments are left out, and an effect is a pair of numbers."""
    text += "\n"
    found, at = [], 0
    while match := re.compile(r"[^ \t\n\r\f]+").search(text, at):
        word, start, at = match[0], match.start(), match.end()
        if word == "\\":
            at = text.index("\n", at)
        elif word == "(":
            inside, at = text[at:text.index(")", at)].split(), text.index(")", at) + 1
            if len(found) > 1 and found[-2][0] == ":":
                found.append(((inside.index("--"), len(inside) - inside.index("--") - 1), start))
        else:
            found.append((word, start))
    return found


class Function:
    """A definition, or the main program. Its stack is at most `depth` deep now, and was at most `frame` deep."""

    def __init__(self, params, results):
        self.params, self.results = params, results
        self.code, self.depth, self.frame, self.bodies = [], params, params, []

    def emit(self, at, pops, pushes, *instruction):
        self.depth += pushes - pops
        self.frame = max(self.frame, self.depth)
        self.code.append([at, pops, *instruction])


class Body:
    """An open `times`, `while` or `if`: its start, the jumps to its end, and the depths with which it ends."""

    def __init__(self, word, at, function):
        self.word, self.at, self.start, self.depth = word, at, len(function.code), function.depth
        self.jumps, self.ends = [], []

    def ended_by_last(self, function):
        """The function's last instruction jumps to the end of this body."""
        self.jumps.append(function.code[-1])
        self.ends.append(function.depth)


UNREACHABLE = float("-inf")  # the depth after `leave` and `exit`


def compiled(text):
    """The main program, and the number of memory cells."""
    # First the names, because they can be used before their definition. What needs no names becomes an instruction.
    found, items, known, cells = iter(words(text)), [], dict(WORDS), 0
    for word, at in found:
        if word == ":":
            name, effect = next(found)[0], next(found)[0]
            items.append((Function(*effect), at))
            known[name] = (*effect, "call", items[-1][0])
        elif word == "array":
            known[next(found)[0]] = (0, 1, "push", cells)
            cells += items.pop()[0][3]
        elif word in ("pick", "put"):
            depth = items.pop()[0][3]
            items.append(((depth + 1, depth + 2, word) if word == "pick" else (depth + 2, depth + 1, word), at))
        elif re.fullmatch("-?[0-9]+|0x[0-9a-fA-F]+", word):
            items.append(((0, 1, "push", wrapped(int(word, 16 if "x" in word else 10))), at))
        else:
            items.append((word, at))
    main = function = Function(0, 0)
    for word, at in items:
        bodies, code, emit = function.bodies, function.code, function.emit
        if isinstance(word, Function):
            function = word
        elif isinstance(word, tuple):
            emit(at, *word)
        elif word == ";":
            emit(at, 0, 0, "return")
            function = main
        elif word == "exit":
            emit(at, 0, 0, "return")
            function.depth = UNREACHABLE
        elif word in ("times", "if", "while"):
            emit(at, int(word != "while"), 0, word)
            bodies.append(Body(word, at, function))
        elif word == "do":
            emit(bodies[-1].at, 1, 0, "if")
            bodies[-1].ended_by_last(function)
        elif word == "leave":
            body = next(body for body in reversed(bodies) if body.word != "if")
            emit(at, 0, 0, "leave" if body.word == "times" else "jump")
            body.ended_by_last(function)
            function.depth = UNREACHABLE
        elif word == "else":
            emit(at, 0, 0, "jump")
            bodies[-1].ended_by_last(function)
            code[bodies[-1].start - 1].append(len(code))
            function.depth = bodies[-1].depth
        elif word == "end":
            body, end = bodies.pop(), len(code)
            first = code[body.start - 1]
            if body.word == "times":
                emit(body.at, 0, 0, "next", body.start)
            elif body.word == "while":
                emit(body.at, 0, 0, "jump", body.start - 1)
                end += 1
            else:
                body.ends.append(function.depth)
            if body.word == "times" or first[-1] == "if":  # no iteration, or no ELSE
                body.jumps.append(first)
                body.ends.append(body.depth)
            for jump in body.jumps:
                jump.append(end)
            function.depth = max(body.ends)
        else:
            emit(at, *known[word])
    main.emit(0, 0, 0, "return")
    return main, cells


class Trap(Exception):
    pass


def run(main, cells, stack, fuel, stack_limit, call_limit):
    """Runs a program. Afterwards, the stack holds the result."""
    memory, counters, calls = [0] * cells, [], []
    code, next_, base = main.code, 0, 0

    def work(at):
        nonlocal fuel
        if fuel == 0:
            raise Trap("out of fuel", at)
        fuel -= 1

    while True:
        at, pops, word, *arguments = code[next_]
        next_ += 1
        if len(stack) - base < pops:
            raise Trap("stack underflow", at)
        taken = stack[len(stack) - pops:]
        if word not in ("pick", "call"):  # these leave them on the stack
            del stack[len(stack) - pops:]
        if word == "push":
            stack.append(arguments[0])
        elif word == "pick":
            stack.append(taken[0])
        elif word == "put":
            stack += [taken[-1], *taken[1:-1]]
        elif word == "shuffle":
            stack += [taken[arguments[0].index(name)] for name in arguments[1]]
        elif word == "compute":
            try:
                stack.append(wrapped(arguments[0](*taken)))
            except ZeroDivisionError:
                raise Trap("division by zero", at) from None
        elif word in ("load", "store"):
            if not 0 <= taken[-1] < cells:
                raise Trap("out of bounds", at)
            if word == "load":
                stack.append(memory[taken[0]])
            else:
                memory[taken[1]] = taken[0]
        elif word == "times":
            counters.append(taken[0])
            next_ = arguments[0]
        elif word == "next":
            if counters[-1] > 0:
                work(at)
                counters[-1] -= 1
                next_ = arguments[0]
            else:
                counters.pop()
        elif word == "leave":
            counters[-1] = 0
            next_ = arguments[0]
        elif word == "while":
            work(at)
        elif word == "jump" or word == "if" and taken[0] == 0:
            next_ = arguments[0]
        elif word == "call":
            work(at)
            if len(calls) == call_limit:
                raise Trap("call depth exceeded", at)
            if len(stack) - pops + arguments[0].frame > stack_limit:
                raise Trap("stack overflow", at)
            calls.append((code, next_, base, len(counters)))
            code, next_, base = arguments[0].code, 0, len(stack) - pops
        elif word == "return":
            if not calls:
                return
            code, next_, base, count = calls.pop()
            del counters[count:]
        if not calls and len(stack) > stack_limit:
            raise Trap("stack overflow", at)


def main(path, *options):
    if path.endswith(".let"):
        # This VM knows only the stack language.
        return print("unsupported")
    options = dict(option.removeprefix("--").split("=") for option in options)
    inputs = [int(value) for value in options["input"].split(",") if value]
    fuel, stack_limit, call_limit = [int(options.get(name, -1)) for name in ("fuel", "stack-limit", "call-limit")]
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    try:
        run(*compiled(text), inputs, fuel, stack_limit, call_limit)
        print(*inputs)
    except Trap as trap:
        kind, at = trap.args
        print(f"trap {kind} {text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)}")


main(*sys.argv[1:])
