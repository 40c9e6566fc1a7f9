-- A polynomial by Horner's rule at x = 1, 2, ... n; each result is an input of the next.
return function(n)
    local x, result = 1LL, 0LL
    for _ = 1, n do
        result = result * x + 7
        result = result * x + 11
        result = result * x + 13
        result = result * x + 17
        x = x + 1
    end
    return x, result
end
