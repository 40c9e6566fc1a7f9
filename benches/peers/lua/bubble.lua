-- Sorts n pseudo-random numbers by bubble sort, for n up to 4096. The number of exchanges and a hash of the sorted numbers.
local ffi = require("ffi")
local band, rshift = bit.band, bit.rshift

local items = ffi.new("int64_t[4096]")

return function(n)
    local state = 1LL
    for i = 0, n - 1 do
        state = band(state * 1103515245 + 12345, 0x7fffffff)
        items[i] = rshift(state, 16)
    end
    local exchanges, hash = 0LL, 0LL
    for last = n - 1, 1, -1 do
        for i = 0, last - 1 do
            if items[i] > items[i + 1] then
                items[i], items[i + 1] = items[i + 1], items[i]
                exchanges = exchanges + 1
            end
        end
    end
    for i = 0, n - 1 do
        hash = hash * 31 + items[i]
    end
    return exchanges, hash
end
