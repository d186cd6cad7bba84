//! The page with the table.

use std::fmt::Write as _;

use super::Language;
use super::list::Scenario;
use super::marks::Mark;

const HEAD: &str = "\
# Scenarios

What users live through, and the tests that walk through it in each language, against a real server
and over real sockets. A dash is a test that does not exist, with the reason if there is nothing to
be tested.

`cargo xtask scenarios` makes this page from comments in the tests (`// scenario: receive`), and
`cargo xtask test` fails if it is out of date, or if a language that has tests lacks a scenario
without a reason. The list of scenarios is in `xtask/src/scenarios/list.rs`.

";

/// All of it.
pub(super) fn page(scenarios: &[Scenario], found: &[Mark]) -> String {
    let mut page = HEAD.to_owned();
    let names: Vec<&str> = Language::ALL.iter().map(|language| language.name()).collect();
    // Writing into a string cannot fail.
    let _ = writeln!(page, "| scenario | {} |", names.join(" | "));
    let _ = writeln!(page, "|---|{}", "---|".repeat(names.len()));
    for scenario in scenarios {
        let cells = Language::ALL.map(|language| cell(scenario, language, found));
        let Scenario { id, promise, .. } = scenario;
        let _ = writeln!(page, "| `{id}`: {promise} | {} |", cells.join(" | "));
    }
    page
}

fn cell(scenario: &Scenario, language: Language, found: &[Mark]) -> String {
    let tests: Vec<String> = found
        .iter()
        .filter(|mark| mark.language == language && mark.scenario == scenario.id)
        .map(|mark| format!("`{}`", mark.test.replace('|', "\\|")))
        .collect();
    match (tests.is_empty(), scenario.reason_against(language)) {
        (false, _) => tests.join("<br>"),
        (true, Some(why)) => format!("– ({why})"),
        (true, None) => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_the_tests_or_a_dash_with_its_reason() {
        let scenarios = [Scenario {
            id: "close",
            promise: "It ends",
            not_in: &[(Language::Rust, "it is dropped")],
        }];
        let mark = |test: &str| Mark {
            language: Language::Kotlin,
            scenario: "close".into(),
            test: test.into(),
        };
        let page = page(&scenarios, &[mark("ends"), mark("ends again")]);
        let row = "| `close`: It ends | – (it is dropped) | – | `ends`<br>`ends again` |\n";
        assert!(page.ends_with(row), "{page}");
    }
}
