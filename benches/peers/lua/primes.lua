-- The number of primes below n by trial division.
return function(n)
    local count = 0LL
    for number = 2, n - 1 do
        local i, d = 1LL * number, 2LL
        while d * d <= i and i % d ~= 0 do
            d = d + 1
        end
        if d * d > i then
            count = count + 1
        end
    end
    return count
end
