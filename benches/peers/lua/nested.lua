-- Adds 1 in three nested loops: 1,000,000 times n.
return function(n)
    local sum = 0LL
    for _ = 1, n do
        for _ = 1, 1000 do
            for _ = 1, 1000 do
                sum = sum + 1
            end
        end
    end
    return sum
end
