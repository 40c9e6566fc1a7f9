-- The SHA-256 hash of a message of n bytes, whose byte i is i mod 251, as eight words of 32 bits.
local ffi = require("ffi")
local band, bor, bxor, bnot, lshift, rshift = bit.band, bit.bor, bit.bxor, bit.bnot, bit.lshift, bit.rshift

local constants = ffi.new("int64_t[64]", {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
})

local block, schedule = ffi.new("int64_t[64]"), ffi.new("int64_t[64]")
-- The rounds would move the working variables a to d and e to h by one place, but LuaJIT does not compile a loop that moves
-- so many 64-bit integers. Instead they step through two arrays: a is the last value in the first, and e is the last value in
-- the second.
local as, es = ffi.new("int64_t[68]"), ffi.new("int64_t[68]")

local function mask(x)
    return band(x, 0xffffffffLL)
end

local function ror(x, n)
    return mask(bor(rshift(x, n), lshift(x, 32 - n)))
end

-- Reads the block that begins with byte i of the padded message of n bytes.
local function read_block(n, first)
    for i = first, first + 63 do
        block[i - first] = i < n and i % 251 or i == n and 128 or 0
    end
    if n + 8 < first + 64 then
        local length = 8LL * n
        for i = 0, 7 do
            block[63 - i] = band(rshift(length, 8 * i), 255)
        end
    end
end

local function compress(hash)
    for t = 0, 15 do
        local word = 0LL
        for i = 4 * t, 4 * t + 3 do
            word = bor(lshift(word, 8), block[i])
        end
        schedule[t] = word
    end
    for t = 16, 63 do
        local x, y = schedule[t - 15], schedule[t - 2]
        local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
        local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
        schedule[t] = mask(s1 + schedule[t - 7] + s0 + schedule[t - 16])
    end
    for i = 0, 3 do
        as[i], es[i] = hash[3 - i], hash[7 - i]
    end
    for t = 0, 63 do
        local a, b, c, d = as[t + 3], as[t + 2], as[t + 1], as[t]
        local e, f, g, h = es[t + 3], es[t + 2], es[t + 1], es[t]
        local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
        local t1 = h + s1 + bxor(band(e, f), band(bnot(e), g)) + constants[t] + schedule[t]
        local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
        local t2 = s0 + bxor(band(a, b), band(a, c), band(b, c))
        as[t + 4], es[t + 4] = mask(t1 + t2), mask(d + t1)
    end
    for i = 0, 3 do
        hash[i], hash[i + 4] = mask(hash[i] + as[67 - i]), mask(hash[i + 4] + es[67 - i])
    end
end

return function(n)
    local hash = ffi.new("int64_t[8]", {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    })
    for first = 0, n + 8, 64 do
        read_block(n, first)
        compress(hash)
    end
    return hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]
end
