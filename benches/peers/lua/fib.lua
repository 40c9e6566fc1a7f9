-- The n-th Fibonacci number and its successor, wrapping.
return function(n)
    local a, b = 0LL, 1LL
    for _ = 1, n do
        a, b = b, a + b
    end
    return a, b
end
