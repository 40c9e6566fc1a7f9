-- The sum of the integer square roots of 1000003 * i for i = 1 ... n, by Newton's method.
local floor = math.floor

return function(n)
    local sum = 0
    for i = 1, n do
        local m = 1000003 * i
        local x = m
        while floor(m / x) < x do
            x = floor((floor(m / x) + x) / 2)
        end
        sum = sum + x
    end
    return sum
end
