-- The number of ways to place n queens on a board of n by n squares so that none attacks another, for n up to 16.
local ffi = require("ffi")

local columns, rising, falling = ffi.new("bool[16]"), ffi.new("bool[32]"), ffi.new("bool[32]")

local function mark(row, column, is_taken)
    columns[column], rising[row + column], falling[row - column + 15] = is_taken, is_taken, is_taken
end

local function place(n, row)
    if row == n then
        return 1
    end
    local count = 0
    for column = 0, n - 1 do
        if not (columns[column] or rising[row + column] or falling[row - column + 15]) then
            mark(row, column, true)
            count = count + place(n, row + 1)
            mark(row, column, false)
        end
    end
    return count
end

return function(n)
    return place(n, 0)
end
