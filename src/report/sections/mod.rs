//! The sections of the report.

mod ablation;
mod break_even;
mod code_size;
mod compile;
mod costs;
mod instructions;
mod machine;
mod passes;
mod peers;
mod regret;
mod speed_up;
mod summary;
mod warm_up;

use std::time::SystemTime;

use super::data::Data;
use super::document::{Document, Section};
use super::format::moment;

/// The engine of the headline figures.
const FLAGSHIP: &str = "regs";

/// The interpreter that it is compared with.
const INTERPRETER: &str = "bytecode";

/// The commands that measure the data.
mod commands {
    use crate::bench::saved;

    pub const EXECUTE: &str = "cargo bench --bench execute";
    pub const ONESHOT: &str = "cargo bench --bench oneshot";
    pub const COMPILE: &str = "cargo bench --bench compile";
    pub const BREAK_EVEN: &str = saved::BREAK_EVEN.command;
    pub const WARM_UP: &str = saved::WARM_UP.command;
    pub const COSTS: &str = saved::COSTS.command;
    pub const ABLATION: &str = saved::ABLATION.command;
    pub const INSTRUCTIONS: &str = saved::INSTRUCTIONS.command;
    pub const PEERS: &str = saved::PEERS.command;
}

/// The report on the data. `now` is the time of writing.
pub fn document(data: &Data, now: SystemTime) -> Document {
    let sections: Vec<Section> = vec![
        speed_up::running(data),
        ablation::section(data),
        passes::section(data),
        speed_up::one_shot(data),
        compile::section(data),
        break_even::section(data),
        warm_up::section(data),
        regret::section(data),
        costs::section(data),
        code_size::section(),
        instructions::section(data),
        peers::section(data),
        machine::section(data, now),
    ];
    Document {
        title: "jitduel: compilers against interpreters".into(),
        lead: format!("The same programs of a small stack language on every engine. Written {}.", moment(now)),
        figures: summary::figures(data),
        sections,
    }
}
