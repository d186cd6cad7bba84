//! Files that a message lists: what is told of each, and what may be told.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{InvalidId, UploadId, limits};

/// A file of a message, as the message's content lists it. All of it is the sender's word but `key`,
/// `name`, `content_type`, `size` and `sha256`, which the server holds against the upload.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The upload that brought it.
    pub id: UploadId,
    /// Where it is got from: the same key is the same bytes, always.
    pub key: FileKey,
    /// Its name: 1 to 255 bytes, without what could mislead, see [`check_file_name`].
    pub name: String,
    /// Its media type, for example `image/jpeg`: at most 127 bytes.
    pub content_type: String,
    /// How many bytes it has, at least 1.
    pub size: u64,
    /// The SHA-256 of its bytes. Whoever downloads checks it.
    pub sha256: Checksum,
    /// The width of a picture or video in pixels, as it is shown (turned already).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// The height in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// How long it plays, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u32>,
    /// What is shown until the file is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
}

impl fmt::Debug for Attachment {
    /// Without its name: what people write never stands in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, size, content_type, .. } = self;
        write!(f, "Attachment({id}, {content_type}, {size} bytes)")
    }
}

/// A tiny stand-in for a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// What `data` is: `thumbhash`, or the subtype of a picture's media type (`webp`, `jpeg`). A client
    /// passes over what it does not know. 1 to 32 bytes of `a-z`, `0-9`, `.`, `+` and `-`.
    pub format: String,
    /// The bytes as Base64 (the standard alphabet, padded): at most 1 KiB of text.
    pub data: String,
}

/// What is wrong with what is told of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFile {
    /// A name has 1 to 255 bytes.
    #[error("a file name has 1 to {max} bytes, this one has {0}", max = limits::FILE_NAME_BYTES)]
    NameLength(usize),
    /// A name is `.` or `..`, or has white space at an end.
    #[error("a file name is neither `.` nor `..` and has no white space at its ends")]
    NameForm,
    /// A name has no control characters, no `/`, no `\`, no line separators and no marks of direction.
    #[error("a file name has no control characters, no slashes and no marks of direction")]
    NameCharacter,
    /// A media type looks like `image/jpeg`.
    #[error("a media type looks like `image/jpeg` and has at most {max} bytes", max = limits::CONTENT_TYPE_BYTES)]
    ContentType,
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Width and height are 1 to 100,000 pixels.
    #[error("a width or height is 1 to {max} pixels", max = limits::PICTURE_PIXELS)]
    Pixels,
    /// A preview has at most 1 KiB of Base64.
    #[error("a preview has 1 to {max} bytes of Base64", max = limits::PREVIEW_BYTES)]
    PreviewLength,
    /// A preview names its format and is Base64.
    #[error("a preview has a format like `thumbhash` or `webp`, and its data is Base64")]
    PreviewForm,
}

impl Attachment {
    /// Whether what is told of it is within the limits.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), InvalidFile> {
        check_file_name(&self.name)?;
        check_content_type(&self.content_type)?;
        if self.size == 0 {
            return Err(InvalidFile::Empty);
        }
        let pixels = 1..=limits::PICTURE_PIXELS;
        if [self.width, self.height].into_iter().flatten().any(|n| !pixels.contains(&n)) {
            return Err(InvalidFile::Pixels);
        }
        self.preview.as_ref().map_or(Ok(()), Preview::validate)
    }
}

impl Preview {
    fn validate(&self) -> Result<(), InvalidFile> {
        if self.data.is_empty() || self.data.len() > limits::PREVIEW_BYTES {
            return Err(InvalidFile::PreviewLength);
        }
        let of_format = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".+-".contains(&b);
        let named = (1..=32).contains(&self.format.len()) && self.format.bytes().all(of_format);
        let digits = self.data.trim_end_matches('=');
        let of_data = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
        let padded = self.data.len().is_multiple_of(4) && self.data.len() - digits.len() <= 2;
        if named && padded && digits.bytes().all(of_data) {
            Ok(())
        } else {
            Err(InvalidFile::PreviewForm)
        }
    }
}

