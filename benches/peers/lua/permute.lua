-- Visits all orders of the first n of ten items by recursive exchanges. The number of calls and a hash of the first item at
-- each visit.
local ffi = require("ffi")

local items = ffi.new("int64_t[10]")
local total = ffi.new("struct { int64_t calls, hash; }")

local function exchange(i, j)
    items[i], items[j] = items[j], items[i]
end

local function permute(n)
    total.calls = total.calls + 1
    if n == 0 then
        total.hash = total.hash * 31 + items[0]
        return
    end
    permute(n - 1)
    for i = n - 1, 0, -1 do
        exchange(n - 1, i)
        permute(n - 1)
        exchange(n - 1, i)
    end
end

return function(n)
    for i = 0, 9 do
        items[i] = i + 1
    end
    total.calls, total.hash = 0, 0
    permute(n)
    return total.calls, total.hash
end
