//! The marks in tests: `// scenario: offline-send`, or several with commas, in a line before the
//! test, with nothing but attributes and comments between.

use super::Language;

/// That a test covers a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) language: Language,
    pub(super) scenario: String,
    /// The test's name as it stands in the source.
    pub(super) test: String,
}

/// Lines between a mark and its test at most.
const NEAR: usize = 8;

/// The marks of a source; and lines that are wrong, with their numbers and why.
pub(super) fn marks(language: Language, source: &str) -> (Vec<Mark>, Vec<(usize, String)>) {
    let mut marks = Vec::new();
    let mut wrong = Vec::new();
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    for (index, line) in lines.iter().enumerate() {
        let Some(text) = line.strip_prefix("//").map(str::trim_start) else { continue };
        let Some(ids) = text.strip_prefix("scenario:") else { continue };
        let test = lines[index + 1..].iter().take(NEAR).find_map(|line| name(language, line));
        let Some(test) = test else {
            wrong.push((index + 1, "no test follows this mark".to_owned()));
            continue;
        };
        for id in ids.split(',').map(str::trim) {
            if id.is_empty() {
                wrong.push((index + 1, "the mark names no scenario".to_owned()));
            } else {
                let (scenario, test) = (id.to_owned(), test.to_owned());
                marks.push(Mark { language, scenario, test });
            }
        }
    }
    (marks, wrong)
}

/// The name of the function that this line begins, whatever attributes and modifiers stand before
/// it on the same line.
fn name(language: Language, line: &str) -> Option<&str> {
    if line.starts_with("//") {
        return None;
    }
    let keyword = language.keyword();
    let at = line.match_indices(keyword).map(|(at, _)| at).find(|at| {
        // Not the end of another word, and not within a text.
        let before = &line[..*at];
        (before.is_empty() || before.ends_with(' '))
            && before.matches('"').count().is_multiple_of(2)
    })?;
    let rest = &line[at + keyword.len()..];
    if let Some(quoted) = rest.strip_prefix('`') {
        return quoted.split_once('`').map(|(name, _)| name);
    }
    let end = rest.find(['(', '<'])?;
    Some(rest[..end].trim()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(language: Language, source: &str) -> Vec<(String, String)> {
        let (marks, wrong) = marks(language, source);
        assert_eq!(wrong, []);
        marks.into_iter().map(|mark| (mark.scenario, mark.test)).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn tests_are_named_in_each_language() {
        let rust = "/// A helper.\nfn helper() {}\n\n// scenario: connect, receive\n#[tokio::test]\n\
                    async fn two_chat() {\n    let x = 1;\n}";
        let both = pairs(&[("connect", "two_chat"), ("receive", "two_chat")]);
        assert_eq!(found(Language::Rust, rust), both);
        let swift =
            "    // scenario: connect\n    @Test(\"a func of words\") func connects() async {";
        assert_eq!(found(Language::Swift, swift), pairs(&[("connect", "connects")]));
        let kotlin = "    // scenario: connect\n    @Test\n    // It may take a while.\n    \
                      fun `a client connects (by itself)`() = runBlocking {";
        let expected = pairs(&[("connect", "a client connects (by itself)")]);
        assert_eq!(found(Language::Kotlin, kotlin), expected);
        let kotlin = "// scenario: connect\n@Test fun connects() = stage {";
        assert_eq!(found(Language::Kotlin, kotlin), pairs(&[("connect", "connects")]));
    }

    #[test]
    fn a_mark_without_a_test_or_a_scenario_is_wrong() {
        let (none, wrong) = marks(Language::Rust, "// scenario: connect\nstruct A;\n");
        assert_eq!((none, wrong.len()), (Vec::new(), 1));
        let (none, wrong) = marks(Language::Rust, "// scenario:\nfn a() {}\n");
        assert_eq!((none, wrong.len()), (Vec::new(), 1));
    }
}
