//! The constants by which the tiered engine decides when to compile, measured on this machine.

use std::hint::black_box;
use std::time::Instant;

use super::sizes::{INPUTS, Shape, Size};
use super::statistics::{geometric_mean, median};
use super::workloads::WORKLOADS;
use super::{Stopwatch, Subject, Untimed, prepare, stack};
use crate::bytecode::{FunctionId, Unit};
use crate::engine::{NoClock, Options, Task};
use crate::lang::{Program, Source};
use crate::registry::{self, PORTABLE};
use crate::tiered::{Choice, Costs, TierCosts};

/// The lengths in words of the generated programs.
const WORDS: [usize; 7] = [10, 30, 100, 300, 1_000, 3_000, 10_000];

/// The engine that interprets the bytecode as it is.
pub const SWITCHING: &str = "tiered:switch";

/// The number of times that a program is compiled before it is measured.
const COLD: usize = 3;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often each program is compiled.
    pub compiles: usize,
    /// How often each workload is run on each engine.
    pub runs: usize,
    /// The number of workloads.
    pub workloads: usize,
}

impl Effort {
    /// The whole measurement.
    pub const FULL: Effort = Effort { compiles: 51, runs: 7, workloads: WORKLOADS.len() };

    /// A smoke test, whose results are meaningless.
    pub const SMOKE: Effort = Effort { compiles: 1, runs: 1, workloads: 2 };
}

/// The measured constants, and what they are based on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The constants.
    pub costs: Costs,
    /// The number of programs that were compiled.
    pub programs: usize,
    /// The median over these programs and all tiers of the relative error of the compile time that follows from the constants.
    pub error: f64,
    /// The number of workloads that were run.
    pub workloads: usize,
}

/// One program: its length and its compile time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Compiled {
    /// Operations of the bytecode.
    length: f64,
    /// Nanoseconds.
    time: f64,
}

/// Measures the constants.
///
/// # Errors
/// If the host cannot run machine code, or a workload cannot be timed.
pub fn measure(effort: Effort) -> Result<Measured, Untimed> {
    let workloads: Vec<Subject> = WORKLOADS.iter().take(effort.workloads).map(|workload| workload.subject()).collect();
    let sizes = [Shape::Straight, Shape::Loopy, Shape::Words]
        .into_iter()
        .flat_map(|shape| WORDS.map(|words| Size { shape, words }))
        .map(|size| Subject::new(size.name(), size.source(), INPUTS.to_vec()));
    let subjects: Vec<Subject> = workloads.iter().cloned().chain(sizes).collect();
    let per_operation = |engine: &str| -> Result<f64, Untimed> {
        let times =
            workloads.iter().map(|subject| execute(engine, subject, effort.runs)).collect::<Result<Vec<_>, _>>()?;
        Ok(geometric_mean(times))
    };
    let [for_interpreter, for_baseline, for_registers] = compile_all(&subjects, effort.compiles)?;
    let mut errors = Vec::new();
    let mut tier = |engine: &str, compiled: &[Compiled]| -> Result<TierCosts, Untimed> {
        let (compile, compile_operation) = fit(compiled);
        errors.extend(compiled.iter().map(|one| ((compile + compile_operation * one.length) / one.time - 1.0).abs()));
        Ok(TierCosts { compile, compile_operation, operation: per_operation(engine)? })
    };
    let interpreter = tier(PORTABLE, &for_interpreter)?;
    let baseline = tier(Choice::Baseline.name(), &for_baseline)?;
    let registers = tier(Choice::Registers.name(), &for_registers)?;
    let interpreted_long = execute(PORTABLE, &long(), effort.runs)?;
    let switch = per_operation(SWITCHING)?;
    let switch_long = execute(SWITCHING, &long(), effort.runs)?;
    let costs = Costs { switch, switch_long, interpreter, interpreted_long, baseline, registers, ..Costs::MEASURED };
    Ok(Measured { costs, programs: subjects.len(), error: median(&errors), workloads: workloads.len() })
}

/// A loop that is much longer than [`LONG`](crate::tiered::LONG) operations, and is executed a hundred times.
fn long() -> Subject {
    let body = Size { shape: Shape::Straight, words: 10_000 };
    let text = [b"100 times ", body.source().bytes(), b" end"].concat();
    Subject::new("long", Source::new("long", text), INPUTS.to_vec())
}

