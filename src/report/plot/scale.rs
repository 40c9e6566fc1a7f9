//! Scales: the position of a value on an axis, and the round numbers to show there.

/// The scale of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Equal distances are equal differences. The axis starts at zero.
    Linear {
        /// The value at the far end.
        max: f64,
    },
    /// Equal distances are equal ratios.
    Log {
        /// The value at the near end.
        min: f64,
        /// The value at the far end.
        max: f64,
    },
}

/// Ticks within a power of ten.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

/// A logarithmic axis of at most this many powers of ten shows all of [`STEPS`].
const FEW_DECADES: f64 = 2.5;

/// A logarithmic axis of at most this many powers of ten shows each power.
const MANY_DECADES: i32 = 8;

impl Scale {
    /// The linear scale from zero that covers all values.
    pub fn linear(values: impl IntoIterator<Item = f64>) -> Scale {
        let greatest = values.into_iter().fold(0.0, f64::max);
        let max = if greatest > 0.0 { greatest } else { 1.0 };
        let step = step(max);
        Scale::Linear { max: (max / step - 1e-9).ceil() * step }
    }

    /// The logarithmic scale that covers all values. They must be greater than zero.
    pub fn log(values: impl IntoIterator<Item = f64>) -> Scale {
        let (min, max) =
            values.into_iter().fold((f64::INFINITY, 0.0_f64), |(min, max), value| (min.min(value), max.max(value)));
        if min > max {
            return Scale::Log { min: 1.0, max: 10.0 };
        }
        let (min, max) = (round(min, false), round(max, true));
        if min < max { Scale::Log { min, max } } else { Scale::Log { min: min / 2.0, max: max * 2.0 } }
    }

    /// The position of a value: 0 is the near end and 1 the far end.
    pub fn place(&self, value: f64) -> f64 {
        match *self {
            Scale::Linear { max } => value / max,
            Scale::Log { min, max } => (value / min).ln() / (max / min).ln(),
        }
    }

    /// The round numbers on the axis, ascending.
    pub fn ticks(&self) -> Vec<f64> {
        match *self {
            Scale::Linear { max } => {
                let step = step(max);
                (0..=(max / step + 1e-9) as u32).map(|index| f64::from(index) * step).collect()
            }
            Scale::Log { min, max } => {
                let (first, last) = (min.log10().floor() as i32, max.log10().ceil() as i32);
                let is_inside = |tick: &f64| (min * (1.0 - 1e-9)..=max * (1.0 + 1e-9)).contains(tick);
                let steps = if (max / min).log10() <= FEW_DECADES { &STEPS[..] } else { &STEPS[..1] };
                let stride = (last - first) / MANY_DECADES + 1;
                (first..=last)
                    .step_by(stride as usize)
                    .flat_map(|exponent| steps.iter().map(move |step| step * 10_f64.powi(exponent)))
                    .filter(is_inside)
                    .collect()
            }
        }
    }
}

/// The distance between ticks that gives four to ten of them.
fn step(max: f64) -> f64 {
    let power = 10_f64.powf((max / 4.0).log10().floor());
    let fits = |step: &&f64| max / (**step * power) >= 4.0 - 1e-9;
    STEPS.iter().rev().find(fits).unwrap_or(&STEPS[0]) * power
}

/// Rounds a value up or down to one of [`STEPS`] times a power of ten.
fn round(value: f64, up: bool) -> f64 {
    let exponent = value.log10().floor() as i32;
    let mut candidates = (exponent - 1..=exponent + 1).flat_map(|e| STEPS.map(|step| step * 10_f64.powi(e)));
    if up {
        candidates.find(|candidate| *candidate >= value * (1.0 - 1e-9)).unwrap_or(value)
    } else {
        candidates.rfind(|candidate| *candidate <= value * (1.0 + 1e-9)).unwrap_or(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn are_close(found: &[f64], expected: &[f64]) {
        let is_close = |(one, other): (&f64, &f64)| (one - other).abs() <= 1e-9 * other.abs();
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(is_close), "{found:?}");
    }

    #[test]
    fn linear_axis_starts_at_zero_and_ends_at_a_round_number() {
        let scale = Scale::linear([3.0, 37.0]);
        are_close(&scale.ticks(), &[0.0, 10.0, 20.0, 30.0, 40.0]);
        are_close(&[scale.place(0.0), scale.place(20.0), scale.place(40.0)], &[0.0, 0.5, 1.0]);
        are_close(&Scale::linear([0.3]).ticks(), &[0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]);
        assert_eq!(Scale::linear([]), Scale::Linear { max: 1.0 });
    }

    #[test]
    fn logarithmic_axis_has_equal_ratios() {
        let scale = Scale::log([0.3, 18.0]);
        are_close(&scale.ticks(), &[0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0]);
        assert!((scale.place(0.2).abs() < 1e-12) && (scale.place(2.0) - 0.5).abs() < 1e-12);
        are_close(&Scale::log([100.0, 1_000_000.0]).ticks(), &[1e2, 1e3, 1e4, 1e5, 1e6]);
        are_close(&Scale::log([1.0]).ticks(), &[0.5, 1.0, 2.0]);
        assert!(Scale::log([1e-9, 1e12]).ticks().len() <= 12);
        assert_eq!(Scale::log([]), Scale::Log { min: 1.0, max: 10.0 });
    }

    /// This ensures that everything is drawn inside the plot.
    #[test]
    fn every_value_is_within_its_axis() {
        for value in [1e-7, 0.02, 0.099, 0.1, 1.0, 1.01, 4.99, 5.0, 5.01, 999.9, 1e9] {
            for scale in [Scale::log([value]), Scale::log([value, 3.0]), Scale::linear([value])] {
                assert!((-1e-9..=1.0 + 1e-9).contains(&scale.place(value)), "{value} on {scale:?}");
                assert!(scale.ticks().len() >= 2, "{scale:?}");
            }
        }
    }
}
