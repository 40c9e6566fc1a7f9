-- The triangular number of n, and n + 1.
return function(n)
    local sum, i = 0, 1
    for _ = 1, n do
        sum = sum + i
        i = i + 1
    end
    return sum, i
end
