//! Pictures before they are sent: how large they show, a preview of them, and smaller copies of them. With the
//! feature `pictures`.
//!
//! Decoders are fed with files from anywhere, so that they are bounded: in what they may decode
//! ([`defaults::PICTURE_BYTES`]) and to one picture at a time in the whole process.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{
    DynamicImage, GenericImageView, ImageDecoder, ImageEncoder, ImageError, ImageFormat,
    ImageReader, Limits, Rgb, RgbImage,
};
use tidewire_protocol::Preview;
use tokio::sync::Semaphore;

use crate::defaults;

/// A picture on this device, as it is told to others: of JPEG, PNG, WebP or GIF.
///
/// ```no_run
/// use tidewire::{Picture, PictureFormat};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let picture = Picture::read("camera/cliff.jpg").await?;
/// println!("{} × {}", picture.width, picture.height);
/// // What is sent is small, and tells nobody where it was taken.
/// let small = picture.recompress("outgoing/cliff.jpg", 1_600, 80, PictureFormat::Jpeg).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Where it is.
    pub path: PathBuf,
    /// How many bytes the file has.
    pub size: u64,
    /// Its media type, by what is in it: its name may say anything.
    pub content_type: &'static str,
    /// Its width in pixels as it is shown: turned as its EXIF data say.
    pub width: u32,
    /// Its height, likewise.
    pub height: u32,
    /// A stand-in for it, in the format `thumbhash`: about 36 bytes of text.
    pub preview: Preview,
}

/// What a picture is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFormat {
    /// Everybody can show it. It knows no transparency: what was transparent is white.
    Jpeg,
    /// About a quarter smaller than JPEG where it looks the same, several times slower to write. Keeps
    /// transparency.
    WebP,
}

/// Why nothing can be done with a picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// The file is not there, is none, or may not be read.
    #[error("the picture can not be read: {0}")]
    Unreadable(String),
    /// It is no picture, or one of a kind that is not known here: send it as any other file.
    #[error("this is no picture of a known kind (JPEG, PNG, WebP, GIF)")]
    NoPicture,
    /// It begins as a picture, and then makes no sense.
    #[error("the picture is damaged: {0}")]
    Damaged(String),
    /// Decoded it would take more memory than a picture may, however small the file is.
    #[error("the picture is too large to be decoded here")]
    TooLarge,
    /// The smaller one can not be written. Nothing of it is left.
    #[error("the picture can not be written: {0}")]
    Unwritable(String),
}

/// A picture decoded, and what was beside its pixels.
struct Decoded {
    pixels: DynamicImage,
    turned: Orientation,
    format: ImageFormat,
    /// Which colours the numbers stand for.
    colours: Option<Vec<u8>>,
}

impl Picture {
    /// Reads a picture. Waits for the disk and for the decoder, off the caller's thread: some 100 ms for a
    /// photo of 12 megapixels, and until other pictures of the process are done. Of one that moves, the
    /// first frame counts. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`PictureError`], but for `Unwritable`.
    pub async fn read(path: impl Into<PathBuf>) -> Result<Self, PictureError> {
        let path = path.into();
        alone(move || {
            let Decoded { pixels, turned, format, .. } = decode(&path)?;
            Self::of(path, &pixels, turned, format)
        })
        .await
    }

    /// Writes this picture to `to` again, so that neither side is longer than `edge` pixels, and gives that one.
    /// A smaller one is not enlarged. `quality` is 1 to 100: 80 is a good one. It is turned already; nothing of
    /// what stood beside the pixels is written, no place, no time and no camera, but for the colour profile of a
    /// JPEG. A file that is there already is replaced; `to` may be the picture's own path. Waits as
    /// [`Picture::read`] does.
    ///
    /// # Errors
    /// [`PictureError`].
    pub async fn recompress(
        &self,
        to: impl Into<PathBuf>,
        edge: u32,
        quality: u8,
        format: PictureFormat,
    ) -> Result<Self, PictureError> {
        let (from, to) = (self.path.clone(), to.into());
        alone(move || {
            let Decoded { pixels, turned, colours, .. } = decode(&from)?;
            let mut pixels = shrunk(pixels, edge.max(1));
            // After shrinking: that costs less memory, and comes to the same.
            pixels.apply_orientation(turned);
            let written = encode(&pixels, quality.clamp(1, 100), format, colours)?;
            if let Err(error) = std::fs::write(&to, written) {
                // Half a picture is none.
                let _ = std::fs::remove_file(&to);
                return Err(PictureError::Unwritable(error.to_string()));
            }
            let format = match format {
                PictureFormat::Jpeg => ImageFormat::Jpeg,
                PictureFormat::WebP => ImageFormat::WebP,
            };
            Self::of(to, &pixels, Orientation::NoTransforms, format)
        })
        .await
    }

    fn of(
        path: PathBuf,
        pixels: &DynamicImage,
        turned: Orientation,
        format: ImageFormat,
    ) -> Result<Self, PictureError> {
        let size = std::fs::metadata(&path).map_err(|error| unreadable(&error))?.len();
        let (width, height) = pixels.dimensions();
        let (width, height) =
            if is_on_its_side(turned) { (height, width) } else { (width, height) };
        let preview = preview(pixels, turned);
        Ok(Self { path, size, content_type: format.to_mime_type(), width, height, preview })
    }
}

/// A preview as pixels: width, height and RGBA, 32 pixels at its longer side, to be stretched over the
/// picture's place. Nothing of one in another format than `thumbhash`, or of one that makes no sense.
pub fn preview_pixels(preview: &Preview) -> Option<(u32, u32, Vec<u8>)> {
    if preview.format != THUMBHASH {
        return None;
    }
    let hash = STANDARD.decode(&preview.data).ok()?;
    let (width, height, pixels) = thumbhash::thumb_hash_to_rgba(&hash).ok()?;
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    (width > 0 && height > 0).then_some((width, height, pixels))
}

