-- One row of n pixels of the Mandelbrot set, x from -2 to 1, y = 0.3, in fixed point with 12 bits; at most 48 steps a pixel.
return function(n)
    local hash = 0LL
    for pixel = 0, n - 1 do
        local cx = 12288LL * pixel / n - 8192
        local k, x, y = 0LL, 0LL, 0LL
        while k < 48 and x * x + y * y <= 67108864 do
            x, y = (x * x - y * y) / 4096 + cx, x * y / 2048 + 1229
            k = k + 1
        end
        hash = hash * 31 + k
    end
    return hash
end
