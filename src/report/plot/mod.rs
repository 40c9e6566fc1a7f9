//! Plots as SVG: bars, and lines over a size. Each is complete by itself and takes its colors from the page or the system.

mod bars;
mod lines;
mod parts;
pub mod scale;

use maud::{Markup, PreEscaped, html};

use super::palette;
use scale::Scale;

/// A plot.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The name of its file, without the ending.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// The drawing.
    pub drawing: Drawing,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub enum Drawing {
    /// Horizontal bars in groups.
    Bars(Bars),
    /// Lines over a size.
    Lines(Lines),
}

/// Horizontal bars in groups.
#[derive(Clone, Debug)]
pub struct Bars {
    /// The axis, along which the bars grow.
    pub axis: Axis,
    /// Where they begin: 1 for ratios, 0 for amounts.
    pub origin: f64,
    /// The groups, from above.
    pub groups: Vec<Group>,
}

/// Bars under one name.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name.
    pub name: String,
    /// The bars, from above.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it is in the legend, which also chooses its color.
    pub series: String,
    /// Where it ends.
    pub value: f64,
    /// The interval of the value.
    pub interval: Option<(f64, f64)>,
}

/// Lines over a size.
#[derive(Clone, Debug)]
pub struct Lines {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines.
    pub lines: Vec<Line>,
    /// Places where lines cross.
    pub marks: Vec<Mark>,
    /// Width and height in pixels of the plot, legend and all that is written beside the axes not counted in the height.
    pub size: (f64, f64),
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose it is, which chooses the color.
    pub series: String,
    /// What the legend says.
    pub label: String,
    /// What was measured, ascending: each point has a sign.
    pub points: Vec<(f64, f64)>,
    /// What is drawn through it, ascending.
    pub curve: Vec<(f64, f64)>,
}

/// A place that is pointed at.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Whose it is, which chooses the color.
    pub series: String,
    /// Where.
    pub at: (f64, f64),
    /// What is there.
    pub label: String,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What is on it, with the unit.
    pub title: String,
    /// From values to places.
    pub scale: Scale,
}

/// Width in pixels of a plot that stands alone.
pub const WIDTH: f64 = 460.0;

impl Plot {
    /// The plot for a page that has [`css`].
    pub fn markup(&self) -> Markup {
        self.svg(None)
    }

    /// The plot as a file of its own.
    pub fn file(&self) -> String {
        let style = format!("{}.plot{{background:var(--paper)}}\n", css());
        self.svg(Some(&style)).into_string() + "\n"
    }

    fn svg(&self, style: Option<&str>) -> Markup {
        let ((width, height), content) = match &self.drawing {
            Drawing::Bars(bars) => bars.draw(),
            Drawing::Lines(lines) => lines.draw(),
        };
        let view = format!("0 0 {width:.0} {height:.0}");
        html! {
            svg.plot xmlns="http://www.w3.org/2000/svg" viewBox=(view) width=(width.ceil()) height=(height.ceil())
                role="img" aria-label=(self.title) {
                @if let Some(style) = style { style { (PreEscaped(style)) } }
                (content)
            }
        }
    }
}

/// What plots need of the page that they stand in.
pub fn css() -> String {
    palette::css(".plot") + include_str!("plot.css")
}
