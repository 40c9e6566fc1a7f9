//! Bar and line plots as SVG. A plot in a page uses the page's style; a plot in a file contains its own.

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
    /// The name of its file, without the extension.
    pub name: String,
    /// The title.
    pub title: String,
    /// The drawing.
    pub drawing: Drawing,
}

/// The kind and data of a plot.
#[derive(Clone, Debug)]
pub enum Drawing {
    /// Horizontal bars in groups.
    Bars(Bars),
    /// Lines.
    Lines(Lines),
}

/// Horizontal bars in groups.
#[derive(Clone, Debug)]
pub struct Bars {
    /// The axis of the values.
    pub axis: Axis,
    /// The value at which bars start: 1 for ratios, 0 for amounts.
    pub origin: f64,
    /// The groups, from top to bottom.
    pub groups: Vec<Group>,
}

/// Bars with a common name.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name.
    pub name: String,
    /// The bars, from top to bottom.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Its name in the legend, which also selects its color.
    pub series: String,
    /// The value.
    pub value: f64,
    /// The interval of the value.
    pub interval: Option<(f64, f64)>,
}

/// A line plot.
#[derive(Clone, Debug)]
pub struct Lines {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines.
    pub lines: Vec<Line>,
    /// The points where lines cross.
    pub marks: Vec<Mark>,
    /// The width of the plot, and the height of the area in which data is drawn, in pixels.
    pub size: (f64, f64),
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// The series, which selects the color.
    pub series: String,
    /// The text in the legend.
    pub label: String,
    /// The measured points, ascending. Each is drawn with a marker.
    pub points: Vec<(f64, f64)>,
    /// The points of the curve, ascending.
    pub curve: Vec<(f64, f64)>,
}

/// A highlighted point.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The series, which selects the color.
    pub series: String,
    /// The point.
    pub at: (f64, f64),
    /// The tooltip.
    pub label: String,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The title, with the unit.
    pub title: String,
    /// The scale.
    pub scale: Scale,
}

/// The width of a full-width plot in pixels.
pub const WIDTH: f64 = 460.0;

impl Plot {
    /// The plot for a page that includes [`css`].
    pub fn markup(&self) -> Markup {
        self.svg(None)
    }

    /// The plot as a complete file.
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

/// The CSS that a page with plots must include.
pub fn css() -> String {
    palette::css(".plot") + include_str!("plot.css")
}
