//! Cuts a text into terms, and knows of each where it stands.

use std::ops::Range;

use icu_normalizer::properties::{
    CanonicalCombiningClassMapBorrowed, CanonicalCompositionBorrowed,
};
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// Characters of a word that count. No word of people is longer, and what machines write into a chat
/// must not fill the index.
const WORD_CHARS: usize = 64;

/// A term and its place, in bytes of the text.
pub(super) enum Piece<'a> {
    /// A word.
    Word { text: &'a str, at: Range<usize> },
    /// Two neighbours of a script without spaces. `first` is the end of the first one.
    Pair { text: &'a str, at: Range<usize>, first: usize },
    /// The last character of a run of such a script; the only one, if it is `alone`.
    Last { text: &'a str, at: Range<usize>, alone: bool },
    /// One emoji, without the color of its skin.
    Emoji { text: &'a str, at: Range<usize> },
}

impl Piece<'_> {
    pub(super) fn text(&self) -> &str {
        let (Self::Word { text, .. }
        | Self::Pair { text, .. }
        | Self::Last { text, .. }
        | Self::Emoji { text, .. }) = self;
        text
    }

    /// Where it stands. Whoever asked for its first character alone means that.
    pub(super) fn range(&self, whole: bool) -> Range<usize> {
        match self {
            Self::Pair { at, first, .. } if !whole => at.start..*first,
            Self::Word { at, .. }
            | Self::Pair { at, .. }
            | Self::Last { at, .. }
            | Self::Emoji { at, .. } => at.clone(),
        }
    }
}

/// What a character is to a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    /// Of a script that does not part its words.
    Unspaced,
    Emoji,
    /// Half of a flag.
    Regional,
    /// Changes how its neighbours look, not what they say.
    Ignored,
    Separator,
}

fn class(c: char) -> Class {
    match u32::from(c) {
        // Soft hyphen, combining grapheme joiner, kashida, joiners and marks of direction, variation selectors.
        0xad | 0x34f | 0x640 | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x2069 | 0xfeff => {
            Class::Ignored
        }
        0xfe00..=0xfe0f | 0xe0000..=0xe0fff | 0x1f3fb..=0x1f3ff => Class::Ignored,
        // Thai, Lao; Myanmar; Khmer.
        0xe01..=0xe3a | 0xe40..=0xe4e | 0xe81..=0xece | 0x1000..=0x1049 | 0x1050..=0x109f => {
            Class::Unspaced
        }
        0x1780..=0x17d3 => Class::Unspaced,
        // Kana with its marks, Bopomofo, Han.
        0x3005..=0x3007 | 0x3041..=0x309f | 0x30a1..=0x30fa | 0x30fc..=0x312f => Class::Unspaced,
        0x31a0..=0x31bf | 0x31f0..=0x31ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff => Class::Unspaced,
        0xf900..=0xfaff | 0x20000..=0x3ffff => Class::Unspaced,
        0x1f1e6..=0x1f1ff => Class::Regional,
        // Arrows, technical and other symbols, dingbats, pictographs.
        0x203c | 0x2049 | 0x2190..=0x21ff | 0x2300..=0x23ff | 0x25a0..=0x27bf => Class::Emoji,
        0x2934 | 0x2935 | 0x2b00..=0x2bff | 0x3030 | 0x303d | 0x1f000..=0x1faff => Class::Emoji,
        // What was made for one app says nothing elsewhere, and marks terms of the index's own.
        0xe000..=0xf8ff | 0xf0000.. => Class::Separator,
        _ if c.is_alphanumeric() => Class::Word,
        // What is left of marks belongs to the letter before it.
        _ if COMBINING.get_u8(c) != 0 => Class::Word,
        _ => Class::Separator,
    }
}

const COMBINING: CanonicalCombiningClassMapBorrowed<'static> =
    CanonicalCombiningClassMapBorrowed::new();
const COMPOSITION: CanonicalCompositionBorrowed<'static> = CanonicalCompositionBorrowed::new();
const NFKD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();

/// Accents and vowel points, which many leave out. The marks of Indic scripts and of kana stay: with
/// another mark it is another word.
fn is_accent(c: char) -> bool {
    matches!(COMBINING.get_u8(c), 1 | 10..=35 | 200..=240)
}

/// Whether a character always belongs to the one before it.
fn is_mark(c: char) -> bool {
    // Vowels and ends of Korean syllables; marks of halfwidth kana.
    matches!(u32::from(c), 0x1160..=0x11ff | 0xff9e | 0xff9f) || COMBINING.get_u8(c) != 0
}

/// Gives the terms of a text in order.
pub(super) fn split(text: &str, emit: impl FnMut(Piece<'_>)) {
    let mut run = Run { emit, word: String::new(), chars: 0, at: 0..0, unspaced: None, half: None };
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let alone = bytes.get(at + 1).is_none_or(u8::is_ascii);
        if bytes[at].is_ascii() && alone {
            let c = char::from(bytes[at]).to_ascii_lowercase();
            let class = if c.is_ascii_alphanumeric() { Class::Word } else { Class::Separator };
            run.take(c, class, at..at + 1);
            at += 1;
            continue;
        }
        let mut chars = text[at..].chars();
        let Some(mut last) = chars.next() else { break };
        let mut end = at + last.len_utf8();
        for c in chars.take_while(|c| {
            let both = COMPOSITION.compose(last, *c);
            last = both.unwrap_or(*c);
            both.is_some() || is_mark(*c)
        }) {
            end += c.len_utf8();
        }
        let plain = NFKD
            .normalize_iter(text[at..end].chars())
            .filter(|c| !is_accent(*c))
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase);
        for c in NFC.normalize_iter(plain) {
            run.take(c, class(c), at..end);
        }
        at = end;
    }
    run.end();
}

