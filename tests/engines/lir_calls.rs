//! Calls and memory cells in LIR, compared with the evaluator of `lir_ops`.

use jitduel::isa::{Isa, Reserved, Shape, Tuning, aarch64, x86_64};
use jitduel::lir::{AluOp, Cond, FrameSlot, Label, Op, Reg, Site, Slot};

use super::lir_ops::{Builder, End, Host, PLENTY, Piece, Rig, Start, emit_shaped, random_op};

const MEMORY: Reserved = Reserved { memory: true, depth: false };
const DEPTH: Reserved = Reserved { memory: false, depth: true };
const BOTH: Reserved = Reserved { memory: true, depth: true };

fn with_cells(cells: usize) -> Shape {
    Shape { reserved: MEMORY, cells, ..Shape::default() }
}

fn with_calls(reserved: Reserved) -> Shape {
    Shape { reserved, calls: true, ..Shape::default() }
}

// Memory cells.

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn cells_are_loaded_and_stored_with_every_register_as_every_operand() {
    const CELLS: usize = 100;
    let mut rig = Rig::new(31);
    for reserved in [MEMORY, BOTH] {
        let registers = Host::usable(reserved);
        for &a in registers {
            let mut builder = Builder::shaped(Shape { reserved, cells: CELLS, ..Shape::default() });
            for &d in registers {
                for offset in [0, 1, 50, -1, -20] {
                    let site = builder.site();
                    builder.observe(Op::LoadCell { d, a, site, offset });
                    // The next value differs, and so does the next cell unless the address is stored itself.
                    let site = builder.site();
                    builder.put(Op::StoreCell { s: d, a, site, offset: offset - 3 });
                }
                for first in [0, 1, 49] {
                    let site = builder.site();
                    builder.observe(Op::LoadElement { d, a, site, first, count: 51 });
                    let site = builder.site();
                    builder.put(Op::StoreElement { s: d, a, site, first: 50 - first, count: 50 });
                }
            }
            let piece = builder.finish();
            for _ in 0..20 {
                let values: Vec<i64> = rig.values().iter().map(|value| 23 + value.rem_euclid(27)).collect();
                assert_eq!(rig.check_from(&piece, &values, PLENTY).status, 0);
            }
        }
    }
    rig.done(2 * 20 * 16 * (Host::ALLOCATABLE.len() as u64 - 2).pow(2));
}

/// An access to the memory after a check that never traps, so that the access has the second trap site.
fn second_site(cells: usize, access: impl FnOnce(Site) -> Op) -> Piece {
    let mut builder = Builder::shaped(with_cells(cells));
    let (before, site) = (builder.site(), builder.site());
    builder.put(Op::Need { slot: Slot(0), site: before });
    builder.put(access(site));
    builder.finish()
}

/// Checks a run that begins with this value in a register and random values in the others. Returns its status.
fn status_with(rig: &mut Rig, piece: &Piece, reg: Reg, value: i64) -> u64 {
    let place = Host::ALLOCATABLE.iter().position(|other| *other == reg).expect("allocatable");
    let mut values = rig.values();
    values[place] = value;
    rig.check_from(piece, &values, PLENTY).status
}

