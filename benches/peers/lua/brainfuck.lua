-- An interpreter for Brainfuck without input that runs "Hello World!" n times. The number of bytes written and their hash.
local ffi = require("ffi")
local band = bit.band

local program = "++++++++[>++++[>++>+++>+++>+<<<<-]>+>+>->>+[<]<-]>>.>---.+++++++..+++.>>.<-.<.+++.------.--------.>>+.>++."
-- Ends with 0.
local commands = ffi.new("uint8_t[?]", #program + 1, program)
local right, left, plus, minus, dot, open, close = ("><+-.[]"):byte(1, -1)

local partners, tape = ffi.new("int32_t[?]", #program), ffi.new("int64_t[32]")

local function match_brackets()
    local opened = {}
    for place = 0, #program - 1 do
        if commands[place] == open then
            table.insert(opened, place)
        elseif commands[place] == close then
            local partner = table.remove(opened)
            partners[place], partners[partner] = partner, place
        end
    end
end

local function run_program(written, hash)
    local place, cell = 0, 0
    while commands[place] ~= 0 do
        local command = commands[place]
        if command == right then
            cell = cell + 1
        elseif command == left then
            cell = cell - 1
        elseif command == plus then
            tape[cell] = band(tape[cell] + 1, 255)
        elseif command == minus then
            tape[cell] = band(tape[cell] - 1, 255)
        elseif command == dot then
            written, hash = written + 1, hash * 31 + tape[cell]
        elseif (command == open) == (tape[cell] == 0) then
            place = partners[place]
        end
        place = place + 1
    end
    return written, hash
end

return function(n)
    match_brackets()
    local written, hash = 0LL, 0LL
    for _ = 1, n do
        ffi.fill(tape, ffi.sizeof(tape))
        written, hash = run_program(written, hash)
    end
    return written, hash
end
