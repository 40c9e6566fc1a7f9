//! The colors of plots. Each engine has the same color in every plot. The palette is that of Okabe and Ito, which most people
//! with a color vision deficiency can distinguish; dark mode uses lighter shades. Lines also differ in dashes and markers.

/// The series with their own colors: the name, the color in light mode, the color in dark mode.
const COLORS: [(&str, &str, &str); 13] = [
    ("tree", "#7f7f7f", "#9c9c9c"),
    ("bytecode", "#303030", "#e4e4e4"),
    ("jit-push", "#b65f92", "#e3a3c8"),
    ("jit-naive", "#c98a00", "#f0b840"),
    ("jit-peephole", "#009e73", "#3fcf9f"),
    ("jit-tos", "#0072b2", "#5fb0ea"),
    ("jit", "#d55e00", "#ff8a45"),
    ("regs", "#8c2d19", "#ffb59a"),
    ("ssa", "#4b2e83", "#c3a6ff"),
    ("tiered", "#1b7f2a", "#8fe39a"),
    ("parse", "#56b4e9", "#9ad4f5"),
    ("verify", "#8c7b00", "#f0e442"),
    // Any other series.
    ("other", "#7a6fb0", "#aaa0dc"),
];

/// The colors of everything except data: the name, the color in light mode, the color in dark mode.
const ROLES: [(&str, &str, &str); 4] = [
    ("ink", "#1d1f21", "#e6e6e6"),
    ("muted", "#595f66", "#a3a9b0"),
    ("grid", "#dfe2e5", "#3a3e44"),
    ("paper", "#ffffff", "#17191c"),
];

/// The CSS class of a series.
pub fn class(series: &str) -> String {
    let known = COLORS.iter().find(|(name, ..)| *name == series);
    format!("c-{}", known.map_or("other", |(name, ..)| name))
}

/// CSS that defines all colors for the elements that `selector` matches. In the class of a series, `--c` is the series'
/// color.
pub fn css(selector: &str) -> String {
    let all = || ROLES.iter().chain(&COLORS);
    let light: String = all().map(|(name, light, _)| format!("--{name}:{light};")).collect();
    let dark: String = all().map(|(name, _, dark)| format!("--{name}:{dark};")).collect();
    let classes: String = COLORS.iter().map(|(name, ..)| format!(".c-{name}{{--c:var(--{name})}}\n")).collect();
    format!("{selector}{{{light}}}\n@media (prefers-color-scheme:dark){{{selector}{{{dark}}}}}\n{classes}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::ENGINES;

    #[test]
    fn every_engine_has_its_own_color() {
        for engine in ENGINES {
            assert_eq!(class(engine), format!("c-{engine}"));
        }
        assert_eq!(class("gcc -O2"), "c-other");
        for (index, (_, light, dark)) in COLORS.iter().enumerate() {
            assert!(COLORS[..index].iter().all(|(_, other, another)| other != light && another != dark));
        }
    }
}
