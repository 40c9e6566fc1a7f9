-- The sum of the integer square roots of 1000003 * i for i = 1 ... n, by Newton's method.
return function(n)
    local sum = 0LL
    for i = 1, n do
        local m = 1000003LL * i
        local x = m
        while m / x < x do
            x = (m / x + x) / 2
        end
        sum = sum + x
    end
    return sum
end
