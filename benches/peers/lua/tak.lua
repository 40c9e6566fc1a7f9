-- Takeuchi's function of 3 n, 2 n and n in McCarthy's version.
local function tak(x, y, z)
    if y >= x then
        return z
    end
    return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y))
end

return function(n)
    return tak(3LL * n, 2LL * n, 1LL * n)
end
