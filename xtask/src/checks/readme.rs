//! That the programs in the texts are true: every Rust block of README and guide is a doc test of
//! `tidewire-bench`, and the README's first program is the crate's.

use std::io;

use crate::steps::Outcome;
use crate::workspace::read;

/// Texts whose Rust blocks have to be doc tests.
const TEXTS: &[&str] = &["README.md", "docs/guide.md"];

/// The check as a step.
pub(crate) fn check() -> Outcome {
    match problems() {
        Ok(problems) if problems.is_empty() => Outcome::Passed,
        Ok(problems) => Outcome::Failed(problems.join("\n")),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn problems() -> io::Result<Vec<String>> {
    let mut problems = Vec::new();
    let house = read("bench/src/lib.rs")?;
    for text in TEXTS {
        if !house.contains(&format!("include_str!(\"../../{text}\")")) {
            problems.push(format!("bench/src/lib.rs does not take {text} in as doc tests"));
        }
        for block in blocks(&read(text)?) {
            if block.tags.is_empty() || block.is("ignore") || block.is("compile_fail") {
                let first = block.lines.first().map_or("", String::as_str);
                problems.push(format!("{text}: the block `{first}` is not compiled or has no tag"));
            }
        }
    }
    let crate_text = read("sdk-core/src/lib.rs")?;
    let docs: String = crate_text
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    // A block without a tag is Rust in docs.
    let of_crate = blocks(&docs).into_iter().next();
    let of_readme = blocks(&read("README.md")?).into_iter().find(|block| block.is("rust"));
    match (of_crate, of_readme) {
        (Some(of_crate), Some(of_readme)) => {
            if let Some(line) = of_crate.first_line_not_in(&of_readme) {
                problems.push(format!(
                    "README.md: its first Rust program lacks a line of the crate's, or has it \
                     elsewhere: `{line}`"
                ));
            }
        }
        (None, _) => problems.push("sdk-core/src/lib.rs shows no program".into()),
        (_, None) => problems.push("README.md shows no Rust program".into()),
    }
    Ok(problems)
}

/// A fenced block of code.
#[derive(Debug, PartialEq)]
struct Block {
    tags: Vec<String>,
    lines: Vec<String>,
}

impl Block {
    fn is(&self, tag: &str) -> bool {
        self.tags.iter().any(|other| other == tag)
    }

    /// The first line, of those that a reader of the docs sees, that `other` does not have, or not
    /// after the line before. Indentation does not count: one is a whole program, the other the
    /// inside of one.
    fn first_line_not_in(&self, other: &Block) -> Option<&str> {
        let mut rest = other.lines.iter().map(|line| line.trim());
        self.lines
            .iter()
            .map(|line| line.trim())
            .filter(|line| !line.is_empty() && *line != "#" && !line.starts_with("# "))
            .find(|line| !rest.any(|there| there == *line))
    }
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in markdown.lines() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(tags), None) => {
                let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
                open = Some(Block { tags: tags.map(str::to_owned).collect(), lines: Vec::new() });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_program_of_the_readme_must_have_every_shown_line_of_the_crate_in_order() {
        let docs = blocks("```no_run\nuse a;\n# hidden();\nf(\n    b,\n);\n```");
        let same = blocks(
            "text\n\n```rust,no_run\nuse a;\n\nfn main() {\n    f(\n        b,\n    );\n}\n```\n",
        );
        assert!(same[0].is("rust") && same[0].is("no_run"));
        assert_eq!(docs[0].first_line_not_in(&same[0]), None);
        let other = blocks("```rust\nuse a;\nf(\n    c,\n);\n```");
        assert_eq!(docs[0].first_line_not_in(&other[0]), Some("b,"));
        let turned = blocks("```rust\nf(\n    b,\n);\nuse a;\n```");
        assert_eq!(docs[0].first_line_not_in(&turned[0]), Some("f("));
    }
}
