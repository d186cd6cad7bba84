//! The seconds of a run as a picture: four panels one above the other, over the same time.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::report::{Second, Storm};
use super::shared::By;

/// Pixels.
const WIDTH: f64 = 900.0;
const PANEL: f64 = 130.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 48.0;
const BETWEEN: f64 = 34.0;

/// Told apart by most eyes, on a light ground.
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a7a7a"];

/// A line in a panel.
struct Line {
    name: String,
    values: Vec<f64>,
}

fn line(name: &str, seconds: &[Second], of: impl Fn(&Second) -> f64) -> Line {
    Line { name: name.into(), values: seconds.iter().map(of).collect() }
}

/// Draws it.
pub(crate) fn draw(about: &str, seconds: &[Second], storms: &[Storm]) -> String {
    let kinds: BTreeSet<By> =
        seconds.iter().flat_map(|second| second.here.keys().copied()).collect();
    let here = kinds.into_iter().map(|by| {
        line(by.as_str(), seconds, |second| {
            second.here.get(&by).copied().unwrap_or_default() as f64
        })
    });
    let panels: [(&str, Vec<Line>); 4] = [
        ("users", here.collect()),
        (
            "messages a second",
            vec![
                line("heard", seconds, |second| second.heard as f64),
                line("sent", seconds, |second| second.sent as f64),
            ],
        ),
        (
            "latency, ms",
            vec![
                line("p50", seconds, |second| second.p50 as f64),
                line("p99", seconds, |second| second.p99 as f64),
            ],
        ),
        (
            "cores",
            vec![
                line("server", seconds, |second| second.used.server),
                line("load", seconds, |second| second.used.own),
                line("machine", seconds, |second| second.used.machine),
            ],
        ),
    ];
    let end = seconds.last().map_or(1.0, |second| second.at.as_secs_f64()).max(1.0);
    let x = |at: f64| LEFT + at / end * (WIDTH - LEFT - RIGHT);
    let height = TOP + panels.len() as f64 * (PANEL + BETWEEN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{}</text>\n",
        escaped(about)
    );
    for (number, (title, lines)) in panels.iter().enumerate() {
        let top = TOP + number as f64 * (PANEL + BETWEEN);
        let most = lines.iter().flat_map(|line| &line.values).fold(0.0_f64, |a, b| a.max(*b));
        let most = nice(most);
        let y = |value: f64| top + PANEL - value / most * PANEL;
        let right = WIDTH - RIGHT;
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{:.1}\" fill=\"#444444\">{title}</text>",
            top - 6.0
        );
        for share in [0.0, 0.5, 1.0] {
            let at = y(most * share);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {at:.1}H{right:.1}\" stroke=\"#dddddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444444\">{}</text>",
                LEFT - 6.0,
                at + 4.0,
                short(most * share)
            );
        }
        for storm in storms {
            let _ = writeln!(
                svg,
                "<path d=\"M{:.1} {top:.1}V{:.1}\" stroke=\"#bb0000\" stroke-dasharray=\"3 3\"/>",
                x(storm.at.as_secs_f64()),
                top + PANEL
            );
        }
        for (n, (line, colour)) in lines.iter().zip(COLOURS).enumerate() {
            let mut path = String::new();
            for (second, value) in seconds.iter().zip(&line.values) {
                let letter = if path.is_empty() { 'M' } else { 'L' };
                let _ = write!(path, "{letter}{:.1} {:.1}", x(second.at.as_secs_f64()), y(*value));
            }
            let _ = writeln!(
                svg,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
                right + 10.0,
                top + 12.0 + n as f64 * 16.0,
                escaped(&line.name)
            );
        }
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444444\">{} s</text>\n</svg>",
        WIDTH - RIGHT,
        height - 12.0,
        short(end)
    );
    svg
}

/// The next round number: 1, 2 or 5 and zeros.
fn nice(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(most.log10().floor());
    let round = [1.0, 2.0, 5.0].map(|step| step * power);
    round.into_iter().find(|round| *round >= most).unwrap_or(10.0 * power)
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        for (most, round) in [(0.0, 1.0), (0.7, 1.0), (1.2, 2.0), (37.0, 50.0), (501.0, 1_000.0)] {
            assert!((nice(most) - round).abs() < 1e-9, "{most}: {}", nice(most));
        }
    }

    #[test]
    fn the_plot_has_a_line_for_each_kind_and_what_a_scenario_says_is_text() {
        let report = super::super::report::tests::report();
        let svg = report.svg();
        assert!(svg.contains("A test &amp; nothing else."));
        // Two kinds of users, heard and sent, two latencies, three shares of the cores.
        assert_eq!(svg.matches("stroke-width=\"1.5\"").count(), 9);
        assert_eq!(svg.matches("#bb0000").count(), 4, "a storm in each panel");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
