//! The results as a picture: how much of each promise is used up.

use std::fmt::Write as _;

use crate::report::number;
use crate::row::{Measured, Row};

const WIDTH: f64 = 760.0;
const LABELS: f64 = 300.0;
const VALUES: f64 = 110.0;
const LINE: f64 = 26.0;
const TOP: f64 = 44.0;

/// The axis is logarithmic, from a thousandth of a promise to three times of it.
const LEAST: f64 = 0.001;
const MOST: f64 = 3.0;

/// Colours that can be told apart by everybody, on white and on black.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#24292f}.dim{fill:#6e7781}.grid{stroke:#d0d7de}\
.met{fill:#2f81f7}.missed{fill:#db6d28}.floor{stroke:#24292f;stroke-width:2}\
.promise{stroke:#24292f;stroke-width:1.5}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}.grid{stroke:#3d444d}\
.floor,.promise{stroke:#e6edf3}}";

/// One bar per row. Rows that promise that something never happens have no measure and no bar.
pub(crate) fn svg(rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.target.bound > 0.0).collect();
    #[expect(clippy::cast_precision_loss, reason = "a dozen rows")]
    let bottom = TOP + rows.len() as f64 * LINE;
    let height = bottom + 34.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"What of each promise is used up\">\n<style>{STYLE}</style>\n\
         <text x=\"8\" y=\"18\">What of each promise is used up: shorter is better, the line is the \
         promise, the small marks are floors</text>\n"
    );
    for (at, name) in [(0.001, "0.1 %"), (0.01, "1 %"), (0.1, "10 %"), (1.0, "100 %")] {
        let (x, class) = (x(at), if at < 1.0 { "grid" } else { "promise" });
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{bottom}\"/>\
             <text class=\"dim\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>",
            TOP - 14.0,
            bottom + 20.0
        );
    }
    let mut y = TOP;
    for row in rows {
        svg.push_str(&bar(row, y));
        y += LINE;
    }
    svg + "</svg>\n"
}

fn bar(row: &Row, y: f64) -> String {
    let (text, class) = (y + 5.0, if row.is_met() { "met" } else { "missed" });
    let from = x(LEAST);
    let length = (x(row.share(row.number())) - from).max(1.0);
    let mut bar = format!(
        "<text x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{}</text>\
         <rect class=\"{class}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"14\" rx=\"2\"/>\
         <text x=\"{:.1}\" y=\"{text:.1}\">{}</text>\n",
        LABELS - 10.0,
        escaped(&short(&row.name)),
        y - 7.0,
        WIDTH - VALUES + 8.0,
        escaped(&format!("{} {}", number(row.number()), row.unit)),
    );
    for floor in &row.floors {
        if let Measured::Measured(summary) = &floor.measured {
            let at = x(row.share(row.target.number(summary)));
            let _ = writeln!(
                bar,
                "<line class=\"floor\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{:.1}\">\
                 <title>{}</title></line>",
                y - 9.0,
                y + 9.0,
                escaped(&floor.name)
            );
        }
    }
    bar
}

/// Where a share of a promise lies.
fn x(share: f64) -> f64 {
    let place = (share.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LABELS + place * (WIDTH - LABELS - VALUES)
}

/// What fits before the bars.
fn short(name: &str) -> String {
    const FIT: usize = 40;
    if name.chars().count() <= FIT {
        return name.into();
    }
    name.chars().take(FIT - 1).chain(['…']).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Floor, Statistic, Target};
    use crate::stats::Summary;

    #[test]
    fn every_measured_promise_has_a_bar() {
        let row = |name: &str, bound| Row {
            name: name.into(),
            unit: "ms".into(),
            target: Target::at_most(Statistic::Median, bound, ""),
            measured: Summary::of(vec![3.0]).unwrap(),
            floors: vec![Floor::new("sh", Ok(vec![1.0]))],
            note: String::new(),
        };
        let svg = svg(&[row("a < b", 4.0), row("c", 2.0), row("never", 0.0)]);
        assert_eq!(svg.matches("class=\"met\"").count(), 1);
        assert_eq!(svg.matches("class=\"missed\"").count(), 1);
        assert_eq!(svg.matches("class=\"floor\"").count(), 2);
        assert!(svg.contains("a &lt; b") && !svg.contains("never"), "{svg}");
    }

    #[test]
    fn the_axis_is_monotonous_and_bounded() {
        let places = [0.0, 0.001, 0.01, 0.5, 1.0, 3.0, 1e9].map(x);
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!((places[0], places[6]), (LABELS, WIDTH - VALUES));
    }
}
