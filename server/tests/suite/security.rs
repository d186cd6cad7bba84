//! `docs/security.md` against what there is: its calls are the router's, its tests are tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const DOCS: &str = include_str!("../../../docs/security.md");
const ROUTER: &str = include_str!("../../src/http/mod.rs");

/// The calls of the table.
fn told() -> BTreeSet<String> {
    let calls = DOCS.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    calls.map(|(call, _)| call).filter(|call| call.contains(" /")).map(str::to_owned).collect()
}

/// The calls of the router, as they stand in its source.
fn routed() -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for route in ROUTER.split(".route(").skip(1) {
        let path = route.split('"').nth(1).unwrap();
        let handlers = route.split_once(',').unwrap().1;
        // To the parenthesis that closes the route.
        let mut depth = 1;
        let end = handlers.find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let handlers = &handlers[..end.unwrap()];
        for (method, call) in
            [("GET", "get("), ("POST", "post("), ("PUT", "put("), ("DELETE", "delete(")]
        {
            let named = |at: usize| !handlers[..at].ends_with([':', '_']);
            if handlers.match_indices(call).any(|(at, _)| named(at)) {
                calls.insert(format!("{method} {path}"));
            }
        }
    }
    calls
}

#[test]
fn the_table_has_every_call_and_no_other() {
    let (told, routed) = (told(), routed());
    assert!(routed.len() > 20, "{routed:?}");
    assert_eq!(told, routed, "docs/security.md is on the left");
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_test_that_is_named_is_a_test() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "../tests/tests"] {
        sources(&here.join(folder), &mut files);
    }
    let mut tests = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // What a conformance suite runs against each implementation is no test by its attribute.
        if file.components().any(|part| part.as_os_str() == "conformance") {
            let scenarios = text.split("pub(super) async fn ").skip(1);
            tests.extend(scenarios.filter_map(|text| Some(text.split_once('(')?.0.to_owned())));
        }
        for (_, behind) in text.match_indices("#[t").map(|(at, _)| text.split_at(at)) {
            let is_test = behind.starts_with("#[test]") || behind.starts_with("#[tokio::test");
            let name = behind.split_once("fn ").and_then(|(_, name)| name.split_once('('));
            if let (true, Some((name, _))) = (is_test, name) {
                tests.insert(name.to_owned());
            }
        }
    }
    let rows = DOCS.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |"));
    let named: Vec<&str> = rows.map(|row| row.rsplit('`').nth(1).unwrap()).collect();
    assert!(named.len() > 40, "{named:?}");
    let none: Vec<_> = named.iter().filter(|name| !tests.contains(**name)).collect();
    assert!(none.is_empty(), "no tests: {none:?}");
    let attacks = include_str!("attacks.rs");
    let tried: Vec<&str> = attacks.split("#[tokio::test]\nasync fn ").skip(1).collect();
    let untold = tried.iter().map(|text| text.split('(').next().unwrap());
    let untold: Vec<&str> = untold.filter(|name| !named.contains(name)).collect();
    assert!(untold.is_empty(), "docs/security.md does not tell of {untold:?}");
}
