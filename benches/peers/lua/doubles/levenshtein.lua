-- The edit distance of two strings of n pseudo-random letters out of four, for n up to 2048.
local ffi = require("ffi")
local band, bxor, rshift, min = bit.band, bit.bxor, bit.rshift, math.min

local first, second, row = ffi.new("uint8_t[2048]"), ffi.new("uint8_t[2048]"), ffi.new("int32_t[2049]")

-- A step of the generator: 1103515245 * state + 12345, of which 31 bits count. The product is computed in two parts, since a
-- double cannot hold it.
local function step(state)
    return (20077 * state + 16838 * state % 32768 * 65536 + 12345) % 2147483648
end

local function fill(letters, n, state)
    for i = 0, n - 1 do
        state = step(state)
        letters[i] = band(rshift(state, 16), 3)
    end
    return state
end

return function(n)
    n = math.max(n, 0)
    fill(second, n, fill(first, n, 1))
    for j = 0, n do
        row[j] = j
    end
    for i = 0, n - 1 do
        local letter, diagonal, left = first[i], row[0], row[0] + 1
        row[0] = left
        for j = 0, n - 1 do
            local above = row[j + 1]
            -- A branch would be hard to predict.
            local cost = min(bxor(letter, second[j]), 1)
            local distance = min(diagonal + cost, min(left, above) + 1)
            row[j + 1] = distance
            diagonal, left = above, distance
        end
    end
    return row[n]
end
