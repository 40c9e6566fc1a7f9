//! Times by workload and engine, and comparisons of two engines: ratios and their means.

use super::data::criterion::Benchmark;
use super::document::{Row, Table};
use super::format::{cell, number};
use super::plot::scale::Scale;
use super::plot::{Axis, Bar, Bars, Drawing, Group, Plot};
use crate::bench::statistics::{Estimate, geometric_mean};
use crate::bench::workloads::{self, WORKLOADS, workload};
use crate::registry::ENGINES;

/// The name of the hold-out set.
const HOLD_OUT: &str = "hold-out";

/// The times of one kind of benchmark.
pub struct Grid {
    /// Workloads that were timed, in the order of the harness.
    pub workloads: Vec<String>,
    /// Engines that were timed, in the order of the registry.
    pub engines: Vec<String>,
    times: Vec<(String, String, Estimate)>,
}

/// A comparison of two engines: the base's time divided by the engine's.
pub struct Comparison {
    /// Its name in tables.
    pub label: String,
    /// The base.
    pub base: String,
    /// The engine.
    pub engine: String,
}

impl Comparison {
    /// A comparison that has the name of its engine.
    pub fn new(base: &str, engine: &str) -> Comparison {
        Comparison { label: engine.into(), base: base.into(), engine: engine.into() }
    }
}

/// The workloads of a mean, and its name.
struct Mean {
    name: String,
    workloads: Vec<String>,
}

impl Grid {
    /// The benchmarks `<kind>/<workload>/<engine>`.
    pub fn new(benchmarks: &[Benchmark], kind: &str, time: impl Fn(&Benchmark) -> Option<Estimate>) -> Grid {
        let times: Vec<_> = benchmarks
            .iter()
            .filter_map(|benchmark| match &benchmark.name[..] {
                [this, workload, engine] if this == kind => Some((workload.clone(), engine.clone(), time(benchmark)?)),
                _ => None,
            })
            .collect();
        let known = WORKLOADS.iter().map(|workload| workload.name).chain([HOLD_OUT]);
        let workloads = in_order(times.iter().map(|(workload, ..)| workload), known);
        let engines = in_order(times.iter().map(|(_, engine, _)| engine), ENGINES);
        Grid { workloads, engines, times }
    }

    /// The time of an engine on a workload.
    pub fn time(&self, workload: &str, engine: &str) -> Option<Estimate> {
        let is_it = |(this, other, _): &&(String, String, Estimate)| this == workload && other == engine;
        self.times.iter().find(is_it).map(|(.., time)| *time)
    }

    /// The speed-up of an engine over the base: the base's time divided by the engine's. The interval is conservative:
    /// it combines the upper end of one time with the lower end of the other.
    pub fn speed_up(&self, workload: &str, Comparison { base, engine, .. }: &Comparison) -> Option<Estimate> {
        let (base, engine) = (self.time(workload, base)?, self.time(workload, engine)?);
        Some(Estimate { value: base.value / engine.value, low: base.low / engine.high, high: base.high / engine.low })
    }

    /// The workloads that `among` accepts and that all engines of the comparisons ran.
    fn common(&self, comparisons: &[Comparison], among: impl Fn(&str) -> bool) -> Vec<String> {
        let has_all = |workload: &str| comparisons.iter().all(|pair| self.speed_up(workload, pair).is_some());
        self.workloads.iter().filter(|workload| among(workload) && has_all(workload)).cloned().collect()
    }

    /// The means over all workloads and over each group. Workloads that an engine did not run are excluded.
    fn means(&self, comparisons: &[Comparison]) -> Vec<Mean> {
        let mean = |group: &str, size: usize, workloads: Vec<String>| {
            let part = if workloads.len() == size { String::new() } else { format!("{} of ", workloads.len()) };
            Mean { name: format!("mean of {part}{group}"), workloads }
        };
        let all = self.common(comparisons, |name| workload(name).is_some());
        let of_group = |group: workloads::Group| {
            let has = |name: &str| workload(name).is_some_and(|workload| workload.group == group);
            mean(group.name(), group.workloads().count(), self.common(comparisons, has))
        };
        let means = [mean(&format!("all {}", WORKLOADS.len()), WORKLOADS.len(), all)];
        means.into_iter().chain(workloads::Group::ALL.map(of_group)).filter(|mean| !mean.workloads.is_empty()).collect()
    }

