-- The CRC-32 of a message of 256 bytes that is repeated n times. A table gives the effect of each byte.
local ffi = require("ffi")
local band, bxor, rshift = bit.band, bit.bxor, bit.rshift

local effects, message = ffi.new("int64_t[256]"), ffi.new("int64_t[256]")

return function(n)
    for byte = 0, 255 do
        local remainder = 1LL * byte
        for _ = 1, 8 do
            if band(remainder, 1) ~= 0 then
                remainder = bxor(rshift(remainder, 1), 0xedb88320LL)
            else
                remainder = rshift(remainder, 1)
            end
        end
        effects[byte] = remainder
        message[byte] = band(byte * byte + 7 * byte, 255)
    end
    local crc = 0xffffffffLL
    for _ = 1, n do
        for i = 0, 255 do
            crc = bxor(effects[band(bxor(crc, message[i]), 255)], rshift(crc, 8))
        end
    end
    return bxor(crc, 0xffffffffLL)
end
