-- The sum of the decimal digits of the squares of 0 ... n-1.
return function(n)
    local sum = 0LL
    for i = 0, n - 1 do
        local m = 1LL * i * i
        while m ~= 0 do
            sum = sum + m % 10
            m = m / 10
        end
    end
    return sum
end
