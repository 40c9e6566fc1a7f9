//! Machine code as text, by decoders that others wrote.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};

use super::{Isa, aarch64, x86_64};

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its offset in the code, in bytes.
    pub offset: usize,
    /// Its bytes as they lie in memory.
    pub bytes: Vec<u8>,
    /// The instruction, with branch targets as offsets in the code.
    pub text: String,
}

/// Disassembles code of the instruction set of this name; `None` where we have no decoder for it.
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
        let text = match disarm64::decoder::decode(value) {
            Some(instruction) => instruction.to_string(),
            None => format!(".word {value:#010x}"),
        };
        Line { offset: 4 * index, bytes: word.to_vec(), text }
    };
    code.chunks_exact(4).enumerate().map(line).collect()
}

fn x86_64_lines(code: &[u8]) -> Vec<Line> {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    let mut instruction = Instruction::default();
    let mut lines = Vec::new();
    while decoder.can_decode() {
        let offset = decoder.position();
        decoder.decode_out(&mut instruction);
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        lines.push(Line { offset, bytes: code[offset..decoder.position()].to_vec(), text });
    }
    lines
}
