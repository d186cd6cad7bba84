//! Which scenarios are tested in which language: read from the tests, which say it in a comment,
//! and told in `docs/scenarios.md`.

mod list;
mod marks;
mod table;

use std::io;
use std::path::Path;

use crate::steps::Outcome;
use crate::workspace::{files, read, root};
use list::{SCENARIOS, Scenario};
use marks::{Mark, marks};

/// Where the table is.
const PAGE: &str = "docs/scenarios.md";

/// A language in which an app may use the SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Rust,
    Swift,
    Kotlin,
}

impl Language {
    const ALL: [Self; 3] = [Self::Rust, Self::Swift, Self::Kotlin];

    fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Swift => "Swift",
            Self::Kotlin => "Kotlin",
        }
    }

    /// Where its tests are, and the extension of their files.
    fn tests(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rust => &[("tests/tests/e2e", "rs"), ("bindings/tests", "rs")],
            Self::Swift => &[("bindings/swift/Tests", "swift")],
            Self::Kotlin => &[("bindings/kotlin/src/test", "kt")],
        }
    }

    /// What stands before a test's name.
    fn keyword(self) -> &'static str {
        match self {
            Self::Rust => "fn ",
            Self::Swift => "func ",
            Self::Kotlin => "fun ",
        }
    }
}

/// The check as a step: prints the table.
pub(crate) fn check() -> Outcome {
    match look() {
        Ok((page, mut problems)) => {
            println!("{page}");
            // A page that is not there differs.
            if read(PAGE).unwrap_or_default() != page {
                problems.push(format!("{PAGE} is out of date: cargo xtask scenarios"));
            }
            if problems.is_empty() {
                Outcome::PassedWith(format!("{} scenarios", SCENARIOS.len()))
            } else {
                Outcome::Failed(problems.join("\n"))
            }
        }
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Writes the table.
pub(crate) fn write() -> Result<(), String> {
    let (page, problems) = look().map_err(|error| error.to_string())?;
    let written = std::fs::write(root().join(PAGE), page);
    written.map_err(|error| format!("{PAGE}: {error}"))?;
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// The page as it should be, and what is wrong with the marks.
fn look() -> io::Result<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for language in Language::ALL {
        for (folder, extension) in language.tests() {
            if !root().join(folder).exists() {
                continue;
            }
            for path in files(folder, extension)? {
                let (marks, wrong) = marks(language, &read(&path)?);
                found.extend(marks);
                problems.extend(wrong.into_iter().map(|wrong| at(&path, &wrong)));
            }
        }
    }
    problems.extend(wanting(SCENARIOS, &found));
    Ok((table::page(SCENARIOS, &found), problems))
}

fn at(path: &Path, (line, problem): &(usize, String)) -> String {
    format!("{}:{line}: {problem}", path.display())
}

/// Scenarios that nobody knows, and those that a language lacks without a reason. A language that
/// has no test at all yet lacks none.
fn wanting(scenarios: &[Scenario], found: &[Mark]) -> Vec<String> {
    let mut wanting = Vec::new();
    for mark in found {
        if !scenarios.iter().any(|scenario| scenario.id == mark.scenario) {
            let Mark { scenario, test, .. } = mark;
            wanting.push(format!("{test}: there is no scenario `{scenario}` in the list"));
        }
    }
    for language in Language::ALL {
        let of_language = || found.iter().filter(|mark| mark.language == language);
        if of_language().next().is_none() {
            continue;
        }
        for scenario in scenarios {
            let tested = of_language().any(|mark| mark.scenario == scenario.id);
            if !tested && scenario.reason_against(language).is_none() {
                let name = language.name();
                wanting.push(format!("no test in {name} covers the scenario `{}`", scenario.id));
            }
        }
    }
    wanting
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(language: Language, scenario: &str) -> Mark {
        Mark { language, scenario: scenario.into(), test: "a_test".into() }
    }

    const LIST: &[Scenario] = &[
        Scenario { id: "connect", promise: "It connects", not_in: &[] },
        Scenario { id: "close", promise: "It ends", not_in: &[(Language::Rust, "it drops")] },
    ];

    #[test]
    fn a_language_with_tests_has_all_scenarios_or_a_reason() {
        let rust = mark(Language::Rust, "connect");
        assert_eq!(wanting(LIST, &[]), [""; 0]);
        assert_eq!(wanting(LIST, std::slice::from_ref(&rust)), [""; 0]);
        let swift = mark(Language::Swift, "connect");
        let told = wanting(LIST, &[rust.clone(), swift.clone()]);
        assert_eq!(told, ["no test in Swift covers the scenario `close`"]);
        let told = wanting(LIST, &[rust, swift, mark(Language::Swift, "close")]);
        assert_eq!(told, [""; 0]);
    }

    #[test]
    fn an_unknown_scenario_is_told() {
        let told =
            wanting(LIST, &[mark(Language::Rust, "connect"), mark(Language::Rust, "conect")]);
        assert_eq!(told, ["a_test: there is no scenario `conect` in the list"]);
    }

    #[test]
    fn ids_are_words_for_comments_and_given_once() {
        for (place, scenario) in SCENARIOS.iter().enumerate() {
            let id = scenario.id;
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            assert!(SCENARIOS[..place].iter().all(|other| other.id != id), "{id} stands twice");
        }
    }
}
