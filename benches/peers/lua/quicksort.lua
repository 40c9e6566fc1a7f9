-- Sorts n pseudo-random numbers by Hoare's quicksort, for n up to 65,536. The number of neighbors that are out of order and a
-- hash of the sorted numbers.
local ffi = require("ffi")
local band, rshift = bit.band, bit.rshift

local items = ffi.new("int64_t[65536]")

local function sort(low, high)
    if low >= high then
        return
    end
    local pivot, i, j = items[rshift(low + high, 1)], low, high
    while i <= j do
        while items[i] < pivot do
            i = i + 1
        end
        while items[j] > pivot do
            j = j - 1
        end
        if i <= j then
            items[i], items[j] = items[j], items[i]
            i, j = i + 1, j - 1
        end
    end
    sort(low, j)
    sort(i, high)
end

return function(n)
    local state = 1LL
    for i = 0, n - 1 do
        state = band(state * 1103515245 + 12345, 0x7fffffff)
        items[i] = rshift(state, 16)
    end
    sort(0, n - 1)
    local descents, hash = 0LL, 0LL
    for i = 0, n - 2 do
        if items[i] > items[i + 1] then
            descents = descents + 1
        end
    end
    for i = 0, n - 1 do
        hash = hash * 31 + items[i]
    end
    return descents, hash
end
