-- The CRC-32 of a message of 256 bytes that is repeated n times. A table gives the effect of each byte.
local ffi = require("ffi")
local band, bxor, rshift = bit.band, bit.bxor, bit.rshift

local effects, message = ffi.new("int32_t[256]"), ffi.new("uint8_t[256]")

return function(n)
    for byte = 0, 255 do
        local remainder = byte
        for _ = 1, 8 do
            if band(remainder, 1) ~= 0 then
                remainder = bxor(rshift(remainder, 1), 0xedb88320)
            else
                remainder = rshift(remainder, 1)
            end
        end
        effects[byte] = remainder
        message[byte] = band(byte * byte + 7 * byte, 255)
    end
    local crc = 0xffffffff
    for _ = 1, n do
        for i = 0, 255 do
            crc = bxor(effects[band(bxor(crc, message[i]), 255)], rshift(crc, 8))
        end
    end
    -- The operations of `bit` give signed numbers.
    return bxor(crc, 0xffffffff) % 2^32
end
