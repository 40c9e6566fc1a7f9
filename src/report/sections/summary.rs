//! The headline figures.

use super::{FLAGSHIP, INTERPRETER, break_even, commands, compile, regret, speed_up};
use crate::bench::regret::{AIM_MEAN, AIM_WORST, ENGINE, Summary};
use crate::report::data::Data;
use crate::report::document::Figure;
use crate::report::format::number;

pub(super) fn figures(data: &Data) -> Vec<Figure> {
    vec![faster(data), pays(data), costs(data), regrets(data)]
}

fn no_data(label: String, command: &str) -> Figure {
    Figure { label, value: None, detail: format!("no data; run `{command}`") }
}

fn faster(data: &Data) -> Figure {
    let label = format!("`{FLAGSHIP}` over `{INTERPRETER}`");
    let Some((speed_up, mean)) = speed_up::headline(data) else { return no_data(label, commands::EXECUTE) };
    Figure {
        label,
        value: Some(format!("{}×", number(speed_up))),
        detail: format!("times as fast: geometric {mean} workloads"),
    }
}

fn pays(data: &Data) -> Figure {
    let label = "Compiling pays from".to_owned();
    let Some((iterations, workloads, with)) = break_even::headline(data) else {
        return no_data(label, commands::BREAK_EVEN);
    };
    let value = if iterations.is_finite() { format!("{} iterations", number(iterations)) } else { "never".into() };
    let detail = format!(
        "of loops, with `{FLAGSHIP}`; median of {workloads} workloads, {with} of which break even within the sweep"
    );
    Figure { label, value: Some(value), detail }
}

fn costs(data: &Data) -> Figure {
    let label = "Compile time per word".to_owned();
    let Some((own, all)) = compile::headline(data) else { return no_data(label, commands::COMPILE) };
    let all = all.map_or(String::new(), |all| format!("; {} ns including parsing and verifying", number(all)));
    let detail = format!("`{FLAGSHIP}` on a straight-line program of 10,000 words{all}");
    Figure { label, value: Some(format!("{} ns", number(own))), detail }
}

fn regrets(data: &Data) -> Figure {
    let label = format!("Regret of `{ENGINE}`");
    let Some((Summary { mean, worst, .. }, workloads)) = regret::headline(data) else {
        return no_data(label, commands::BREAK_EVEN);
    };
    let detail = format!(
        "time relative to the best choice in hindsight: the geometric mean over all sizes of {workloads} workloads (aim \
         {AIM_MEAN:.2}); {} at worst (aim {AIM_WORST:.1})",
        number(worst)
    );
    Figure { label, value: Some(format!("{}×", number(mean))), detail }
}
