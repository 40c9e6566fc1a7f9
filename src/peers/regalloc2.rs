//! `regalloc2`, the register allocator of Cranelift, on the functions of the optimizing tier: a yardstick for that tier's own allocator.
//!
//! A [`Problem`] is a function in the form that the crate reads. It has the constraints that the tier's allocator obeys: the same
//! registers, the same ones for parameters and results, calls that clobber all of them, and constants that are loaded where that
//! allocator first tries to load them. Instructions with fixed registers and overwritten operands have the constraints that
//! Cranelift gives them.

use std::ops::Range;

use regalloc2::checker::Checker;
use regalloc2::{
    Block, Edit, Function, Inst, InstRange, MachineEnv, Operand, OperandConstraint, OperandKind, OperandPos, Output,
    PReg, PRegSet, RegClass, VReg,
};

use crate::isa::Isa;
use crate::lir::{self, DivOp, Reg, Site};
use crate::ssa::allocate::passed;
use crate::ssa::ir::{self, End, Op, Value};
use crate::ssa::liveness::blocks_of;
use crate::ssa::spill::{Home, Homes, insert_copies};
use crate::ssa::traffic::{OfBlocks, Traffic};

/// A function whose registers are to be allocated.
pub struct Problem {
    blocks: Vec<BlockData>,
    insts: Vec<InstData>,
    /// The operands of all instructions.
    operands: Vec<Operand>,
    /// The number of virtual registers. The first ones have the numbers of the function's values.
    vregs: usize,
}

struct BlockData {
    /// The block of the function.
    of: ir::Block,
    insts: Range<usize>,
    params: Vec<VReg>,
    /// What its jump passes.
    args: Vec<VReg>,
    successors: Vec<Block>,
    predecessors: Vec<Block>,
}

#[derive(Clone, Copy)]
enum Kind {
    Op(Op),
    Branch,
    Return,
}

struct InstData {
    kind: Kind,
    operands: Range<usize>,
    clobbers: PRegSet,
}

/// The registers of a pool. Those that the code must preserve for its caller are the last choice, as in our allocator.
pub fn environment<I: Isa>(pool: &[Reg]) -> MachineEnv {
    let none = PRegSet::empty();
    let (saved, unsaved): (Vec<Reg>, Vec<Reg>) = pool.iter().partition(|reg| I::CALLEE_SAVED.contains(reg));
    MachineEnv {
        preferred_regs_by_class: [set(&unsaved), none, none],
        non_preferred_regs_by_class: [set(&saved), none, none],
        scratch_by_class: [None; 3],
        fixed_stack_slots: Vec::new(),
    }
}

impl Problem {
    /// The problem for a legalized function. Puts constants into registers first, as our allocator does.
    pub fn of<I: Isa>(function: &mut ir::Function, pool: &[Reg]) -> Problem {
        let mut homes = Homes::of(function, 0);
        insert_copies(function, &mut homes);
        let problem =
            Problem { blocks: Vec::new(), insts: Vec::new(), operands: Vec::new(), vregs: function.insts.len() };
        let (uses, defined_in) = (function.use_counts(), blocks_of(function));
        let mut builder = Builder { problem, homes, pool: set(pool), uses, defined_in };
        let positions = function.positions();
        for &block in &function.layout {
            builder.block::<I>(function, block, &positions);
        }
        let Builder { mut problem, .. } = builder;
        for index in 0..problem.blocks.len() {
            for next in problem.blocks[index].successors.clone() {
                problem.blocks[next.index()].predecessors.push(Block::new(index));
            }
        }
        problem
    }

