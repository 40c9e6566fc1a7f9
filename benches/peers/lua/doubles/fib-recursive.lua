-- The n-th Fibonacci number by two calls for each; n itself if n < 2.
local function fib(n)
    if n < 2 then
        return n
    end
    return fib(n - 1) + fib(n - 2)
end

return function(n)
    return fib(n)
end