/// What is being read.
struct Run<F> {
    emit: F,
    word: String,
    /// How many characters the word has.
    chars: usize,
    at: Range<usize>,
    /// The last character of a run without spaces, and whether it is the first one too.
    unspaced: Option<(char, Range<usize>, bool)>,
    /// The first half of a flag.
    half: Option<(char, Range<usize>)>,
}

impl<F: FnMut(Piece<'_>)> Run<F> {
    fn take(&mut self, c: char, class: Class, at: Range<usize>) {
        match class {
            Class::Ignored => {}
            Class::Word => {
                if self.chars == 0 {
                    self.end();
                    self.at = at.clone();
                }
                self.at.end = at.end;
                if self.chars < WORD_CHARS {
                    self.word.push(c);
                }
                self.chars += 1;
            }
            Class::Unspaced => {
                self.end_word();
                self.half = None;
                match self.unspaced.replace((c, at.clone(), true)) {
                    None => {}
                    Some((before, place, _)) => {
                        let pair = String::from_iter([before, c]);
                        let at_both = place.start..at.end;
                        (self.emit)(Piece::Pair { text: &pair, at: at_both, first: place.end });
                        self.unspaced = Some((c, at, false));
                    }
                }
            }
            Class::Emoji => {
                self.end();
                (self.emit)(Piece::Emoji { text: c.encode_utf8(&mut [0; 4]), at });
            }
            Class::Regional => {
                let half = self.half.take();
                self.end();
                match half {
                    None => self.half = Some((c, at)),
                    Some((first, place)) => {
                        let flag = String::from_iter([first, c]);
                        (self.emit)(Piece::Emoji { text: &flag, at: place.start..at.end });
                    }
                }
            }
            Class::Separator => self.end(),
        }
    }

    fn end_word(&mut self) {
        if self.chars > 0 {
            (self.emit)(Piece::Word { text: &self.word, at: self.at.clone() });
            self.word.clear();
            self.chars = 0;
        }
    }

    fn end(&mut self) {
        self.end_word();
        self.half = None;
        if let Some((c, at, alone)) = self.unspaced.take() {
            (self.emit)(Piece::Last { text: c.encode_utf8(&mut [0; 4]), at, alone });
        }
    }
}
