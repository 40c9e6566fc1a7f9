-- The sum of the Collatz steps of i = 1 ... n.
return function(n)
    local sum = 0
    for i = 1, n do
        local x = i
        while x > 1 do
            if x % 2 == 1 then
                x = 3 * x + 1
            else
                x = x / 2
            end
            sum = sum + 1
        end
    end
    return sum
end
