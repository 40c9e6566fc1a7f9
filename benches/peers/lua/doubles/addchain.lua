-- Eight additions of 1 in each of n iterations: 8 n.
return function(n)
    local sum = 0
    for _ = 1, n do
        sum = sum + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1
    end
    return sum
end
