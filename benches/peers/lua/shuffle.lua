-- Each of n iterations replaces a, b with 7b, a + 7b.
return function(n)
    local a, b = 1LL, 2LL
    for _ = 1, n do
        local seven = 7 * b
        a, b = seven, a + seven
    end
    return a, b
end
