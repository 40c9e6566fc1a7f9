//! A description of the host, and what makes measurements on it less reliable.

use std::path::Path;

use serde_json::{Value, json};

use crate::exec::code_memory;

/// A machine and its load.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processor, as the system names it.
    pub processor: String,
    /// How many processors the system has.
    pub processors: usize,
    /// The architecture that this program was built for.
    pub isa: &'static str,
    /// The system and its kernel.
    pub kernel: String,
    /// The load average of the last minute.
    pub load: Option<f64>,
    /// The governor that sets the clock rate.
    pub governor: Option<String>,
    /// Whether it is a virtual machine.
    pub is_virtual: bool,
    /// How memory for code is written and executed.
    pub code_memory: String,
    /// The compiler that built this program.
    pub rustc: &'static str,
    /// The commit that this program was built from.
    pub commit: &'static str,
}

impl Machine {
    /// This machine, now.
    pub fn now() -> Machine {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let info = read("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        let part = || Some(format!("implementer {}, part {}", field("CPU implementer")?, field("CPU part")?));
        let kernel = read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into());
        Machine {
            processor: field("model name").or_else(part).unwrap_or_else(|| "unknown".into()),
            processors,
            isa: std::env::consts::ARCH,
            kernel: format!("{} {kernel}", std::env::consts::OS),
            load: read("/proc/loadavg").and_then(|load| load.split(' ').next()?.parse().ok()),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            is_virtual: field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            code_memory: code_memory().to_string(),
            rustc: env!("JITDUEL_RUSTC"),
            commit: env!("JITDUEL_COMMIT"),
        }
    }

    /// What makes measurements on it less reliable, in whole sentences.
    pub fn weaknesses(&self) -> Vec<String> {
        let mut weaknesses = Vec::new();
        if let Some(load) = self.load.filter(|load| *load > 0.5 * self.processors as f64) {
            weaknesses
                .push(format!("The load is {load} on {} processors: other processes are running.", self.processors));
        }
        if let Some(governor) = self.governor.as_ref().filter(|governor| *governor != "performance") {
            weaknesses.push(format!("The governor is `{governor}`: the clock rate changes."));
        }
        if self.is_virtual {
            weaknesses.push("This is a virtual machine: the load of other guests is not visible.".into());
        }
        weaknesses
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let Machine { processor, processors, isa, kernel, load, governor, is_virtual, code_memory, rustc, commit } =
            self;
        json!({
            "processor": processor,
            "processors": processors,
            "isa": isa,
            "kernel": kernel,
            "load": load,
            "governor": governor,
            "virtual": is_virtual,
            "code memory": code_memory,
            "rustc": rustc,
            "commit": commit,
        })
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(path)).ok().map(|text| text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_of_this_machine_is_complete() {
        let machine = Machine::now();
        assert!(machine.processors > 0 && !machine.rustc.is_empty() && !machine.commit.is_empty());
        assert!(machine.rustc.starts_with("rustc "), "{}", machine.rustc);
        if cfg!(target_os = "linux") {
            assert_ne!(machine.processor, "unknown");
            assert!(machine.load.is_some());
        }
    }

    #[test]
    fn weaknesses_are_listed() {
        let quiet = Machine { load: Some(0.1), processors: 2, governor: None, is_virtual: false, ..Machine::now() };
        assert!(quiet.weaknesses().is_empty());
        let busy = Machine { load: Some(3.0), governor: Some("powersave".into()), is_virtual: true, ..quiet };
        assert_eq!(busy.weaknesses().len(), 3);
    }
}