/// Whether a text can be the name of a file that is shown to others and saved by them: 1 to 255 bytes of
/// UTF-8, not `.` or `..`, no white space at its ends, and none of what could lead somewhere else or look
/// like something else: control characters, `/`, `\`, line and paragraph separators, marks of direction.
///
/// # Errors
/// What is wrong.
pub fn check_file_name(name: &str) -> Result<(), InvalidFile> {
    if name.is_empty() || name.len() > limits::FILE_NAME_BYTES {
        return Err(InvalidFile::NameLength(name.len()));
    }
    if name.chars().any(misleads) {
        return Err(InvalidFile::NameCharacter);
    }
    if name.trim() != name || matches!(name, "." | "..") {
        return Err(InvalidFile::NameForm);
    }
    Ok(())
}

/// A name that [`check_file_name`] takes, as near to `name` as can be: what may not be in it becomes `_`, what
/// is too long is cut before the extension, and what says nothing becomes `file`.
///
/// ```
/// assert_eq!(tidewire_protocol::clean_file_name("holiday/1\u{202e}gpj.exe"), "holiday_1_gpj.exe");
/// assert_eq!(tidewire_protocol::clean_file_name("  "), "file");
/// ```
pub fn clean_file_name(name: &str) -> String {
    let harmless: String = name.chars().map(|c| if misleads(c) { '_' } else { c }).collect();
    let trimmed = harmless.trim();
    if matches!(trimmed, "" | "." | "..") {
        return "file".into();
    }
    if trimmed.len() <= limits::FILE_NAME_BYTES {
        return trimmed.into();
    }
    // An extension longer than that is none.
    let (stem, extension) = match trimmed.rfind('.') {
        Some(dot) if dot > 0 && trimmed.len() - dot <= 16 => trimmed.split_at(dot),
        _ => (trimmed, ""),
    };
    let mut end = limits::FILE_NAME_BYTES - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", stem[..end].trim_end())
}

/// Characters that lead out of a folder, break a line, or show a name other than it is.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '/' | '\\'
                | '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

/// Whether a text is a media type: `type/subtype`, perhaps with parameters, in visible ASCII, at most 127
/// bytes.
///
/// # Errors
/// [`InvalidFile::ContentType`].
pub fn check_content_type(text: &str) -> Result<(), InvalidFile> {
    let token = |part: &str| {
        let of_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        !part.is_empty() && part.bytes().all(of_token)
    };
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let named = essence.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub));
    let visible = text.bytes().all(|b| (b' '..=b'~').contains(&b));
    if named && visible && text.len() <= limits::CONTENT_TYPE_BYTES && text.trim() == text {
        Ok(())
    } else {
        Err(InvalidFile::ContentType)
    }
}

/// Where a file is got from. Given by the server: nobody can guess it, and the same key is the same bytes,
/// always. 16 to 64 characters of `a-z` and `0-9`, else opaque. A clone costs one atomic increment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct FileKey(Arc<str>);

impl FileKey {
    /// Checks and takes `text`.
    ///
    /// # Errors
    /// [`InvalidId::FileKey`].
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidId> {
        let text = text.into();
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let fits = (16..=limits::FILE_KEY_BYTES).contains(&text.len());
        if plain && fits { Ok(Self(text)) } else { Err(InvalidId::FileKey) }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FileKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for FileKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(text.as_ref()).map_err(serde::de::Error::custom)
    }
}

/// A SHA-256: on the wire 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// The checksum with these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

impl FromStr for Checksum {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return Err(InvalidId::Checksum);
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (Some(high), Some(low)) = (digit(digits[0]), digit(digits[1])) else {
                return Err(InvalidId::Checksum);
            };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Checksum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Checksum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
