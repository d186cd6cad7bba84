//! A file that is to be sent, as the app names it.

use std::fmt;
use std::path::PathBuf;

use tidewire_protocol::{Checksum, Preview, UploadId, clean_file_name};
use uuid::Uuid;

use crate::engine::OutgoingFile;

/// A file that is to be sent with a message, see [`Room::send_files`](crate::Room::send_files). Only `path` has
/// to be told.
///
/// ```
/// use tidewire::NewFile;
///
/// let picture = NewFile::at("holiday/cliff.jpg").pixels(1600, 1200);
/// let voice = NewFile::at("recording.tmp").name("Voice message.ogg").duration_ms(4_200);
/// ```
#[derive(Clone, PartialEq, Default)]
pub struct NewFile {
    /// Where it is. It is copied before anything else happens: what becomes of it afterwards does not matter.
    pub path: PathBuf,
    /// The name that others see: that of the path unless told. What may not be in a name becomes `_`, what is
    /// too long is cut.
    pub name: Option<String>,
    /// Its media type, for example `image/jpeg`: guessed from the extension of its name unless told.
    pub content_type: Option<String>,
    /// The width of a picture or video in pixels, as it is shown (turned already).
    pub width: Option<u32>,
    /// The height in pixels.
    pub height: Option<u32>,
    /// How long it plays, in ms.
    pub duration_ms: Option<u32>,
    /// What others see until they have the file: at most 1 KiB.
    pub preview: Option<Preview>,
}

impl fmt::Debug for NewFile {
    /// Without its names: what people write never stands in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewFile({:?})", self.content_type)
    }
}

impl NewFile {
    /// The file at this place.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// The name that others see.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Its media type.
    #[must_use]
    pub fn content_type(self, content_type: impl Into<String>) -> Self {
        Self { content_type: Some(content_type.into()), ..self }
    }

    /// Width and height of a picture or video, as it is shown (turned already).
    #[must_use]
    pub fn pixels(self, width: u32, height: u32) -> Self {
        Self { width: Some(width), height: Some(height), ..self }
    }

    /// How long it plays.
    #[must_use]
    pub fn duration_ms(self, ms: u32) -> Self {
        Self { duration_ms: Some(ms), ..self }
    }

    /// What others see until they have the file.
    #[must_use]
    pub fn preview(self, preview: Preview) -> Self {
        Self { preview: Some(preview), ..self }
    }

    /// As it will be told to others. What only the copy tells is still to come.
    pub(crate) fn outgoing(self) -> OutgoingFile {
        let of_path = || self.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = clean_file_name(&self.name.or_else(of_path).unwrap_or_default());
        let guessed =
            || mime_guess::from_path(&name).first_or_octet_stream().essence_str().to_owned();
        OutgoingFile {
            id: UploadId::from_uuid(Uuid::now_v7()),
            content_type: self.content_type.unwrap_or_else(guessed),
            name,
            size: 1,
            sha256: Checksum::new([0; 32]),
            width: self.width,
            height: self.height,
            duration_ms: self.duration_ms,
            preview: self.preview,
            path: self.path,
            sent: 0,
            uploaded: false,
            key: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_harmless_and_a_type_guessed_from_it() {
        let named = |file: NewFile| {
            let file = file.outgoing();
            (file.name, file.content_type)
        };
        let is = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        assert_eq!(named(NewFile::at("/a/b/cliff.JPG")), is("cliff.JPG", "image/jpeg"));
        assert_eq!(named(NewFile::at("x").name("a/b\u{202e}gpj.exe")).0, "a_b_gpj.exe");
        assert_eq!(named(NewFile::at("/")), is("file", "application/octet-stream"));
        let told = NewFile::at("x.png").content_type("image/webp");
        assert_eq!(named(told), is("x.png", "image/webp"));
        let long = named(NewFile::at("x").name(format!("{}.pdf", "é".repeat(300))));
        assert!(long.0.len() <= 255 && long.0.ends_with(".pdf") && long.1 == "application/pdf");
    }
}
