#!/bin/sh
# Writes aarch64_gas.txt and x86_64_gas.txt anew: the texts of tests/isa/encode_*.rs and what the GNU assembler makes of them.
# Needs GNU binutils for both targets; AARCH64 and X86_64 may name their prefixes.
set -eu
cd "$(dirname "$0")/../.."
aarch64=${AARCH64-aarch64-linux-gnu-}
x86_64=${X86_64-x86_64-linux-gnu-}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The tests read the tables when they are compiled.
for isa in aarch64 x86_64; do
    table=tests/data/${isa}_gas.txt
    [ -e "$table" ] || : >"$table"
    GAS_TEXTS=$dir/$isa.texts cargo test -q --test isa encode_$isa::write_the_texts -- --ignored >&2
done

header() {
    echo "# Made by tests/data/make_gas_tables.sh: each text of tests/isa/encode_$1.rs, and before it what assembles it to:"
    echo "# $($2as --version | head -n 1), $3."
}

# Every instruction is one word.
{
    header aarch64 "$aarch64" "its words"
    "${aarch64}as" -o "$dir/aarch64.o" "$dir/aarch64.texts"
    "${aarch64}objcopy" -O binary -j .text "$dir/aarch64.o" "$dir/aarch64.bin"
    od -An -v -w4 -tx4 --endian=little "$dir/aarch64.bin" | tr -d ' ' | paste - "$dir/aarch64.texts"
} >"$dir/aarch64.table"

# Every instruction begins at a multiple of 16 plus one, after a byte that tells its length.
{
    header x86_64 "$x86_64" "its bytes"
    {
        echo ".intel_syntax noprefix"
        awk '{ printf ".p2align 4, 0\n.byte 2f - 1f\n1: %s\n2:\n", $0 } END { print ".p2align 4, 0" }' "$dir/x86_64.texts"
    } >"$dir/x86_64.s"
    "${x86_64}as" -o "$dir/x86_64.o" "$dir/x86_64.s"
    "${x86_64}objcopy" -O binary -j .text "$dir/x86_64.o" "$dir/x86_64.bin"
    od -An -v -w16 -tx1 "$dir/x86_64.bin" | tr -d ' ' | awk '
        function digit(c) { return index("0123456789abcdef", c) - 1 }
        { print substr($0, 3, 2 * (16 * digit(substr($0, 1, 1)) + digit(substr($0, 2, 1)))) }
    ' | paste - "$dir/x86_64.texts"
} >"$dir/x86_64.table"

for isa in aarch64 x86_64; do
    mv "$dir/$isa.table" tests/data/${isa}_gas.txt
done
