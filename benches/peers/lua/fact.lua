-- n times (20! + 21); each iteration computes 20! again.
return function(n)
    local sum = 0LL
    for _ = 1, n do
        local product, i = 1LL, 1LL
        for _ = 1, 20 do
            product = product * i
            i = i + 1
        end
        sum = sum + product + i
    end
    return sum
end
