-- Runs a workload: `luajit harness.lua FILE SIZE TIMES`. The file returns a function from the size to the final stack, bottom
-- first. This script calls it TIMES times and prints the last stack.
local ffi = require("ffi")

local file, size, times = arg[1], tonumber(arg[2]), tonumber(arg[3])
local run = dofile(file)
local stack
for _ = 1, times do
    stack = { run(size) }
end
for index, value in ipairs(stack) do
    -- LuaJIT prints 64-bit integers with a suffix, which is removed.
    if type(value) == "number" then
        stack[index] = ("%.0f"):format(value)
    else
        stack[index] = (tostring(ffi.cast("int64_t", value)):gsub("LL$", ""))
    end
end
print(table.concat(stack, " "))
