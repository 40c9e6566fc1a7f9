-- Ackermann's function of 3 and n.
local function ackermann(m, n)
    if m == 0 then
        return n + 1
    elseif n == 0 then
        return ackermann(m - 1, 1LL)
    end
    return ackermann(m - 1, ackermann(m, n - 1))
end

return function(n)
    return ackermann(3LL, 1LL * n)
end
