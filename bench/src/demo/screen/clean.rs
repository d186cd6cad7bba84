//! Texts of other people, made harmless: what reaches the terminal moves no cursor, changes no
//! colour and takes the width that it was given.

/// Stands for a character that is not shown.
const HIDDEN: char = '·';

/// The text on one line, without control characters, and without the invisible ones that reorder
/// it or on whose width terminals disagree.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter_map(harmless).collect()
}

fn harmless(c: char) -> Option<char> {
    match c {
        '\n' | '\r' | '\t' => Some(' '),
        // C0 with the escape character, DEL, and C1 with the one-byte forms of the same.
        c if c.is_control() => Some(HIDDEN),
        // Zero-width joiners, marks of direction, line and paragraph separators, overrides,
        // isolates, the byte order mark.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => None,
        '\u{feff}' | '\u{061c}' | '\u{00ad}' => None,
        // Variation selectors and tags: an emoji stays what it is without them.
        '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_overrides_become_harmless_text() {
        assert_eq!(clean("\u{1b}[2Jgone\u{7}"), "·[2Jgone·");
        assert_eq!(clean("\u{9b}31mred \u{202e}txet"), "·31mred txet");
        assert_eq!(clean("two\nlines\tand\rmore"), "two lines and more");
        assert_eq!(clean("日本 👩\u{200d}🚀 e\u{301}"), "日本 👩🚀 e\u{301}");
    }
}