    /// Checks an allocation with the crate's own checker.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, environment: &MachineEnv, output: &Output) -> Result<(), String> {
        let mut checker = Checker::new(self, environment);
        checker.prepare(output);
        checker.run().map_err(|errors| format!("{errors:?}"))
    }

    /// The traffic of each block with this allocation.
    pub fn traffic<I: Isa>(&self, output: &Output) -> OfBlocks {
        let block_of = |inst: usize| {
            let index = self.blocks.partition_point(|block| block.insts.end <= inst);
            self.blocks[index].of
        };
        let edits = output.edits.iter().filter_map(|(point, Edit::Move { from, to })| {
            let traffic = Traffic {
                moves: (from.is_reg() && to.is_reg()).into(),
                reloads: from.is_stack().into(),
                stores: to.is_stack().into(),
                constants: 0,
            };
            (from != to).then(|| (block_of(point.inst().index()), traffic))
        });
        let insts = self.insts.iter().enumerate().filter_map(|(index, inst)| {
            let allocations = output.inst_allocs(Inst::new(index));
            let registers = allocations.iter().filter_map(|place| Some(Reg(place.as_reg()?.hw_enc() as u8)));
            let Kind::Op(op) = inst.kind else { return None };
            let op = lir_op(&op, &registers.collect::<Vec<_>>())?;
            Some((block_of(index), Traffic::of::<I>(op)))
        });
        edits.chain(insts).collect()
    }
}

/// The operation with these registers, the destination last; `None` if it causes no traffic in any registers.
fn lir_op(op: &Op, registers: &[Reg]) -> Option<lir::Op> {
    Some(match (*op, registers) {
        (Op::Constant(value), &[d]) => lir::Op::Constant { d, value },
        (Op::Alu(op, ..), &[a, b, d]) => lir::Op::Alu { d, a, b, op },
        (Op::AluImm(op, _, imm), &[a, d]) => lir::Op::AluImm { d, a, op, imm },
        (Op::Unary(op, _), &[a, d]) => lir::Op::Unary { d, a, op },
        (Op::Divide(op, ..), &[a, b, d]) => lir::Op::Divide { d, a, b, op, site: Site(0) },
        _ => return None,
    })
}

fn vreg(value: Value) -> VReg {
    VReg::new(value.index(), RegClass::Int)
}

fn preg(reg: Reg) -> PReg {
    PReg::new(reg.0.into(), RegClass::Int)
}

fn set(registers: &[Reg]) -> PRegSet {
    registers.iter().map(|reg| preg(*reg)).collect()
}

struct Builder {
    problem: Problem,
    homes: Homes,
    pool: PRegSet,
    /// For each value, the number of its uses and its block. Of two operands that may be exchanged, an instruction overwrites one
    /// that ends there.
    uses: Vec<u32>,
    defined_in: Vec<Option<ir::Block>>,
}

impl Builder {
    fn block<I: Isa>(&mut self, function: &ir::Function, block: ir::Block, positions: &[usize]) {
        let data = function.block(block);
        let first = self.problem.insts.len();
        for &value in &data.insts {
            let op = *function.op(value);
            match op {
                Op::Argument(number) | Op::CallResult(number) => {
                    // All that are passed are defined at once: by the call, or by an instruction at the start of the function.
                    if self.problem.insts.len() == first {
                        self.add(Kind::Op(op), PRegSet::empty());
                    }
                    let register = preg(passed::<I>(number));
                    self.put(Operand::reg_fixed_def(vreg(value), register));
                    self.last().clobbers.remove(register);
                }
                Op::Call { args, .. } => self.passing::<I>(args.values(), Kind::Op(op), self.pool),
                _ => self.inst::<I>(value, op),
            }
        }
        let args = match &data.end {
            End::Jump(edge) => edge.args.iter().map(|arg| self.passed_value(*arg)).collect(),
            _ => Vec::new(),
        };
        match &data.end {
            End::EndCall { results } => self.passing::<I>(results.values(), Kind::Return, PRegSet::empty()),
            end => {
                let kind = if matches!(end, End::Return { .. }) { Kind::Return } else { Kind::Branch };
                self.add(kind, PRegSet::empty());
                end.operands().for_each(|operand| self.put(Operand::reg_use(vreg(operand))));
            }
        }
        self.problem.blocks.push(BlockData {
            of: block,
            insts: first..self.problem.insts.len(),
            params: data.params.iter().map(|param| vreg(*param)).collect(),
            args,
            successors: data.end.successors().map(|next| Block::new(positions[next.index()])).collect(),
            predecessors: Vec::new(),
        });
    }