    /// The geometric mean of a comparison's speed-ups, with the name of the mean.
    pub fn overall(&self, comparison: Comparison) -> Option<(f64, String)> {
        let comparisons = [comparison];
        let mean = self.means(&comparisons).into_iter().next()?;
        Some((self.mean(&mean, &comparisons[0]), mean.name))
    }

    fn mean(&self, mean: &Mean, comparison: &Comparison) -> f64 {
        let value = |workload: &String| self.speed_up(workload, comparison).map(|speed_up| speed_up.value);
        geometric_mean(mean.workloads.iter().filter_map(value))
    }

    /// The workloads for which at least one of the comparisons has times.
    fn compared<'a>(&'a self, comparisons: &'a [Comparison]) -> impl Iterator<Item = &'a String> {
        let has_one = |workload: &&String| comparisons.iter().any(|pair| self.speed_up(workload, pair).is_some());
        self.workloads.iter().filter(has_one)
    }

    /// A table of speed-ups with a column for each comparison.
    pub fn table(&self, caption: &str, comparisons: &[Comparison]) -> Table {
        let mean = |mean: &Mean| {
            let value = |comparison| number(self.mean(mean, comparison)).into();
            Row::summary(&mean.name, comparisons.iter().map(value).collect())
        };
        let row = |workload: &String| {
            let speed_up = |pair| self.speed_up(workload, pair).map(|estimate| cell(&estimate)).unwrap_or_default();
            Row::new(workload, comparisons.iter().map(speed_up).collect())
        };
        Table {
            caption: caption.into(),
            columns: ["workload"]
                .into_iter()
                .chain(comparisons.iter().map(|pair| &*pair.label))
                .map(Into::into)
                .collect(),
            is_numeric: true,
            rows: self.means(comparisons).iter().map(mean).chain(self.compared(comparisons).map(row)).collect(),
        }
    }

    /// The same speed-ups as bars on a logarithmic axis.
    pub fn plot(&self, name: &str, title: &str, axis: &str, comparisons: &[Comparison]) -> Plot {
        let mean = |mean: &Mean| {
            let bar =
                |pair: &Comparison| Bar { series: pair.engine.clone(), value: self.mean(mean, pair), interval: None };
            Group { name: mean.name.clone(), bars: comparisons.iter().map(bar).collect() }
        };
        let group = |workload: &String| {
            let bar = |pair: &Comparison| {
                let Estimate { value, low, high } = self.speed_up(workload, pair)?;
                Some(Bar { series: pair.engine.clone(), value, interval: Some((low, high)) })
            };
            Group { name: workload.clone(), bars: comparisons.iter().filter_map(bar).collect() }
        };
        let groups = self.means(comparisons).iter().map(mean).chain(self.compared(comparisons).map(group)).collect();
        ratios(name, title, axis, groups)
    }
}

/// A plot of ratios as bars that start at 1, on a logarithmic axis.
pub fn ratios(name: &str, title: &str, axis: &str, groups: Vec<Group>) -> Plot {
    let bars = groups.iter().flat_map(|group| &group.bars);
    let ends = bars
        .flat_map(|bar| [bar.value].into_iter().chain(bar.interval.into_iter().flat_map(|(low, high)| [low, high])));
    let scale = Scale::log(ends.chain([1.0]));
    let drawing = Drawing::Bars(Bars { axis: Axis { title: axis.into(), scale }, origin: 1.0, groups });
    Plot { name: name.into(), title: title.into(), drawing }
}

/// Removes duplicate names, and puts the known names first, in the order of `known`.
pub fn in_order<'a>(
    names: impl Iterator<Item = &'a String> + Clone,
    known: impl IntoIterator<Item = impl AsRef<str>>,
) -> Vec<String> {
    let mut ordered: Vec<String> = Vec::new();
    for name in known {
        ordered.extend(names.clone().find(|this| **this == name.as_ref()).cloned());
    }
    for name in names {
        if !ordered.contains(name) {
            ordered.push(name.clone());
        }
    }
    ordered
}
