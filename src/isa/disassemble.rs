//! Machine code as text, from third-party decoders.

use iced_x86::{Code, Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};

use super::{Isa, aarch64, x86_64};

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its offset in the code, in bytes.
    pub offset: usize,
    /// Its bytes in memory order.
    pub bytes: Vec<u8>,
    /// The instruction, with branch targets as offsets in the code.
    pub text: String,
    /// The offset of the function that it calls, if it is a call.
    pub calls: Option<usize>,
}

/// Disassembles code of the instruction set with this name; `None` if we have no decoder for it.
pub fn disassemble(isa: &str, code: &[u8]) -> Option<Vec<Line>> {
    match isa {
        aarch64::Emitter::NAME => Some(aarch64_lines(code)),
        x86_64::Emitter::NAME => Some(x86_64_lines(code)),
        _ => None,
    }
}

fn aarch64_lines(code: &[u8]) -> Vec<Line> {
    let line = |(index, word): (usize, &[u8])| {
        let value = u32::from_le_bytes(word.try_into().expect("chunks of four"));
        let offset = 4 * index;
        let mut text = String::new();
        if let Some(instruction) = disarm64::decoder::decode(value) {
            disarm64::format_insn::format_insn_pc(offset as u64, &mut text, &instruction)
                .expect("writing to a string cannot fail");
        }
        // The decoder emits tabs and spaces after the mnemonic.
        let text = match text.split_whitespace().collect::<Vec<_>>().join(" ") {
            unknown if unknown.is_empty() => format!(".word {value:#010x}"),
            text => text,
        };
        // `BL imm26`, whose immediate counts instructions.
        let distance = i64::from((value << 6) as i32 >> 4);
        let calls = (value >> 26 == 0b10_0101).then(|| offset.wrapping_add_signed(distance as isize));
        Line { offset, bytes: word.to_vec(), text, calls }
    };
    code.chunks_exact(4).enumerate().map(line).collect()
}

fn x86_64_lines(code: &[u8]) -> Vec<Line> {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_branch_leading_zeros(false);
    options.set_space_after_operand_separator(true);
    let mut instruction = Instruction::default();
    let mut lines = Vec::new();
    while decoder.can_decode() {
        let offset = decoder.position();
        decoder.decode_out(&mut instruction);
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let calls = (instruction.code() == Code::Call_rel32_64).then(|| instruction.near_branch_target() as usize);
        lines.push(Line { offset, bytes: code[offset..decoder.position()].to_vec(), text, calls });
    }
    lines
}
