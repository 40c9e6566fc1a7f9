-- Multiplies two matrices of n by n pseudo-random integers, for n up to 128. The sum of the product's diagonal and a hash of
-- the product.
local ffi = require("ffi")
local band, rshift = bit.band, bit.rshift

local left, right, product = ffi.new("int64_t[16384]"), ffi.new("int64_t[16384]"), ffi.new("int64_t[16384]")

local function fill(matrix, count, state)
    for i = 0, count - 1 do
        state = band(state * 1103515245 + 12345, 0x7fffffff)
        matrix[i] = rshift(state, 16) % 1000 - 500
    end
    return state
end

return function(n)
    n = math.max(n, 0)
    fill(right, n * n, fill(left, n * n, 1LL))
    for row = 0, n - 1 do
        for column = 0, n - 1 do
            local sum = 0LL
            for i = 0, n - 1 do
                sum = sum + left[row * n + i] * right[i * n + column]
            end
            product[row * n + column] = sum
        end
    end
    local trace, hash = 0LL, 0LL
    for i = 0, n - 1 do
        trace = trace + product[i * n + i]
    end
    for i = 0, n * n - 1 do
        hash = hash * 31 + product[i]
    end
    return trace, hash
end