/// Numbers of cells at the limits of immediate operands.
const CELLS: [usize; 14] = [0, 1, 2, 127, 128, 129, 4095, 4096, 4097, 8191, 8192, 65_535, 65_536, 70_001];

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn cell_bounds_are_exact_for_wrapping_sums() {
    let mut rig = Rig::new(32);
    let (mut trapped, mut passed) = (0, 0);
    let &[first, .., last] = Host::usable(MEMORY) else { unreachable!("there are registers") };
    for cells in CELLS {
        let end = cells as i64;
        // Sums that equal the number of a cell when they are scaled to bytes are far beyond the end.
        let scaled = [1 << 60, 1 << 61, (1 << 61) + 1, -(1 << 61), (1 << 62) + 1, i64::MIN, i64::MIN + 1];
        let numbers = [0, 1, end / 2, end - 1, end, end + 1, -1, -2, 1 << 31, 1 << 32, (1 << 32) + 1, i64::MAX];
        let offsets = [0, 1, -1, end - 1, end, -end, 4095, -4096, 1 << 31, 1 << 40, i64::MIN, i64::MAX];
        for (index, offset) in offsets.into_iter().enumerate() {
            for store in [false, true] {
                let (a, other) = if index % 2 == 0 { (first, last) } else { (last, first) };
                let piece = second_site(cells, |site| match store {
                    true => Op::StoreCell { s: other, a, site, offset },
                    false => Op::LoadCell { d: other, a, site, offset },
                });
                for number in numbers.into_iter().chain(scaled) {
                    let status = status_with(&mut rig, &piece, a, number.wrapping_sub(offset));
                    let exists = (number as u64) < cells as u64;
                    assert_eq!(status, if exists { 0 } else { 2 }, "cell {number} of {cells}, offset {offset}");
                    trapped += u64::from(!exists);
                    passed += u64::from(exists);
                }
            }
        }
    }
    println!("{trapped} trapped, {passed} passed");
    assert!(trapped > 4000 && passed > 1000);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn bounds_of_arrays_are_exact() {
    let mut rig = Rig::new(41);
    let (mut trapped, mut passed) = (0, 0);
    let &[first_register, .., last_register] = Host::usable(MEMORY) else { unreachable!("there are registers") };
    for cells in CELLS {
        // Arrays at the start, in the middle and at the end, and one without an element.
        let cells = cells as u32;
        for (first, count) in
            [(0, cells), (0, cells / 2), (cells / 3, cells / 3), (cells / 2, cells - cells / 2), (cells, 0)]
        {
            let end = i64::from(count);
            // Indices that equal a valid one when they are scaled to bytes, or cut to 32 bits, are far beyond the end.
            let numbers =
                [0, 1, end / 2, end - 1, end, end + 1, -1, -i64::from(first), 1 << 31, 1 << 32, 1 << 60, 1 << 61];
            for store in [false, true] {
                let (a, other) = if store { (last_register, first_register) } else { (first_register, last_register) };
                let piece = second_site(cells as usize, |site| match store {
                    true => Op::StoreElement { s: other, a, site, first, count },
                    false => Op::LoadElement { d: other, a, site, first, count },
                });
                for number in numbers.into_iter().chain([i64::MIN, i64::MAX]) {
                    let status = status_with(&mut rig, &piece, a, number);
                    let exists = (number as u64) < u64::from(count);
                    assert_eq!(status, if exists { 0 } else { 2 }, "element {number} of {count} from {first} on");
                    trapped += u64::from(!exists);
                    passed += u64::from(exists);
                }
            }
        }
    }
    println!("{trapped} trapped, {passed} passed");
    assert!(trapped > 1000 && passed > 300);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn cells_with_known_numbers_are_accessed_at_every_distance() {
    const CELLS: usize = 600_000;
    let mut rig = Rig::new(40);
    // The limits of the displacements: 127 bytes, 32,760 bytes, and 16 bits of the number or of its eightfold.
    let borders = [0, 15, 16, 4095, 4096, 8191, 8192, 65_535, 65_536, 123_456, 524_288, CELLS as u32 - 1];
    for reserved in [MEMORY, BOTH] {
        let mut builder = Builder::shaped(Shape { reserved, cells: CELLS, ..Shape::default() });
        for (&reg, &other) in Host::usable(reserved).iter().zip(Host::usable(reserved).iter().rev()) {
            for cell in borders {
                builder.observe(Op::LoadCellAt { d: reg, cell });
                builder.put(Op::StoreCellAt { s: other, cell });
            }
        }
        let piece = builder.finish();
        for _ in 0..3 {
            let values = rig.values();
            assert_eq!(rig.check_from(&piece, &values, PLENTY).status, 0);
        }
    }
    rig.done(2 * 3 * 2 * 12 * (Host::ALLOCATABLE.len() as u64 - 2));
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn last_of_the_greatest_number_of_cells_is_accessed() {
    const CELLS: usize = 1 << 24;
    let mut rig = Rig::new(33);
    let [a, d] = [Host::usable(MEMORY)[0], Host::usable(MEMORY)[1]];
    let mut builder = Builder::shaped(with_cells(CELLS));
    let (first, second) = (builder.site(), builder.site());
    builder.observe(Op::LoadCell { d, a, site: first, offset: 0 });
    builder.put(Op::StoreCell { s: d, a, site: second, offset: 1 });
    let piece = builder.finish();
    for (number, status) in [(CELLS - 2, 0), (CELLS - 1, 2), (CELLS, 1)] {
        let mut values = rig.values();
        values[0] = number as i64;
        assert_eq!(rig.check_from(&piece, &values, PLENTY).status, status, "cell {number}");
    }
}

// Calls.

/// A function that calls itself until the counter is zero. Each activation changes all of its frame slots before the call, and
/// adds them to the sum after it.
fn recursive(slots: u32) -> Builder {
    let &[counter, sum, value, ..] = Host::usable(DEPTH) else { unreachable!("there are registers") };
    let mut builder = Builder::shaped(with_calls(DEPTH));
    let (function, output) = (builder.function(), builder.output());
    let (call, end, sites) = (Op::Call { function }, builder.label(), [builder.site(), builder.site()]);
    builder.put(Op::Constant { d: sum, value: 0 });
    builder.put(Op::TakeDepth { site: sites[0] });
    builder.put(call);
    builder.put(Op::GiveDepth);
    builder.put(Op::Store { s: sum, slot: output });
    builder.dump();
    builder.put(Op::Return { end: Slot(3) });
    builder.put(Op::Function { function, slots, has_calls: true });
    builder.put(Op::BranchImm { cond: Cond::Eq, a: counter, imm: 0, to: end });
    for slot in (0..slots).map(FrameSlot) {
        builder.put(Op::AluImm { op: AluOp::Mul, d: value, a: counter, imm: i64::from(slot.0) + 7 });
        builder.put(Op::StoreFrame { s: value, slot });
    }
    builder.put(Op::AluImm { op: AluOp::Sub, d: counter, a: counter, imm: 1 });
    builder.put(Op::TakeDepth { site: sites[1] });
    builder.put(call);
    builder.put(Op::GiveDepth);
    for slot in (0..slots).rev().map(FrameSlot) {
        builder.put(Op::LoadFrame { d: value, slot });
        builder.put(Op::AluImm { op: AluOp::Mul, d: sum, a: sum, imm: 3 });
        builder.put(Op::Alu { op: AluOp::Xor, d: sum, a: sum, b: value });
    }
    builder.put(Op::Label(end));
    builder.put(Op::EndCall);
    builder
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn each_activation_has_its_own_frame_slots() {
    let mut rig = Rig::new(34);
    // Sizes at the limits of the instructions that move the stack pointer: 256 bytes and 4096.
    for slots in [0, 1, 2, 3, 14, 15, 16, 29, 30, 31, 32, 33, 510, 511, 512, 513, 1001, 1002] {
        let piece = recursive(slots).seal(&Tuning::default());
        assert!(piece.activation_bytes >= 8 * (slots as usize + 1), "the slots and the return address");
        assert!(piece.activation_bytes < 8 * (slots as usize + 1) + 16, "and nothing else");
        for calls in [0, 1, 2, 10] {
            let mut values = rig.values();
            values[0] = calls;
            // One more call than the counter says: the last one returns at once.
            for depth in [calls as u64 + 1, u64::MAX] {
                let end = rig.check_from(&piece, &values, Start { depth, ..PLENTY });
                assert_eq!(end, End { status: 0, pointer: 3 });
            }
        }
    }
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn depth_is_counted_exactly() {
    let mut rig = Rig::new(35);
    let piece = recursive(1).seal(&Tuning::default());
    for (calls, depth) in
        [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (9, 5), (9, 9), (9, 10), (20_000, 19_999), (20_000, 20_001)]
    {
        let mut values = rig.values();
        values[0] = calls;
        let status = rig.check_from(&piece, &values, Start { depth, ..PLENTY }).status;
        // The main program begins the first call, and the function all others.
        let expected = if depth == 0 { 1 } else { u64::from(depth <= calls as u64) * 2 };
        assert_eq!(status, expected, "{calls} calls, depth {depth}");
    }
    // The depth is given back: a thousand calls, one after another.
    let &[counter, ..] = Host::usable(DEPTH) else { unreachable!("there are registers") };
    let mut builder = Builder::shaped(with_calls(DEPTH));
    let (function, head, site) = (builder.function(), builder.label(), builder.site());
    builder.put(Op::Constant { d: counter, value: 1000 });
    builder.put(Op::Label(head));
    builder.put(Op::TakeDepth { site });
    builder.put(Op::Call { function });
    builder.put(Op::GiveDepth);
    builder.put(Op::CountDown { d: counter, to: head });
    builder.put(Op::Return { end: Slot(0) });
    builder.put(Op::Function { function, slots: 0, has_calls: false });
    builder.put(Op::EndCall);
    let piece = builder.seal(&Tuning::default());
    for (depth, status) in [(0, 1), (1, 0), (2, 0)] {
        let values = rig.values();
        assert_eq!(rig.check_from(&piece, &values, Start { depth, ..PLENTY }).status, status);
    }
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn checks_against_a_base_are_exact_and_report_it() {
    let mut rig = Rig::new(36);
    let distances = [0, 1, -1, 511, -512, 4096, -4097, 1 << 28, -(1 << 28), 1 << 40];
    for base in [0, 3, -2, 600, 1 << 29] {
        for moved in [0, 5, -9] {
            for distance in distances {
                let mut builder = Builder::shaped(with_calls(Reserved::default()));
                let (function, sites) = (builder.function(), [builder.site(), builder.site()]);
                builder.put(Op::MovePointer { slots: 11 });
                builder.put(Op::Call { function });
                builder.put(Op::Return { end: Slot(0) });
                builder.put(Op::Function { function, slots: 3, has_calls: false });
                builder.put(Op::SaveBase { base: Slot(base), slot: FrameSlot(1) });
                builder.put(Op::MovePointer { slots: moved });
                builder.put(Op::NeedAbove { site: sites[0], slot: Slot(base - moved), base: FrameSlot(1) });
                builder.put(Op::NeedAbove { site: sites[1], slot: Slot(base - moved + distance), base: FrameSlot(1) });
                builder.put(Op::MovePointer { slots: -moved });
                builder.put(Op::EndCall);
                let values = rig.values();
                let end = rig.check_from(&builder.seal(&Tuning::default()), &values, PLENTY);
                let expected =
                    if distance < 0 { End { status: 2, pointer: 11 + moved } } else { End { status: 0, pointer: 11 } };
                assert_eq!(end, expected, "base {base}, distance {distance}");
            }
        }
    }
}

/// Functions that call each other in the given order, the first one from the main program. Each adds its number to a sum.
fn chain(order: &[usize]) -> Builder {
    let &[sum, ..] = Host::usable(Reserved::default()) else { unreachable!("there are registers") };
    let mut builder = Builder::shaped(with_calls(Reserved::default()));
    let functions: Vec<u32> = order.iter().map(|_| builder.function()).collect();
    let mut next = vec![None; order.len()];
    order.windows(2).for_each(|pair| next[pair[0]] = Some(functions[pair[1]]));
    builder.put(Op::Call { function: functions[order[0]] });
    builder.dump();
    builder.put(Op::Return { end: Slot(0) });
    for (&function, next) in functions.iter().zip(&next) {
        builder.put(Op::Function { function, slots: function % 3, has_calls: next.is_some() });
        builder.put(Op::AluImm { op: AluOp::Mul, d: sum, a: sum, imm: 5 });
        builder.put(Op::AluImm { op: AluOp::Add, d: sum, a: sum, imm: i64::from(function) });
        builder.ops.extend(next.map(|function| Op::Call { function }));
        builder.put(Op::EndCall);
    }
    builder
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn calls_reach_functions_before_and_after_them_in_every_form() {
    const FUNCTIONS: usize = 2000;
    let mut rig = Rig::new(37);
    let forward: Vec<usize> = (0..FUNCTIONS).collect();
    let backward: Vec<usize> = (0..FUNCTIONS).rev().collect();
    // From one end to the other and back.
    let across: Vec<usize> =
        (0..FUNCTIONS).map(|index| if index % 2 == 0 { index } else { FUNCTIONS - index }).collect();
    for order in [forward, backward, across] {
        for near_range in [i64::MAX, 0, 64, 20_000] {
            let piece = chain(&order).seal(&Tuning { near_range, ..Tuning::default() });
            let values = rig.values();
            assert_eq!(rig.check_from(&piece, &values, PLENTY), End { status: 0, pointer: 0 });
        }
    }
    rig.done(3 * 4 * 4 * FUNCTIONS as u64);
}

#[test]
fn long_calls_are_used_only_where_short_ones_do_not_reach() {
    let length = |order: &[usize], near_range| {
        let Builder { ops, shape, .. } = chain(order);
        emit_shaped::<aarch64::Emitter>(&ops, &shape, &Tuning { near_range, ..Tuning::default() }).bytes.len()
    };
    // A long call has five instructions in place of one. If a forward call does not reach, all forward calls are long.
    let short = length(&[0, 1, 2, 3], i64::MAX);
    assert_eq!(length(&[0, 1, 2, 3], 1000), short);
    assert_eq!(length(&[0, 1, 2, 3], 8), short + 4 * 4 * 4);
    // The first call is forward.
    assert_eq!(length(&[3, 2, 1, 0], 8), short + 4 * 4 * 4);
    assert_eq!(length(&[3, 2, 1, 0], 100), short + 4 * 4);
}

/// The code of one operation in a function with these slots, which may have calls.
fn code_of<I: Isa>(op: Op, slots: u32, has_calls: bool) -> usize {
    let shape = Shape { registers: 4, reserved: BOTH, cells: 100, functions: 2, calls: true, ..Shape::default() };
    let length = |ops: &[Op]| emit_shaped::<I>(ops, &shape, &Tuning::default()).bytes.len();
    let start = [Op::Return { end: Slot(0) }, Op::Function { function: 1, slots, has_calls }];
    length(&[&start[..], &[op]].concat()) - length(&start)
}

#[test]
fn calls_and_accesses_take_few_instructions() {
    let &[d, a, ..] = x86_64::Emitter::ALLOCATABLE else { unreachable!("there are registers") };
    let (call, site) = (Op::Call { function: 1 }, Site(0));
    let x64 = |op, slots| code_of::<x86_64::Emitter>(op, slots, true);
    assert_eq!((x64(call, 0), x64(Op::EndCall, 0), x64(Op::EndCall, 1)), (5, 1, 5));
    assert_eq!(x64(Op::GiveDepth, 0), 3);
    // Their exits have ten bytes more, and the first of them the common end.
    let exits = x64(Op::TakeDepth { site }, 0) - 10;
    assert_eq!(x64(Op::LoadCell { d, a, site, offset: 0 }, 0), exits + 4 + 6 + 4);
    assert_eq!(x64(Op::StoreCell { s: d, a, site, offset: 1 }, 0), exits + 4 + 4 + 6 + 4);
    assert_eq!(x64(Op::LoadElement { d, a, site, first: 15, count: 9 }, 0), exits + 4 + 6 + 5);
    let &[d, a, ..] = aarch64::Emitter::ALLOCATABLE else { unreachable!("there are registers") };
    let a64 = |op, slots, has_calls| code_of::<aarch64::Emitter>(op, slots, has_calls) / 4;
    assert_eq!(a64(call, 0, true), 1);
    assert_eq!((a64(Op::EndCall, 0, false), a64(Op::EndCall, 1, false)), (1, 2));
    assert_eq!((a64(Op::EndCall, 0, true), a64(Op::EndCall, 29, true), a64(Op::EndCall, 30, true)), (2, 2, 3));
    assert_eq!(a64(Op::GiveDepth, 0, true), 1);
    let exits = a64(Op::TakeDepth { site }, 0, true) - 2;
    assert_eq!(a64(Op::LoadCell { d, a, site, offset: 0 }, 0, true), exits + 3);
    assert_eq!(a64(Op::StoreCell { s: d, a, site, offset: 1 }, 0, true), exits + 4);
    assert_eq!(a64(Op::LoadCellAt { d, cell: 99 }, 0, true), 1);
    assert_eq!(a64(Op::LoadElement { d, a, site, first: 0, count: 9 }, 0, true), exits + 3);
    assert_eq!(a64(Op::StoreElement { s: d, a, site, first: 9, count: 9 }, 0, true), exits + 4);
}

// The stack pointer of AArch64. An emulator does not notice if it is not aligned.

/// By how many bytes an AArch64 instruction moves the stack pointer, if it changes it; `None` in place of a number if it sets it to
/// the value of a register.
fn move_of(word: u32) -> Option<Option<i64>> {
    let (is_destination, is_base) = (word & 0x1f == 31, word >> 5 & 0x1f == 31);
    let signed = |low: u32, bits: u32| i64::from(((word >> low) << (32 - bits)) as i32 >> (32 - bits));
    // ADD and SUB (immediate) that set no flags.
    if word & 0xbf80_0000 == 0x9100_0000 && is_destination {
        let imm = i64::from(word >> 10 & 0xfff) << (12 * (word >> 22 & 1));
        return Some(is_base.then_some(if word >> 30 & 1 == 1 { -imm } else { imm }));
    }
    match (word & 0xffc0_0000, word & 0xffe0_0c00) {
        // LDP, post-index, and STP, pre-index.
        (0xa8c0_0000 | 0xa980_0000, _) if is_base => Some(Some(8 * signed(15, 7))),
        // LDR, post-index, and STR, pre-index.
        (_, 0xf840_0400 | 0xf800_0c00) if is_base => Some(Some(signed(12, 9))),
        _ => None,
    }
}

/// How the code of these operations moves the stack pointer.
fn moves(ops: &[Op], shape: &Shape) -> Vec<Option<i64>> {
    let code = emit_shaped::<aarch64::Emitter>(ops, shape, &Tuning::default()).bytes;
    code.chunks(4).filter_map(|word| move_of(u32::from_le_bytes(word.try_into().expect("four bytes")))).collect()
}

#[test]
fn stack_pointer_stays_a_multiple_of_16() {
    let slots: Vec<u32> = (0..70).chain([510, 511, 512, 513, 1000, 1001, 1500]).collect();
    // The main program ends, or traps. Then functions of every size.
    let mut ops = vec![Op::Fuel { site: Site(0) }, Op::Return { end: Slot(0) }];
    for (index, slots) in slots.iter().flat_map(|slots| [*slots; 2]).enumerate() {
        ops.extend([Op::Function { function: index as u32 + 1, slots, has_calls: index % 2 == 0 }, Op::EndCall]);
    }
    let sum = |moved: &[Option<i64>]| moved.iter().flatten().sum::<i64>();
    let mut checked = 0;
    for reserved in [Reserved::default(), MEMORY, DEPTH, BOTH] {
        for registers in 0..=aarch64::Emitter::usable(reserved).len() {
            for calls in [false, true] {
                let functions = 2 * slots.len() + 1;
                let shape = Shape { registers, reserved, functions, calls, metered: true, ..Shape::default() };
                let moved = moves(&ops, &shape);
                assert!(moved.iter().flatten().all(|bytes| bytes % 16 == 0), "{moved:?}");
                // To the control stack, and back at each of the two ends.
                assert_eq!(moved.iter().filter(|bytes| bytes.is_none()).count(), if calls { 3 } else { 0 });
                // Functions leave it where it was, and both ends undo what the prologue does.
                assert_eq!(sum(&moved), -sum(&moves(&[], &shape)));
                checked += moved.len();
            }
        }
    }
    assert!(checked > 10_000, "{checked}");
}

// All together.

/// A random access to the memory, mostly to a cell that exists.
fn random_access(rig: &mut Rig, builder: &mut Builder) {
    let (registers, cells) = (Host::usable(builder.shape.reserved), builder.shape.cells);
    let [a, other] = [(); 2].map(|()| registers[rig.below(registers.len())]);
    let cell = rig.below(cells) as u32;
    match rig.below(8) {
        0 => return builder.put(Op::LoadCellAt { d: other, cell }),
        1 => return builder.put(Op::StoreCellAt { s: other, cell }),
        access @ 2..=3 => {
            let (site, count) = (builder.site(), cells as u32 - cell);
            builder.put(Op::Constant { d: a, value: rig.below(count as usize + count as usize / 10 + 1) as i64 });
            return builder.put(match access {
                2 => Op::LoadElement { d: other, a, site, first: cell, count },
                _ => Op::StoreElement { s: other, a, site, first: cell, count },
            });
        }
        _ => {}
    }
    let offset = if rig.below(3) == 0 { 0 } else { rig.value() };
    let number = rig.below(cells + cells / 10 + 1) as i64;
    let site = builder.site();
    builder.put(Op::Constant { d: a, value: number.wrapping_sub(offset) });
    builder.put(match rig.below(2) {
        0 => Op::LoadCell { d: other, a, site, offset },
        _ => Op::StoreCell { s: other, a, site, offset },
    });
}

/// A random body of a function or the main program. Returns whether it has calls.
fn random_body(
    rig: &mut Rig,
    builder: &mut Builder,
    length: usize,
    functions: &[u32],
    base: Option<FrameSlot>,
) -> bool {
    let mut pending: Vec<(Label, usize)> = Vec::new();
    let mut has_calls = false;
    for _ in 0..length {
        match rig.below(12) {
            0 => random_access(rig, builder),
            1 => {
                let (fuel, depth) = (builder.site(), builder.site());
                builder.put(Op::Fuel { site: fuel });
                builder.put(Op::TakeDepth { site: depth });
                builder.put(Op::Call { function: functions[rig.below(functions.len())] });
                builder.put(Op::GiveDepth);
                has_calls = true;
            }
            2 if let Some(base) = base => {
                let (slot, site) = (Slot(rig.below(40) as i64 - 4), builder.site());
                builder.put(Op::NeedAbove { site, slot, base });
            }
            _ => random_op(rig, builder, &mut pending),
        }
        pending.iter_mut().for_each(|(_, skipped)| *skipped = skipped.saturating_sub(1));
        pending.retain(|&(label, skipped)| {
            if skipped == 0 {
                builder.ops.push(Op::Label(label));
            }
            skipped > 0
        });
    }
    pending.drain(..).for_each(|(label, _)| builder.ops.push(Op::Label(label)));
    has_calls
}

/// A random program with functions that call each other. Fuel limits the number of its calls.
fn random_program(rig: &mut Rig, round: usize) -> Builder {
    let cells = [1, 10, 100, 5000][rig.below(4)];
    let mut builder = Builder::shaped(Shape { reserved: BOTH, cells, calls: true, ..Shape::default() });
    let registers = Host::usable(BOTH);
    let functions: Vec<u32> = (0..1 + rig.below(5)).map(|_| builder.function()).collect();
    random_body(rig, &mut builder, 5 + round % 40, &functions, None);
    builder.dump();
    builder.ops.push(Op::Return { end: Slot(round as i64 % 50) });
    for &function in &functions {
        // `random_op` uses four frame slots. The base is in one more.
        let (values, base) = (4 + rig.below(30) as u32, FrameSlot(rig.below(4) as u32 + 4));
        let slots = values.max(base.0) + 1;
        let entry = builder.ops.len();
        builder.put(Op::Function { function, slots, has_calls: true });
        for slot in (0..slots).map(FrameSlot).filter(|slot| *slot != base) {
            builder.put(Op::StoreFrame { s: registers[rig.below(registers.len())], slot });
        }
        builder.put(Op::SaveBase { base: Slot(rig.below(9) as i64 - 4), slot: base });
        let length = rig.below(16);
        let has_calls = random_body(rig, &mut builder, length, &functions, Some(base));
        builder.ops[entry] = Op::Function { function, slots, has_calls };
        builder.put(Op::EndCall);
    }
    builder
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn random_programs_with_calls_and_memory() {
    let mut rig = Rig::new(38);
    let (mut done, mut trapped) = (0_u64, 0_u64);
    for round in 0..3000 {
        let builder = random_program(&mut rig, round);
        let tuning = Tuning {
            short_range: [i64::MAX, 0, 16, 64, 256][round % 5],
            near_range: [i64::MAX, 0, 64, 512][round % 4],
            ..Tuning::default()
        };
        let mut piece = builder.seal(&tuning);
        (piece.below, piece.above) = (2000, 2200);
        for _ in 0..4 {
            let values = rig.values();
            let start = Start { fuel: 1 + rig.below(30) as u64, depth: 1 + rig.below(20) as u64, ..PLENTY };
            match rig.check_from(&piece, &values, start).status {
                0 => done += 1,
                _ => trapped += 1,
            }
        }
    }
    println!("{done} runs ended, {trapped} trapped");
    assert!(done > 1500 && trapped > 1500, "{done} runs ended, {trapped} trapped");
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn comparison_detects_wrong_calls_and_accesses() {
    let mut rig = Rig::new(39);
    let &[d, a, s, ..] = Host::usable(BOTH) else { unreachable!("there are registers") };
    let build = |ops: &[Op]| {
        let mut builder = Builder::shaped(Shape { reserved: BOTH, cells: 50, calls: true, ..Shape::default() });
        let function = builder.function();
        let site = builder.site();
        builder.put(Op::StoreCell { s, a, site, offset: 0 });
        builder.put(Op::TakeDepth { site });
        builder.put(Op::Call { function });
        ops.iter().for_each(|op| builder.put(*op));
        builder.dump();
        builder.put(Op::Return { end: Slot(0) });
        builder.put(Op::Function { function, slots: 2, has_calls: false });
        builder.put(Op::StoreFrame { s, slot: FrameSlot(1) });
        builder.put(Op::AluImm { op: AluOp::Mul, d, a, imm: 3 });
        builder.put(Op::EndCall);
        builder.seal(&Tuning::default())
    };
    let mut values = rig.values();
    values[1] = 7;
    let site = Site(0);
    let right = [Op::GiveDepth, Op::LoadCell { d, a, site, offset: 1 }, Op::StoreCell { s, a, site, offset: 2 }];
    let wrong = [
        // Another cell, another value, another number of calls, another frame slot of the main program.
        [right[0], Op::LoadCell { d, a, site, offset: 0 }, right[2]],
        [right[0], right[1], Op::StoreCell { s, a, site, offset: 3 }],
        [right[0], right[1], Op::StoreCell { s: d, a, site, offset: 2 }],
        [right[0], right[1], Op::StoreCell { s, a, site, offset: 43 }],
        [Op::StoreFrame { s, slot: FrameSlot(1) }, right[1], right[2]],
        [Op::SaveBase { base: Slot(1), slot: FrameSlot(2) }, right[1], right[2]],
    ];
    assert!(rig.compare(&build(&right), &values, PLENTY).is_ok());
    for ops in wrong {
        let mixed = build(&right).with_code_of(build(&ops));
        let difference = rig.compare(&mixed, &values, PLENTY).expect_err("the code is wrong");
        println!("{difference}");
    }
}
