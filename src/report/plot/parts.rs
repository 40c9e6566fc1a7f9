//! The parts that both kinds of plots share: axes, and a legend that wraps at the width of the plot.

use maud::{Markup, html};

use super::Axis;
use crate::report::format::short;
use crate::report::palette;

/// Height of a line of text in pixels.
pub const LINE: f64 = 20.0;

/// Width of a swatch in the legend with the gap after it, in pixels.
const SWATCH: f64 = 22.0;

/// Formats a coordinate for SVG. A tenth of a pixel is finer than the eye can see.
pub fn px(place: f64) -> String {
    format!("{place:.1}")
}

/// A generous estimate of the width of a text in pixels, because fonts differ.
pub fn width(text: &str) -> f64 {
    7.6 * text.chars().count() as f64
}

/// The rectangle in which data is drawn, in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Area {
    /// The horizontal position of a value.
    pub fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + (self.right - self.left) * axis.scale.place(value).clamp(0.0, 1.0)
    }

    /// The vertical position of a value.
    pub fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.bottom + (self.top - self.bottom) * axis.scale.place(value).clamp(0.0, 1.0)
    }

    /// The vertical grid lines, with numbers and the title below them.
    pub fn x_axis(&self, axis: &Axis) -> Markup {
        let ticks = axis.scale.ticks();
        html! {
            @for tick in &ticks {
                line.grid x1=(px(self.x(axis, *tick))) x2=(px(self.x(axis, *tick))) y1=(px(self.top)) y2=(px(self.bottom)) {}
            }
            @for tick in thinned(&ticks, |tick| self.x(axis, tick), |tick| width(&short(tick)) + 6.0) {
                text.axis x=(px(self.x(axis, tick))) y=(px(self.bottom + 20.0)) text-anchor="middle" { (short(tick)) }
            }
            text.axis x=(px((self.left + self.right) / 2.0)) y=(px(self.bottom + 40.0)) text-anchor="middle" { (axis.title) }
        }
    }

    /// The horizontal grid lines, with numbers on the left and the title above.
    pub fn y_axis(&self, axis: &Axis) -> Markup {
        let ticks = axis.scale.ticks();
        html! {
            @for tick in &ticks {
                line.grid x1=(px(self.left)) x2=(px(self.right)) y1=(px(self.y(axis, *tick))) y2=(px(self.y(axis, *tick))) {}
            }
            @for tick in thinned(&ticks, |tick| -self.y(axis, tick), |_| LINE - 2.0) {
                text.axis x=(px(self.left - 7.0)) y=(px(self.y(axis, tick) + 4.5)) text-anchor="end" { (short(tick)) }
            }
            text.axis x="4" y=(px(self.top - 14.0)) { (axis.title) }
        }
    }
}

/// The ticks whose numbers do not overlap.
fn thinned(ticks: &[f64], place: impl Fn(f64) -> f64, room: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut kept: Vec<f64> = Vec::new();
    for &tick in ticks {
        let has_room = |last: &f64| place(tick) - place(*last) >= (room(tick) + room(*last)) / 2.0;
        if kept.last().is_none_or(has_room) {
            kept.push(tick);
        }
    }
    kept
}

/// The sample in front of a legend entry.
#[derive(Clone, Copy, Debug)]
pub enum Swatch {
    /// A piece of a bar.
    Bar,
    /// A piece of the line with this number.
    Line(usize),
}

/// An entry of the legend.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The series, which selects the color.
    pub series: &'a str,
    /// The text.
    pub label: &'a str,
    /// The sample.
    pub swatch: Swatch,
}

/// The legend at the top of a plot of the given width, and its height, in pixels.
pub fn legend(entries: &[Entry], plot_width: f64) -> (Markup, f64) {
    let (mut x, mut y) = (4.0, LINE / 2.0);
    let mut places = Vec::new();
    for entry in entries {
        let needed = SWATCH + width(entry.label) + 12.0;
        if x > 4.0 && x + needed > plot_width {
            (x, y) = (4.0, y + LINE);
        }
        places.push((x, y));
        x += needed;
    }
    let drawing = html! {
        @for (Entry { series, label, swatch }, (x, y)) in entries.iter().zip(&places) {
            g class=(palette::class(series)) {
                @match *swatch {
                    Swatch::Bar => rect.fill x=(px(*x)) y=(px(y - 5.0)) width="15" height="10" {},
                    Swatch::Line(number) => {
                        path.line stroke-dasharray=(dashes(number)) d={ "M" (px(*x)) " " (px(*y)) "h17" } {}
                        (marker(number, x + 8.5, *y))
                    }
                }
            }
            text x=(px(x + SWATCH)) y=(px(y + 4.5)) { (label) }
        }
    };
    (drawing, if entries.is_empty() { 0.0 } else { y + LINE / 2.0 + 4.0 })
}

/// The dash pattern of a line, which distinguishes the line even without color.
pub fn dashes(number: usize) -> &'static str {
    ["none", "7 3", "3 2", "9 3 2 3"][number / 4 % 4]
}

/// The marker of a line's points.
pub fn marker(number: usize, x: f64, y: f64) -> Markup {
    let path = |d: String| html! { path.fill d=(d) {} };
    match number % 4 {
        0 => html! { circle.fill cx=(px(x)) cy=(px(y)) r="3.5" {} },
        1 => html! { rect.fill x=(px(x - 3.2)) y=(px(y - 3.2)) width="6.4" height="6.4" {} },
        2 => path(format!("M{} {}l4.4 7.4h-8.8z", px(x), px(y - 4.6))),
        _ => path(format!("M{} {}l4.6 4.6l-4.6 4.6l-4.6 -4.6z", px(x), px(y - 4.6))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::scale::Scale;

    #[test]
    fn overlapping_tick_labels_are_left_out() {
        assert_eq!(thinned(&[1.0, 2.0, 3.0, 4.0], |tick| tick * 10.0, |_| 15.0), [1.0, 3.0]);
        assert_eq!(thinned(&[1.0, 2.0], |tick| tick * 10.0, |_| 10.0), [1.0, 2.0]);
    }

    #[test]
    fn legend_wraps_at_the_plot_width() {
        let entry = Entry { series: "jit", label: "some words", swatch: Swatch::Bar };
        let entries = vec![entry; 4];
        let heights = [1_000.0, 250.0, 50.0].map(|width| legend(&entries, width).1);
        assert_eq!(heights, [LINE + 4.0, 2.0 * LINE + 4.0, 4.0 * LINE + 4.0]);
        assert_eq!(legend(&[], 100.0).1, 0.0);
    }

    #[test]
    fn axis_title_is_escaped() {
        let area = Area { left: 0.0, right: 100.0, top: 0.0, bottom: 100.0 };
        let axis = Axis { title: "<b> & \"c\"".into(), scale: Scale::Linear { max: 1.0 } };
        assert!(area.x_axis(&axis).into_string().contains("&lt;b&gt; &amp; &quot;c&quot;</text>"));
    }
}