    fn add(&mut self, kind: Kind, clobbers: PRegSet) {
        let start = self.problem.operands.len();
        self.problem.insts.push(InstData { kind, operands: start..start, clobbers });
    }

    fn last(&mut self) -> &mut InstData {
        self.problem.insts.last_mut().expect("an instruction was added")
    }

    /// Adds an operand to the last instruction.
    fn put(&mut self, operand: Operand) {
        self.problem.operands.push(operand);
        self.last().operands.end += 1;
    }

    /// The virtual register of a value that is passed. A constant is loaded for this purpose.
    fn passed_value(&mut self, value: Value) -> VReg {
        let Home::Constant(constant) = self.homes.of[value.index()] else { return vreg(value) };
        let copy = VReg::new(self.problem.vregs, RegClass::Int);
        self.problem.vregs += 1;
        self.add(Kind::Op(Op::Constant(constant)), PRegSet::empty());
        self.put(Operand::reg_def(copy));
        copy
    }

    /// Adds an instruction that passes values in registers.
    fn passing<I: Isa>(&mut self, values: &[Value], kind: Kind, clobbers: PRegSet) {
        let values: Vec<VReg> = values.iter().map(|value| self.passed_value(*value)).collect();
        self.add(kind, clobbers);
        for (number, value) in (0..).zip(values) {
            self.put(Operand::reg_fixed_use(value, preg(passed::<I>(number))));
        }
    }

    /// Adds an instruction that passes nothing.
    fn inst<I: Isa>(&mut self, value: Value, op: Op) {
        let late = |constraint| Operand::new(vreg(value), constraint, OperandKind::Def, OperandPos::Late);
        let fixed = |registers: &[Reg], index: usize| {
            registers.get(index).map_or(OperandConstraint::Reg, |reg| OperandConstraint::FixedReg(preg(*reg)))
        };
        let (mut clobbers, mut uses, mut result) = (&[][..], [OperandConstraint::Reg; 3], OperandConstraint::Reg);
        match op {
            Op::Divide(which, ..) => {
                let number = usize::from(which == DivOp::Remainder);
                uses[0] = fixed(I::DIVIDE_CLOBBERS, 0);
                result = fixed(I::DIVIDE_CLOBBERS, number);
                clobbers = I::DIVIDE_CLOBBERS.get(1 - number..2 - number).unwrap_or_default();
            }
            Op::DivideImm(_, _, imm) => clobbers = I::divide_imm_clobbers(imm),
            Op::Alu(alu, ..) if alu.is_shift() => uses[1] = fixed(I::SHIFT_CLOBBERS, 0),
            _ => {}
        }
        if overwrites::<I>(&op) {
            let ends = |operand: Value| {
                self.uses[operand.index()] == 1 && self.defined_in[operand.index()] == self.defined_in[value.index()]
            };
            let exchanges = matches!(op, Op::Alu(alu, a, b) if alu.commutes() && ends(b) && !ends(a));
            result = OperandConstraint::Reuse(exchanges.into());
        }
        self.add(Kind::Op(op), set(clobbers));
        let mut read = op;
        let mut uses = uses.into_iter();
        read.for_each_operand(|operand| {
            let constraint = uses.next().expect("an instruction has at most three operands");
            self.put(Operand::new(vreg(*operand), constraint, OperandKind::Use, OperandPos::Early));
        });
        if op.defines() {
            self.put(late(result));
        }
    }
}

