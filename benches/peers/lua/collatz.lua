-- The sum of the Collatz steps of i = 1 ... n.
local band = bit.band

return function(n)
    local sum = 0LL
    for i = 1, n do
        local x = 1LL * i
        while x > 1 do
            if band(x, 1) ~= 0 then
                x = 3 * x + 1
            else
                x = x / 2
            end
            sum = sum + 1
        end
    end
    return sum
end
