-- The edit distance of two strings of n pseudo-random letters out of four, for n up to 2048.
local ffi = require("ffi")
local arshift, band, bxor, rshift = bit.arshift, bit.band, bit.bxor, bit.rshift

local first, second, row = ffi.new("int64_t[2048]"), ffi.new("int64_t[2048]"), ffi.new("int64_t[2049]")

-- `math.min` is for doubles only, and a branch would be hard to predict.
local function min(a, b)
    local difference = a - b
    return b + band(difference, arshift(difference, 63))
end

local function fill(letters, n, state)
    for i = 0, n - 1 do
        state = band(state * 1103515245 + 12345, 0x7fffffff)
        letters[i] = band(rshift(state, 16), 3)
    end
    return state
end

return function(n)
    n = math.max(n, 0)
    fill(second, n, fill(first, n, 1LL))
    for j = 0, n do
        row[j] = j
    end
    for i = 0, n - 1 do
        local letter, diagonal, left = first[i], row[0], row[0] + 1
        row[0] = left
        for j = 0, n - 1 do
            local above = row[j + 1]
            local cost = min(bxor(letter, second[j]), 1)
            local distance = min(diagonal + cost, min(left, above) + 1)
            row[j + 1] = distance
            diagonal, left = above, distance
        end
    end
    return row[n]
end