/// Compiles programs as the tiered engine does when the main program is hot: selects the unit, generates machine code, and makes it
/// executable. For the interpreter, translates them to its code. Lowering to bytecode does not count, since all need it.
///
/// Each program is prepared several times in a row, as in the benchmark of break-even: the caches hold the compiler and its data. If
/// programs took turns, everything would take longer, and short programs would take up to three times as long.
fn compile_all(subjects: &[Subject], times: usize) -> Result<[Vec<Compiled>; 3], Untimed> {
    let tiers = [PORTABLE, Choice::Baseline.name(), Choice::Registers.name()];
    let mut engines = tiers.map(|tier| registry::engine(tier).expect("it exists"));
    let programs = subjects.iter().map(|subject| Ok((subject.program()?, subject.options())));
    let programs = programs.collect::<Result<Vec<_>, Untimed>>()?;
    let mut all = vec![[const { Vec::new() }; 3]; programs.len()];
    for ((program, options), all) in programs.iter().zip(&mut all) {
        let task = Task::new(program, options);
        let code = task.bytecode(&mut NoClock)?;
        for (engine, all) in engines.iter_mut().zip(all) {
            // The first times are not counted, because the engines' buffers grow, and the caches are cold.
            for round in 0..times + COLD {
                let lowering = Instant::now();
                black_box(task.bytecode(&mut NoClock)?);
                let lowering = lowering.elapsed();
                let preparing = Instant::now();
                if engine.name() != PORTABLE {
                    black_box(Unit::of(&code, FunctionId::MAIN));
                }
                let prepared = engine.prepare_task(&task, &mut NoClock)?;
                let preparing = preparing.elapsed();
                drop(prepared);
                if round >= COLD {
                    all.push(preparing.saturating_sub(lowering).as_nanos() as f64);
                }
            }
        }
    }
    let of_tier = |tier: usize| {
        let of = |((program, options), all): (&(Program, Options), &[Vec<f64>; 3])| {
            let code = Task::new(program, options).bytecode(&mut NoClock)?;
            Ok(Compiled { length: code.ops().len() as f64, time: median(&all[tier]).max(1.0) })
        };
        programs.iter().zip(&all).map(of).collect::<Result<Vec<_>, Untimed>>()
    };
    Ok([of_tier(0)?, of_tier(1)?, of_tier(2)?])
}

/// Nanoseconds per executed operation of the bytecode, in runs of a program that is prepared and warm.
///
/// The operations are the words that the referee counts, which are without `end`, and one more for each iteration and each
/// call: the operation that ends it.
fn execute(engine: &str, subject: &Subject, runs: usize) -> Result<f64, Untimed> {
    let work = subject.check(&[engine])?;
    let mut prepared = prepare(engine, &subject.program()?, &subject.options())?;
    let mut stack = stack(subject.stack_limit)?;
    let mut once = || {
        let watch = Stopwatch::start();
        prepared.run(&subject.inputs, None, &mut stack).expect("a subject that was checked does not trap");
        watch.elapsed().as_nanos() as f64
    };
    once();
    let times: Vec<f64> = (0..runs).map(|_| once()).collect();
    Ok(median(&times).max(1.0) / (work.words + work.iterations) as f64)
}

/// The time of compiling anything at all, and the time for each operation: the line with the least sum of squares of relative
/// errors. Relative, because long programs would decide alone otherwise.
fn fit(compiled: &[Compiled]) -> (f64, f64) {
    // With u = 1 / time and v = length / time, the line minimizes the sum of (1 - fixed u - each v)^2.
    let sum = |term: fn(f64, f64) -> f64| -> f64 {
        compiled.iter().map(|one| term(1.0 / one.time, one.length / one.time)).sum()
    };
    let (u, v) = (sum(|u, _| u), sum(|_, v| v));
    let (uu, uv, vv) = (sum(|u, _| u * u), sum(|u, v| u * v), sum(|_, v| v * v));
    let determinant = uu * vv - uv * uv;
    let fixed = (u * vv - v * uv) / determinant;
    let each = (v * uu - u * uv) / determinant;
    // A time is positive, whatever noise says.
    if fixed.is_finite() && fixed > 1.0 && each > 0.0 { (fixed, each) } else { (1.0, v / vv) }
}

