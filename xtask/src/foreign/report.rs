//! What became of a suite, read from what its runner says.

use crate::steps::Outcome;

/// Counts of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Those that were to run, skipped ones too.
    pub(super) tests: u32,
    pub(super) failed: u32,
    pub(super) skipped: u32,
}

impl Counts {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            tests: self.tests + other.tests,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// The step's outcome, for a runner that ended with success or without.
    pub(super) fn outcome(self, success: bool) -> Outcome {
        let Self { tests, failed, skipped } = self;
        if failed > 0 {
            Outcome::Failed(format!("{failed} of {tests} tests failed"))
        } else if !success {
            Outcome::Failed("the runner failed, see above".into())
        } else if tests == 0 {
            Outcome::Failed("no test was run".into())
        } else if skipped > 0 {
            Outcome::Skipped(format!("{skipped} of {tests} tests were skipped"))
        } else {
            Outcome::PassedWith(if tests == 1 { "1 test".into() } else { format!("{tests} tests") })
        }
    }
}

/// Reads a report of Maven's Surefire: the attributes of its `testsuite`.
pub(super) fn surefire(xml: &str) -> Option<Counts> {
    let (_, rest) = xml.split_once("<testsuite ")?;
    let (tag, _) = rest.split_once('>')?;
    let number = |name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        rest.split_once('"')?.0.parse::<u32>().ok()
    };
    Some(Counts {
        tests: number("tests")?,
        failed: number("failures")? + number("errors")?,
        skipped: number("skipped")?,
    })
}

/// Reads the output of `swift test`: the last sum of XCTest, which is the one of all its suites,
/// and the sum of Swift Testing with its skipped tests, each on a line.
pub(super) fn swift(output: &str) -> Counts {
    let mut xctest = Counts::default();
    let mut testing = Counts::default();
    for line in output.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("Executed ") {
            xctest = Counts {
                tests: number_before("test", rest),
                failed: number_before("failure", rest),
                skipped: number_before("test skipped", rest)
                    .max(number_before("tests skipped", rest)),
            };
        } else if let Some((_, rest)) = line.split_once("Test run with ") {
            testing.tests = number_before("test", rest);
            // One more if the sum says so and no test: something outside of them failed.
            if rest.contains(" failed after") {
                testing.failed = testing.failed.max(1);
            }
        } else if became(line, "failed after ") {
            testing.failed += 1;
        } else if became(line, "skipped") {
            testing.skipped += 1;
        }
    }
    xctest.and(testing)
}

/// Whether this is Swift Testing's line on what became of one test: `✘ Test name() skipped: why`,
/// `✘ Test "with words" failed after …`.
fn became(line: &str, what: &str) -> bool {
    let mut words = line.splitn(3, ' ');
    let (_sign, test, rest) = (words.next(), words.next(), words.next());
    test == Some("Test")
        && rest.is_some_and(|rest| {
            rest.contains(&format!(") {what}")) || rest.contains(&format!("\" {what}"))
        })
}

/// The number that stands before a word; 0 if there is none.
fn number_before(word: &str, text: &str) -> u32 {
    let Some(end) = text.find(&format!(" {word}")) else { return 0 };
    let digits = text[..end].rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or("");
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surefire_report_is_read_whatever_the_order_of_its_attributes() {
        let xml = "<?xml version=\"1.0\"?>\n<testsuite xmlns:xsi=\"x\" version=\"3.0\" \
                   name=\"dev.tidewire.SendTest\" time=\"1.5\" tests=\"7\" errors=\"1\" \
                   skipped=\"2\" failures=\"1\">\n  <testcase name=\"a\" tests=\"99\"/>";
        assert_eq!(surefire(xml), Some(Counts { tests: 7, failed: 2, skipped: 2 }));
        assert_eq!(surefire("<html>"), None);
    }

    const XCTEST: &str = "\
Test Suite 'All tests' started at 2025-01-01 03:17:46.793
Test Suite 'Sends' started at 2025-01-01 03:17:46.799
Test Case 'Sends.testA' passed (0.001 seconds)
Test Suite 'Sends' failed at 2025-01-01 03:17:46.801
\t Executed 4 tests, with 1 test skipped and 1 failure (0 unexpected) in 0.002 (0.002) seconds
Test Suite 'All tests' failed at 2025-01-01 03:17:46.801
\t Executed 14 tests, with 2 tests skipped and 1 failure (0 unexpected) in 0.002 (0.002) seconds
";

    const TESTING: &str = "\
◇ Test run started.
◇ Suite Sends started.
◇ Test \"what is skipped is not lost, and what failed after that is retried\" started.
✘ Test off() skipped: \"why\"
✘ Test bad() recorded an issue at T.swift:7:22: Expectation failed: (two() → 2) == 3
✘ Test bad() failed after 0.001 seconds with 1 issue.
✔ Test \"a name with words\" passed after 0.001 seconds.
✘ Suite Sends failed after 0.001 seconds with 1 issue.
✘ Test run with 5 tests failed after 0.001 seconds with 1 issue.
";

    #[test]
    fn the_sums_of_xctest_and_swift_testing_are_added() {
        assert_eq!(swift(XCTEST), Counts { tests: 14, failed: 1, skipped: 2 });
        assert_eq!(swift(TESTING), Counts { tests: 5, failed: 1, skipped: 1 });
        let both = format!("{XCTEST}{TESTING}");
        assert_eq!(swift(&both), Counts { tests: 19, failed: 2, skipped: 3 });
        let good = "\t Executed 1 test, with 0 failures (0 unexpected) in 0.0 (0.0) seconds\n\
                    ✔ Test run with 1 test passed after 0.001 seconds.\n";
        assert_eq!(swift(good), Counts { tests: 2, failed: 0, skipped: 0 });
        assert_eq!(swift("error: no such module"), Counts::default());
    }

    #[test]
    fn only_a_suite_that_ran_whole_has_passed() {
        let counts = Counts { tests: 3, ..Counts::default() };
        assert_eq!(counts.outcome(true), Outcome::PassedWith("3 tests".into()));
        assert!(matches!(counts.outcome(false), Outcome::Failed(_)));
        assert!(matches!(Counts::default().outcome(true), Outcome::Failed(_)));
        let skipped = Counts { skipped: 1, ..counts };
        assert_eq!(skipped.outcome(true), Outcome::Skipped("1 of 3 tests were skipped".into()));
        let failed = Counts { failed: 1, ..skipped };
        assert_eq!(failed.outcome(true), Outcome::Failed("1 of 3 tests failed".into()));
    }
}
