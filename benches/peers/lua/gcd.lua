-- The sum of gcd(i, 360360) for i = 0 ... n-1.
return function(n)
    local sum = 0LL
    for i = 0, n - 1 do
        local a, b = 1LL * i, 360360LL
        while b ~= 0 do
            a, b = b, a % b
        end
        sum = sum + a
    end
    return sum
end
