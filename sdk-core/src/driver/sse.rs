//! Reads the text of an event stream as it comes, in pieces of any size, as the HTML standard has
//! it. Of an event only its data counts here: it names its own type, and its own place in the feed.

use tidewire_protocol::limits;

/// What a stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// An event's data.
    Event(String),
    /// A line that means nothing, but that the other side is there.
    Comment,
}

/// A line or an event is larger than anything that a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// What has come of the event that is being read.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The data so far, each line with a line end; `None` before the first.
    data: Option<String>,
    /// Whether the last byte was a `\r`: a `\n` behind it is part of the same line end.
    after_return: bool,
    /// Whether the first line is over: a byte order mark may stand before it.
    begun: bool,
}

impl Parser {
    /// Takes the next piece, and gives what is complete by it.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Vec<Told>, TooLarge> {
        let mut told = Vec::new();
        for &byte in piece {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => told.extend(self.end_line()),
                _ if self.held() >= limits::ANSWER_BYTES => return Err(TooLarge),
                _ => self.line.push(byte),
            }
        }
        Ok(told)
    }

    fn held(&self) -> usize {
        self.line.len() + self.data.as_ref().map_or(0, String::len)
    }

    fn end_line(&mut self) -> Option<Told> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            let mut data = self.data.take()?;
            // The end of the last line is not part of it.
            data.pop();
            return Some(Told::Event(data));
        }
        if line.starts_with(b":") {
            return Some(Told::Comment);
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        if name == b"data" {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            let data = self.data.get_or_insert_default();
            data.push_str(&String::from_utf8_lossy(value));
            data.push('\n');
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Vec<Told> {
        Parser::default().take(text).unwrap()
    }

    fn event(data: &str) -> Told {
        Told::Event(data.to_owned())
    }

    #[test]
    fn data_of_several_lines_is_put_together_whatever_ends_them() {
        let text = b"event: x\ndata: a\ndata:b\r\ndata: \r\rid: 7\rdata:  c\n\n";
        assert_eq!(read(text), [event("a\nb\n"), event(" c")]);
    }

    #[test]
    fn comments_are_told_and_everything_else_without_data_is_passed_over() {
        let text = b"\xef\xbb\xbf: hello\n\nretry: 9\nid: 1\n\n\n:\n\ndata\n\nnone of these\n\n";
        assert_eq!(read(text), [Told::Comment, Told::Comment, event("")]);
    }

    #[test]
    fn an_event_that_is_cut_off_is_none() {
        assert_eq!(read(b"data: a\n\ndata: b\n"), [event("a")]);
    }

    #[test]
    fn what_is_larger_than_any_answer_is_refused_before_it_is_held() {
        let most = limits::ANSWER_BYTES;
        let mut parser = Parser::default();
        assert_eq!(parser.take(&vec![b'x'; most]), Ok(vec![]));
        assert_eq!(parser.take(b"x"), Err(TooLarge));
        // Nor by many lines.
        let mut parser = Parser::default();
        let line = [b"data: ".as_slice(), &vec![b'x'; most / 4], b"\n"].concat();
        let whole = (0..8).take_while(|_| parser.take(&line).is_ok()).count();
        assert_eq!(whole, 3);
    }

    proptest! {
        #[test]
        fn any_cut_into_pieces_gives_the_same(
            lines in prop::collection::vec(
                ("(|:|data: |data:|event: |id|x: )", "[a-zä:\u{feff} ]{0,6}", "(\n|\r|\r\n|\n\n|\r\n\r\n)"),
                0..20,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let text: String =
                lines.iter().map(|(field, value, end)| format!("{field}{value}{end}")).collect();
            let text = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut parser = Parser::default();
            let pieces = cuts.windows(2).map(|cut| parser.take(&text[cut[0]..cut[1]]).unwrap());
            let told: Vec<Told> = pieces.flatten().collect();
            prop_assert_eq!(told, read(text));
        }
    }
}
