-- The number of primes below n by the sieve of Eratosthenes, for n up to 262,144.
local ffi = require("ffi")

local composite = ffi.new("bool[262144]")

return function(n)
    ffi.fill(composite, ffi.sizeof(composite))
    local count = 0
    for p = 2, n - 1 do
        if not composite[p] then
            count = count + 1
            for multiple = p * p, n - 1, p do
                composite[multiple] = true
            end
        end
    end
    return count
end
