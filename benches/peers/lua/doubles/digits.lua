-- The sum of the decimal digits of the squares of 0 ... n-1.
local floor = math.floor

return function(n)
    local sum = 0
    for i = 0, n - 1 do
        local m = i * i
        while m ~= 0 do
            sum = sum + m % 10
            m = floor(m / 10)
        end
    end
    return sum
end
