//! Text in lines of a given width, in the columns that a terminal gives to each character.

use ratatui::text::Span;

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text in lines of at most `most` columns: broken between words, and within one that is
/// longer than a line.
pub(crate) fn wrap(text: &str, most: usize) -> Vec<String> {
    let most = most.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let columns = width(word);
        if used > 0 && used + 1 + columns <= most {
            line.push(' ');
            line.push_str(word);
            used += 1 + columns;
            continue;
        }
        if used > 0 {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        for c in word.chars() {
            let columns = width(c.encode_utf8(&mut [0; 4]));
            if used + columns > most {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += columns;
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// The beginning of a text in at most `most` columns, with an ellipsis if there is more.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.into();
    }
    let mut short = String::new();
    let mut used = 0;
    for c in text.chars() {
        let columns = width(c.encode_utf8(&mut [0; 4]));
        if used + columns >= most {
            break;
        }
        short.push(c);
        used += columns;
    }
    short.push('…');
    short
}

/// The end of a text in at most `most` columns: what is being typed.
pub(crate) fn tail(text: &str, most: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices().rev() {
        used += width(c.encode_utf8(&mut [0; 4]));
        if used > most {
            return &text[at + c.len_utf8()..];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_it_may_be_and_nothing_is_lost() {
        let text = "a word and averyveryverylongone 日本語の文字 🚢🚢🚢🚢🚢🚢 end";
        for most in 2..30 {
            let lines = wrap(text, most);
            assert!(lines.iter().all(|line| width(line) <= most), "{most}: {lines:?}");
            let joined: String = lines.concat().split(' ').collect();
            assert_eq!(joined, text.split(' ').collect::<String>());
        }
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn a_cut_ends_in_an_ellipsis_before_a_wide_character_that_has_no_room() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(tail("日本語ab", 4), "語ab");
        assert_eq!(tail("日本語ab", 3), "ab");
    }
}
