-- The sum of n outputs of the 64-bit xorshift generator (13, 7, 17) from the state 1.
local bxor, lshift, rshift = bit.bxor, bit.lshift, bit.rshift

return function(n)
    local state, sum = 1ULL, 0ULL
    for _ = 1, n do
        state = bxor(state, lshift(state, 13))
        state = bxor(state, rshift(state, 7))
        state = bxor(state, lshift(state, 17))
        sum = sum + state
    end
    return state, sum
end