/// Whether an instruction overwrites its first operand, so that the emitter may have to copy it.
fn overwrites<I: Isa>(op: &Op) -> bool {
    let [a, b, other] = [8, 9, 12].map(Reg);
    let copies = |d| {
        let registers = if let Op::Alu(..) = op { vec![a, b, d] } else { vec![a, d] };
        lir_op(op, &registers).map_or(0, I::copies)
    };
    copies(other) > copies(a)
}

impl Function for Problem {
    fn num_insts(&self) -> usize {
        self.insts.len()
    }

    fn num_blocks(&self) -> usize {
        self.blocks.len()
    }

    fn entry_block(&self) -> Block {
        Block::new(0)
    }

    fn block_insns(&self, block: Block) -> InstRange {
        let Range { start, end } = self.blocks[block.index()].insts;
        InstRange::new(Inst::new(start), Inst::new(end))
    }

    fn block_succs(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].successors
    }

    fn block_preds(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].predecessors
    }

    fn block_params(&self, block: Block) -> &[VReg] {
        &self.blocks[block.index()].params
    }

    fn is_ret(&self, inst: Inst) -> bool {
        matches!(self.insts[inst.index()].kind, Kind::Return)
    }

    fn is_branch(&self, inst: Inst) -> bool {
        matches!(self.insts[inst.index()].kind, Kind::Branch)
    }

    fn branch_blockparams(&self, block: Block, _: Inst, _: usize) -> &[VReg] {
        &self.blocks[block.index()].args
    }

    fn inst_operands(&self, inst: Inst) -> &[Operand] {
        &self.operands[self.insts[inst.index()].operands.clone()]
    }

    fn inst_clobbers(&self, inst: Inst) -> PRegSet {
        self.insts[inst.index()].clobbers
    }

    fn num_vregs(&self) -> usize {
        self.vregs
    }

    fn spillslot_size(&self, _: RegClass) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use ::regalloc2::{Algorithm, RegallocOptions, run};

    use super::*;
    use crate::engine::{NoClock, Options, Task};
    use crate::isa::{aarch64, x86_64};
    use crate::lang::{Source, load};
    use crate::ssa::{Passes, legalized, pool};

    /// Allocates at most this many registers for the functions of a program. Returns how many allocations were checked.
    fn checked<I: Isa>(name: &str, text: &str, registers: usize) -> usize {
        let program = load(&Source::new(name, text), 1).expect("it is a program");
        let code = Task::new(&program, &Options::default()).bytecode(&mut NoClock).expect("it is small");
        let pool = pool::<I>(code.reserved(), registers);
        let environment = environment::<I>(pool);
        // Inlining leaves few calls.
        let passes = Passes::ALL.without(Passes::named("inline").expect("it exists"));
        let mut count = 0;
        for mut function in legalized::<I>(&code, passes) {
            let problem = Problem::of::<I>(&mut function, pool);
            for algorithm in [Algorithm::Ion, Algorithm::Fastalloc] {
                let options = RegallocOptions { algorithm, validate_ssa: true, ..RegallocOptions::default() };
                let output = run(&problem, &environment, &options).expect("the problem has a solution");
                let check = problem.check(&environment, &output);
                assert_eq!(check, Ok(()), "{name}, {}, {algorithm:?}, {registers} registers", I::NAME);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn allocations_of_workloads_are_right() {
        macro_rules! workloads {
            ($($name:literal),*) => {
                [$(($name, include_str!(concat!("../../corpus/workloads/", $name, ".stk")))),*]
            };
        }
        for (name, text) in workloads!["gcd", "primes", "mandelbrot", "tak", "quicksort", "queens", "sha256"] {
            for registers in [8, usize::MAX] {
                let count = checked::<aarch64::Emitter>(name, text, registers)
                    + checked::<x86_64::Emitter>(name, text, registers);
                assert!(count >= 4, "{name}");
            }
        }
    }
}
