//! Horizontal bars.

use maud::{Markup, html};

use super::parts::{Area, Entry, LINE, Swatch, legend, px, width};
use super::{Bar, Bars, WIDTH};
use crate::report::format::number;
use crate::report::palette;

/// Height of a bar in pixels.
const BAR: f64 = 10.0;

/// The gap between two groups in pixels.
const GAP: f64 = 10.0;

/// Height of the numbers and the title under the axis in pixels.
const FOOT: f64 = 50.0;

impl Bars {
    /// The width and height in pixels, and the drawing.
    pub(super) fn draw(&self) -> ((f64, f64), Markup) {
        let (legend, legend_height) = self.legend();
        let names = self.groups.iter().map(|group| width(&group.name)).fold(0.0, f64::max);
        let heights: Vec<f64> =
            self.groups.iter().map(|group| (BAR * group.bars.len() as f64).max(LINE - GAP)).collect();
        let area = Area {
            left: names + 12.0,
            right: WIDTH - 20.0,
            top: legend_height + 6.0,
            bottom: legend_height + 6.0 + heights.iter().sum::<f64>() + GAP * (heights.len() as f64),
        };
        let tops = heights.iter().scan(area.top + GAP / 2.0, |top, height| {
            let this = *top;
            *top += height + GAP;
            Some(this)
        });
        let origin = area.x(&self.axis, self.origin);
        let drawing = html! {
            (legend)
            (area.x_axis(&self.axis))
            @for ((group, top), height) in self.groups.iter().zip(tops).zip(&heights) {
                text x=(px(area.left - 8.0)) y=(px(top + height / 2.0 + 4.5)) text-anchor="end" { (group.name) }
                @for (index, bar) in group.bars.iter().enumerate() {
                    (self.bar(&area, &group.name, bar, top + BAR * index as f64))
                }
            }
            line.origin x1=(px(origin)) x2=(px(origin)) y1=(px(area.top)) y2=(px(area.bottom)) {}
        };
        ((WIDTH, area.bottom + FOOT), drawing)
    }

    fn bar(&self, area: &Area, group: &str, bar: &Bar, top: f64) -> Markup {
        let (origin, end) = (area.x(&self.axis, self.origin), area.x(&self.axis, bar.value));
        let middle = top + BAR / 2.0;
        let interval =
            bar.interval.map_or(String::new(), |(low, high)| format!(" ({} to {})", number(low), number(high)));
        html! {
            g class=(palette::class(&bar.series)) {
                title { (group) ", " (bar.series) ": " (number(bar.value)) (interval) }
                rect.fill x=(px(origin.min(end))) y=(px(top + 0.5)) width=(px((end - origin).abs().max(1.0)))
                    height=(px(BAR - 1.0)) {}
                @if let Some((low, high)) = bar.interval {
                    line.whisker x1=(px(area.x(&self.axis, low))) x2=(px(area.x(&self.axis, high))) y1=(px(middle)) y2=(px(middle)) {}
                }
            }
        }
    }

    /// An entry for each series, in order of appearance.
    fn legend(&self) -> (Markup, f64) {
        let mut names: Vec<&str> = Vec::new();
        for bar in self.groups.iter().flat_map(|group| &group.bars) {
            if !names.contains(&bar.series.as_str()) {
                names.push(&bar.series);
            }
        }
        let entries: Vec<Entry> =
            names.iter().map(|name| Entry { series: name, label: name, swatch: Swatch::Bar }).collect();
        legend(&entries, WIDTH)
    }
}
