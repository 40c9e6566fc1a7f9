//! The time of each phase of preparing a program.

use std::time::{Duration, Instant};

use crate::engine::{Phase, PhaseClock};

/// The times of the phases of one or more preparations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Phases {
    /// Tree to bytecode.
    pub lower: Duration,
    /// Bytecode to machine code.
    pub generate: Duration,
    /// Machine code to executable memory.
    pub seal: Duration,
    now: Option<(Phase, Instant)>,
}

impl Phases {
    /// Ends the current phase, if there is one.
    pub fn end(&mut self) {
        if let Some((phase, begun)) = self.now.take() {
            *self.of(phase) += begun.elapsed();
        }
    }

    fn of(&mut self, phase: Phase) -> &mut Duration {
        match phase {
            Phase::Lower => &mut self.lower,
            Phase::Generate => &mut self.generate,
            Phase::Seal => &mut self.seal,
        }
    }

    /// The total time of a phase, without the part that has not ended yet.
    pub fn get(mut self, phase: Phase) -> Duration {
        *self.of(phase)
    }
}

impl PhaseClock for Phases {
    fn begin(&mut self, phase: Phase) {
        self.end();
        self.now = Some((phase, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phase_times_do_not_overlap() {
        let begun = Instant::now();
        let mut phases = Phases::default();
        for phase in [Phase::Lower, Phase::Generate, Phase::Seal, Phase::Lower] {
            phases.begin(phase);
            std::thread::sleep(Duration::from_millis(2));
        }
        phases.end();
        phases.end();
        let all = begun.elapsed();
        let [lower, generate, seal] = [Phase::Lower, Phase::Generate, Phase::Seal].map(|phase| phases.get(phase));
        assert!(lower >= Duration::from_millis(4) && generate >= Duration::from_millis(2));
        assert!(lower + generate + seal <= all);
    }
}
