//! What a benchmark found: figures with their goals, for people and for programs.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

/// What a figure is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Nothing.
    None,
    /// The value is not above this.
    AtMost(f64),
    /// The value is not below this.
    AtLeast(f64),
}

impl Goal {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::None => true,
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn text(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::AtMost(most) => Some(format!("<= {}", short(most))),
            Self::AtLeast(least) => Some(format!(">= {}", short(least))),
        }
    }
}

/// One figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Its name, with dots between its parts.
    pub name: String,
    /// What was found.
    pub value: f64,
    /// In what.
    pub unit: &'static str,
    /// What it is held against.
    pub goal: Goal,
    /// What the design's table says, where it says something.
    pub table: Option<&'static str>,
}

impl Figure {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.goal.holds(self.value)
    }
}

/// All figures of a benchmark, in the order in which they are told.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    figures: Vec<Figure>,
    notes: Vec<String>,
}

impl Figures {
    /// Adds one.
    pub fn put(&mut self, name: impl Into<String>, value: f64, unit: &'static str, goal: Goal) {
        let name = name.into();
        self.figures.push(Figure { name, value, unit, goal, table: None });
    }

    /// Adds one that the design's table speaks of.
    pub fn put_beside(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: Goal,
        table: &'static str,
    ) {
        let name = name.into();
        self.figures.push(Figure { name, value, unit, goal, table: Some(table) });
    }

    /// Says something for people below the table: what bound a measurement.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Puts those of these names behind another's, with something before their names.
    pub(crate) fn copy_into(&self, other: &mut Self, before: &str, names: &[&str]) {
        for name in names {
            let found = self.figures.iter().find(|figure| figure.name == *name);
            other.figures.extend(
                found.map(|figure| Figure { name: format!("{before}.{name}"), ..figure.clone() }),
            );
        }
    }

    /// A table, one figure a line.
    pub fn table(&self) -> String {
        let width = self.figures.iter().map(|figure| figure.name.len()).max().unwrap_or_default();
        let mut lines = vec![format!(
            "{:<width$}  {:>12} {:<12} {:<14} {:<8} design's table",
            "figure", "value", "unit", "goal", "verdict"
        )];
        for figure in &self.figures {
            let goal = figure.goal.text();
            let verdict = match (&goal, figure.holds()) {
                (None, _) => "",
                (Some(_), true) => "holds",
                (Some(_), false) => "MISSED",
            };
            let line = format!(
                "{:<width$}  {:>12} {:<12} {:<14} {:<8} {}",
                figure.name,
                short(figure.value),
                figure.unit,
                goal.unwrap_or_default(),
                verdict,
                figure.table.unwrap_or_default()
            );
            lines.push(line.trim_end().to_owned());
        }
        lines.extend(self.notes.iter().map(|note| format!("\n{note}.")));
        lines.join("\n")
    }

    /// One JSON object: `{"figure": {"value": …, "unit": …, "goal": …, "holds": …}}`. A figure
    /// without a goal holds.
    pub fn to_json(&self) -> Value {
        let figures = self.figures.iter().map(|figure| {
            let value = json!({
                "value": rounded(figure.value),
                "unit": figure.unit,
                "goal": figure.goal.text(),
                "holds": figure.holds(),
            });
            (figure.name.clone(), value)
        });
        Value::Object(figures.collect::<Map<String, Value>>())
    }
}

/// Latencies in ms, with three digits. What is longer than an hour counts as an hour.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are far enough apart, and 3 digits allowed"))
}

/// Three digits behind the point are more than any measurement is worth.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_of_minutes_is_told_as_it_is() {
        let mut histogram = latencies();
        histogram.saturating_record(100_000);
        assert!((100_000..100_100).contains(&histogram.value_at_quantile(0.5)));
    }

    #[test]
    fn a_figure_is_told_with_its_goal_and_whether_it_holds() {
        let mut figures = Figures::default();
        figures.put("a.b", 1.5, "ms", Goal::AtMost(1.0));
        figures.put_beside("c", 2.0, "sockets", Goal::None, "25,000");
        let json = figures.to_json();
        assert_eq!(
            json["a.b"],
            json!({"value": 1.5, "unit": "ms", "goal": "<= 1", "holds": false})
        );
        assert_eq!(
            json["c"],
            json!({"value": 2.0, "unit": "sockets", "goal": null, "holds": true})
        );
        assert!(figures.table().contains("MISSED"));
        assert!(figures.table().contains("25,000"));
        figures.note("the machine was full");
        assert!(figures.table().ends_with("\n\nthe machine was full."));
    }
}