/// The constants as source text of `src/tiered/costs.rs`.
pub fn source(costs: &Costs) -> String {
    let tier = |tier: &TierCosts| {
        let TierCosts { compile, compile_operation, operation } = *tier;
        let [compile, compile_operation, operation] = [compile, compile_operation, operation].map(literal);
        format!("TierCosts {{ compile: {compile}, compile_operation: {compile_operation}, operation: {operation} }}")
    };
    let Costs { switch, switch_long, interpreter, interpreted_long, baseline, registers, longest_whole } = costs;
    format!(
        "    pub const MEASURED: Costs = Costs {{\n        switch: {},\n        switch_long: {},\n        interpreter: {},\n        interpreted_long: {},\n        baseline: {},\n        \
         registers: {},\n        longest_whole: {longest_whole},\n    }};",
        literal(*switch),
        literal(*switch_long),
        tier(interpreter),
        literal(*interpreted_long),
        tier(baseline),
        tier(registers)
    )
}

/// A float literal with three significant digits.
fn literal(value: f64) -> String {
    let exponent = value.log10().floor() as i32;
    let step = 10_f64.powi(exponent - 2);
    let rounded = format!("{:.*}", (2 - exponent).max(1) as usize, (value / step).round() * step);
    // As Rust writes it: without needless zeros.
    format!("{:?}", rounded.parse::<f64>().unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiers::support;

    fn line(fixed: f64, each: f64) -> Vec<Compiled> {
        [5.0, 40.0, 300.0, 9_000.0].map(|length| Compiled { length, time: fixed + each * length }).to_vec()
    }

    #[test]
    fn fit_of_a_line_is_exact() {
        let (fixed, each) = fit(&line(600.0, 60.0));
        assert!((fixed - 600.0).abs() < 1e-3 && (each - 60.0).abs() < 1e-6, "{fixed} {each}");
    }

    #[test]
    fn long_programs_do_not_decide_alone() {
        let mut programs = line(600.0, 60.0);
        programs.last_mut().expect("there is one").time *= 1.5;
        let (fixed, _) = fit(&programs);
        assert!((300.0..900.0).contains(&fixed), "{fixed}");
    }

    #[test]
    fn costs_are_positive_even_if_the_line_is_not() {
        let (fixed, each) = fit(&line(-100.0, 60.0));
        assert!(fixed >= 1.0 && each > 0.0, "{fixed} {each}");
        let (fixed, each) = fit(&[Compiled { length: 10.0, time: 50.0 }]);
        assert!(fixed == 1.0 && (each - 5.0).abs() < 1e-9, "{fixed} {each}");
    }

    #[test]
    fn constants_are_source_text() {
        let baseline = TierCosts { compile: 1_234.5, compile_operation: 61.26, operation: 0.045678 };
        let registers = TierCosts { compile: 2.0, ..baseline };
        let interpreter = TierCosts { compile: 650.0, compile_operation: 39.0, operation: 1.0 };
        let costs = Costs {
            switch: 2.0,
            switch_long: 3.0,
            interpreter,
            interpreted_long: 4.0,
            baseline,
            registers,
            longest_whole: 1000,
        };
        let expected = "    pub const MEASURED: Costs = Costs {\n        switch: 2.0,\n        switch_long: 3.0,\n        interpreter: TierCosts { compile: 650.0, compile_operation: 39.0, \
            operation: 1.0 },\n        interpreted_long: 4.0,\n        baseline: TierCosts { compile: 1230.0, \
            compile_operation: 61.3, operation: 0.0457 },\n        registers: TierCosts { compile: 2.0, compile_operation: 61.3, \
            operation: 0.0457 },\n        longest_whole: 1000,\n    };";
        assert_eq!(source(&costs), expected);
    }

    #[test]
    fn smoke_test_measures_everything() {
        if support().is_err() {
            return;
        }
        let Measured { costs, programs, workloads, error } = measure(Effort::SMOKE).expect("it can be measured");
        let Costs { switch, switch_long, interpreter, interpreted_long, baseline, registers, .. } = costs;
        let costs_of = |tier: TierCosts| [tier.compile, tier.compile_operation, tier.operation];
        let all = [
            &costs_of(interpreter)[..],
            &[switch, switch_long, interpreted_long],
            &costs_of(baseline),
            &costs_of(registers),
        ]
        .concat();
        assert!(all.into_iter().all(|cost| cost.is_finite() && cost > 0.0), "{costs:?}");
        assert!(error.is_finite() && (programs, workloads) == (2 + 3 * WORDS.len(), 2));
    }
}
