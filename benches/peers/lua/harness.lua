-- Runs a workload: `luajit harness.lua FILE SIZE TIMES`. The file returns a function from the size to the final stack, bottom
-- first; it is called as many times as it is told, and the last stack is printed.
local ffi = require("ffi")

local file, size, times = arg[1], tonumber(arg[2]), tonumber(arg[3])
local run = dofile(file)
local stack
for _ = 1, times do
    stack = { run(size) }
end
for index, value in ipairs(stack) do
    -- A number of 64 bits says so by its last letters.
    if type(value) == "number" then
        stack[index] = ("%.0f"):format(value)
    else
        stack[index] = (tostring(ffi.cast("int64_t", value)):gsub("LL$", ""))
    end
end
print(table.concat(stack, " "))
