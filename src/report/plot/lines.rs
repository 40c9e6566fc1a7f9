//! Line plots.

use maud::{Markup, html};

use super::parts::{Area, Entry, Swatch, dashes, legend, marker, px, width};
use super::{Line, Lines, Mark};
use crate::report::format::{number, short};
use crate::report::palette;

/// Height of the vertical axis's title above the area in pixels.
const HEAD: f64 = 32.0;

/// Height of the numbers and the title under the axis in pixels.
const FOOT: f64 = 50.0;

impl Lines {
    /// The width and height in pixels, and the drawing.
    pub(super) fn draw(&self) -> ((f64, f64), Markup) {
        let (plot_width, height) = self.size;
        let entry = |(number, line)| {
            let Line { series, label, .. }: &Line = line;
            Entry { series, label, swatch: Swatch::Line(number) }
        };
        let entries: Vec<Entry> = self.lines.iter().enumerate().map(entry).collect();
        let (legend, legend_height) = legend(&entries, plot_width);
        let numbers = self.y.scale.ticks().iter().map(|tick| width(&short(*tick))).fold(0.0, f64::max);
        let top = legend_height + HEAD;
        let area = Area { left: numbers + 14.0, right: plot_width - 22.0, top, bottom: top + height };
        let drawing = html! {
            (legend)
            (area.y_axis(&self.y))
            (area.x_axis(&self.x))
            @for mark in &self.marks { (self.plumb_line(&area, mark)) }
            @for (number, line) in self.lines.iter().enumerate() { (self.line(&area, number, line)) }
            @for mark in &self.marks { (self.ring(&area, mark)) }
        };
        ((plot_width, area.bottom + FOOT), drawing)
    }

    fn line(&self, area: &Area, index: usize, line: &Line) -> Markup {
        let place = |(x, y): &(f64, f64)| (area.x(&self.x, *x), area.y(&self.y, *y));
        let path: Vec<String> = line.curve.iter().map(place).map(|(x, y)| format!("{} {}", px(x), px(y))).collect();
        html! {
            g class=(palette::class(&line.series)) {
                path.line stroke-dasharray=(dashes(index)) d={ "M" (path.join("L")) } {}
                @for ((x, y), (place_x, place_y)) in line.points.iter().map(|point| (point, place(point))) {
                    g {
                        title { (line.series) " at " (number(*x)) ": " (number(*y)) }
                        (marker(index, place_x, place_y))
                    }
                }
            }
        }
    }

    /// A line from a mark down to the axis.
    fn plumb_line(&self, area: &Area, mark: &Mark) -> Markup {
        let (x, y) = (area.x(&self.x, mark.at.0), area.y(&self.y, mark.at.1));
        html! {
            line.crossing.(palette::class(&mark.series)) x1=(px(x)) x2=(px(x)) y1=(px(y)) y2=(px(area.bottom)) {}
        }
    }

    fn ring(&self, area: &Area, mark: &Mark) -> Markup {
        let (x, y) = (area.x(&self.x, mark.at.0), area.y(&self.y, mark.at.1));
        html! {
            g class=(palette::class(&mark.series)) {
                title { (mark.label) }
                circle.ring cx=(px(x)) cy=(px(y)) r="5.5" {}
            }
        }
    }
}
