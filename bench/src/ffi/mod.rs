//! What the border to Swift and Kotlin costs: the table of what programs in those languages have measured.
//! `cargo xtask bench ffi` builds and runs them, each in several lives of a process; the figures are the medians.

use std::collections::BTreeMap;

use crate::figures::{Figures, Goal};

/// The largest library that an app should have to carry, in MB of 1,000,000 bytes.
const LIBRARY_MB: f64 = 6.0;
/// What one event of a burst may cost, in µs: on a phone, about five times slower, a burst of 1,000 then takes
/// a frame or two.
const EVENT_US: f64 = 4.0;

/// What is measured, with its unit and its goal, in the order of the table; each in every language.
const MEASURED: &[(&str, &str, Goal)] = &[
    ("call", "us", Goal::None),
    ("async_call", "us", Goal::None),
    ("page_50", "us", Goal::None),
    ("diffs_1000", "us/diff", Goal::AtMost(EVENT_US)),
    ("burst_1000", "us/event", Goal::AtMost(EVENT_US)),
    ("jna_start", "ms", Goal::None),
    ("library_ready", "ms", Goal::None),
];

const LANGUAGES: &[&str] = &["kotlin", "swift"];

/// What was measured, and how.
pub fn setting() -> String {
    "The border to other languages, with the library as phones get it. A call: one that returns at once; one that\n\
     is waited for and ready. A page of 50 messages. 1,000 diffs of a timeline in batches; 1,000 events that came\n\
     while nobody collected, folded into states of a Flow. The library: from nothing to the first call that has\n\
     returned, without the start of JNA."
        .to_owned()
}

/// Reads lines of `name value`, each name once for every life.
pub fn read(measured: &str) -> Result<Figures, String> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for line in measured.lines().filter(|line| !line.trim().is_empty()) {
        let pair =
            line.split_once(' ').and_then(|(name, value)| Some((name, value.trim().parse().ok()?)));
        let (name, value) = pair.ok_or_else(|| format!("`{line}` is no measurement"))?;
        values.entry(name).or_default().push(value);
    }
    let mut figures = Figures::default();
    for language in LANGUAGES {
        for (what, unit, goal) in MEASURED {
            let name = format!("{language}.{what}");
            if let Some(values) = values.remove(name.as_str()) {
                figures.put(name, median(values), unit, *goal);
            }
        }
    }
    if let Some(bytes) = values.remove("library_bytes") {
        figures.put("library.stripped", median(bytes) / 1e6, "MB", Goal::AtMost(LIBRARY_MB));
    }
    match values.keys().next() {
        Some(name) => Err(format!("nobody knows what `{name}` is")),
        None => Ok(figures),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_the_medians_of_all_lives_with_their_goals() {
        let measured = "library_bytes 5900000\nkotlin.call 30\nkotlin.burst_1000 5\nkotlin.call 20\n\
                        kotlin.burst_1000 3\nkotlin.call 90\nkotlin.burst_1000 4.5\n";
        let json = read(measured).unwrap().to_json();
        assert_eq!(json["kotlin.call"]["value"], 30.0);
        assert_eq!(json["kotlin.burst_1000"]["value"], 4.5);
        assert_eq!(json["kotlin.burst_1000"]["holds"], false);
        assert_eq!(json["library.stripped"]["value"], 5.9);
        assert_eq!(json["library.stripped"]["holds"], true);
    }

    #[test]
    fn what_nobody_knows_is_no_figure() {
        assert!(read("kotlin.call fast").is_err());
        assert!(read("kotlin.magic 1").is_err());
        assert!(read("call").is_err());
    }
}