const THUMBHASH: &str = "thumbhash";

/// The longest side that a thumbhash is made of.
const PREVIEW_EDGE: u32 = 100;

/// Does the work on a thread for that, one picture at a time in the process: each may take as much memory as
/// all the rest of the app.
async fn alone<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PictureError> + Send + 'static,
) -> Result<T, PictureError> {
    static ONE: Semaphore = Semaphore::const_new(1);
    // It is never closed.
    let turn = ONE.acquire().await.ok();
    let done = tokio::task::spawn_blocking(move || {
        // Until the work is done, whether or not somebody still waits for it.
        let _turn = turn;
        work()
    });
    // A decoder that panics has met something that it did not expect.
    done.await.unwrap_or_else(|error| Err(PictureError::Damaged(error.to_string())))
}

fn unreadable(error: &io::Error) -> PictureError {
    PictureError::Unreadable(error.to_string())
}

fn decode(path: &Path) -> Result<Decoded, PictureError> {
    // A pipe would be waited for.
    let data = std::fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !data.is_file() {
        return Err(PictureError::Unreadable("it is no file".into()));
    }
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let reader = ImageReader::new(BufReader::new(file)).with_guessed_format();
    let mut reader = reader.map_err(|error| unreadable(&error))?;
    let known = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif];
    let format = reader.format().filter(|format| known.contains(format));
    let format = format.ok_or(PictureError::NoPicture)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(defaults::PICTURE_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(trouble)?;
    // Before anything is made room for: what a decoder takes beside is bounded by its limits.
    if decoder.total_bytes() > defaults::PICTURE_BYTES {
        return Err(PictureError::TooLarge);
    }
    let turned = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let colours = decoder.icc_profile().ok().flatten();
    let pixels = DynamicImage::from_decoder(decoder).map_err(trouble)?;
    if pixels.width() == 0 || pixels.height() == 0 {
        return Err(PictureError::Damaged("it has no pixels".into()));
    }
    Ok(Decoded { pixels, turned, format, colours })
}

fn trouble(error: ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooLarge,
        ImageError::Unsupported(_) => PictureError::NoPicture,
        ImageError::IoError(error) if error.kind() != ErrorKind::UnexpectedEof => {
            unreadable(&error)
        }
        error => PictureError::Damaged(error.to_string()),
    }
}

fn is_on_its_side(turned: Orientation) -> bool {
    matches!(
        turned,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// No side longer than `edge`.
fn shrunk(pixels: DynamicImage, edge: u32) -> DynamicImage {
    let longest = pixels.width().max(pixels.height());
    if longest <= edge {
        return pixels;
    }
    // The mean of squares first, which is fast; the rest by a filter that keeps edges sharp.
    let twice = edge.saturating_mul(2);
    let pixels = if longest > twice { pixels.thumbnail(twice, twice) } else { pixels };
    pixels.resize(edge, edge, FilterType::CatmullRom)
}

fn preview(pixels: &DynamicImage, turned: Orientation) -> Preview {
    let mut small = pixels.thumbnail(PREVIEW_EDGE, PREVIEW_EDGE);
    small.apply_orientation(turned);
    let small = small.into_rgba8();
    let (width, height) = (small.width() as usize, small.height() as usize);
    let hash = thumbhash::rgba_to_thumb_hash(width, height, small.as_raw());
    Preview { format: THUMBHASH.into(), data: STANDARD.encode(hash) }
}

fn encode(
    pixels: &DynamicImage,
    quality: u8,
    format: PictureFormat,
    colours: Option<Vec<u8>>,
) -> Result<Vec<u8>, PictureError> {
    let mut written = Vec::new();
    match format {
        PictureFormat::Jpeg => {
            let mut encoder = JpegEncoder::new_with_quality(&mut written, quality);
            if let Some(colours) = colours {
                // Without it, what a phone takes looks pale.
                let _ = encoder.set_icc_profile(colours);
            }
            let pixels = on_white(pixels);
            let (width, height) = pixels.dimensions();
            let kind = image::ExtendedColorType::Rgb8;
            let done = encoder.write_image(pixels.as_raw(), width, height, kind);
            done.map_err(|error| PictureError::Unwritable(error.to_string()))?;
        }
        PictureFormat::WebP => {
            let (width, height) = pixels.dimensions();
            if width.max(height) > WEBP_EDGE {
                return Err(PictureError::TooLarge);
            }
            let failed = |error| PictureError::Unwritable(format!("{error:?}"));
            let quality = f32::from(quality);
            let encoded = if pixels.color().has_alpha() {
                let pixels = pixels.to_rgba8();
                webp::Encoder::from_rgba(&pixels, width, height).encode_simple(false, quality)
            } else {
                let pixels = pixels.to_rgb8();
                webp::Encoder::from_rgb(&pixels, width, height).encode_simple(false, quality)
            };
            written.extend_from_slice(&encoded.map_err(failed)?);
        }
    }
    Ok(written)
}

/// The longest side that WebP knows.
const WEBP_EDGE: u32 = 16_383;

/// What was transparent is white.
fn on_white(pixels: &DynamicImage) -> RgbImage {
    if !pixels.color().has_alpha() {
        return pixels.to_rgb8();
    }
    let pixels = pixels.to_rgba8();
    RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let [red, green, blue, alpha] = pixels.get_pixel(x, y).0;
        let over = |colour: u8| {
            let mixed = u16::from(colour) * u16::from(alpha) + 255 * (255 - u16::from(alpha));
            u8::try_from(mixed / 255).unwrap_or(u8::MAX)
        };
        Rgb([over(red), over(green), over(blue)])
    })
}
