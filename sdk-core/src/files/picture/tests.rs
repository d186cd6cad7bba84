//! Pictures of every turn, and what is none, damaged, or larger than it looks.

use image::{Rgba, RgbaImage};

use super::*;

type Colour = [u8; 3];
const RED: Colour = [220, 30, 30];
const GREEN: Colour = [30, 200, 30];
const BLUE: Colour = [30, 30, 220];
const WHITE: Colour = [250, 250, 250];

/// 80 × 40 pixels, each quarter of its own colour: from left to right, from top to bottom.
fn quarters() -> RgbImage {
    RgbImage::from_fn(80, 40, |x, y| {
        Rgb(match (x < 40, y < 20) {
            (true, true) => RED,
            (false, true) => GREEN,
            (true, false) => BLUE,
            (false, false) => WHITE,
        })
    })
}

/// EXIF data with an orientation and a place, as a segment of a JPEG.
fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"MM\0\x2a\0\0\0\x08".to_vec();
    tiff.extend(2u16.to_be_bytes());
    tiff.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    // Where the GPS data begin: behind this table.
    tiff.extend([0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38]);
    tiff.extend([0; 4]);
    tiff.extend(1u16.to_be_bytes());
    tiff.extend([0, 1, 0, 2, 0, 0, 0, 2, b'N', 0, 0, 0]);
    tiff.extend([0; 4]);
    tiff.extend(b"54.1234N 7.8901E");
    let mut segment = vec![0xff, 0xe1];
    segment.extend((tiff.len() as u16 + 8).to_be_bytes());
    segment.extend(b"Exif\0\0");
    segment.extend(tiff);
    segment
}

fn jpeg(orientation: Option<u8>) -> Vec<u8> {
    let pixels = quarters();
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, 95);
    encoder.write_image(&pixels, 80, 40, image::ExtendedColorType::Rgb8).unwrap();
    if let Some(orientation) = orientation {
        // Behind the mark of the beginning.
        file.splice(2..2, exif(orientation));
    }
    file
}

fn has(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|piece| piece == what)
}

fn near(colour: &[u8], wanted: Colour) -> bool {
    colour.iter().zip(wanted).all(|(is, wanted)| is.abs_diff(wanted) < 40)
}

/// The colours in the middle of the quarters.
fn shows(pixels: &RgbImage, wanted: [Colour; 4]) -> bool {
    let (width, height) = pixels.dimensions();
    let places = [(1, 1), (3, 1), (1, 3), (3, 3)];
    places
        .iter()
        .zip(wanted)
        .all(|((x, y), wanted)| near(&pixels.get_pixel(x * width / 4, y * height / 4).0, wanted))
}

fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn each_turn_shows_as_it_was_taken_and_nobody_learns_where() {
    let folder = tempfile::tempdir().unwrap();
    // By the EXIF standard: which row and column of the file is at the top and at the left.
    let turns = [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ];
    for (orientation, wanted) in turns {
        let bytes = jpeg(Some(orientation));
        assert!(has(&bytes, b"Exif") && has(&bytes, b"54.1234N"));
        let picture = Picture::read(file(&folder, "taken.bin", &bytes)).await.unwrap();
        let shown = if orientation < 5 { (80, 40) } else { (40, 80) };
        assert_eq!((picture.width, picture.height), shown, "{orientation}");
        assert_eq!((picture.content_type, picture.size), ("image/jpeg", bytes.len() as u64));
        let (width, height, pixels) = preview_pixels(&picture.preview).unwrap();
        assert_eq!(width > height, shown.0 > shown.1, "{orientation}");
        let pixels = RgbaImage::from_raw(width, height, pixels).unwrap();
        let corner = pixels.get_pixel(2, 2).0;
        let brightest = (0..3).max_by_key(|place| corner[*place]).unwrap();
        let of_wanted = (0..3).max_by_key(|place| wanted[0][*place]).unwrap();
        if wanted[0] != WHITE {
            assert_eq!(brightest, of_wanted, "{orientation}: {corner:?}");
        }
        for (format, kind) in
            [(PictureFormat::Jpeg, "image/jpeg"), (PictureFormat::WebP, "image/webp")]
        {
            let to = folder.path().join("small");
            let small = picture.recompress(&to, 40, 90, format).await.unwrap();
            let written = std::fs::read(&to).unwrap();
            let longest = (small.width.max(small.height), small.width.min(small.height));
            assert_eq!(longest, (40, 20));
            assert_eq!((small.content_type, small.size), (kind, written.len() as u64));
            for trace in [&b"Exif"[..], b"EXIF", b"54.1234N", b"XMP"] {
                assert!(!has(&written, trace), "{orientation} {kind}: {trace:?}");
            }
            let again = image::load_from_memory(&written).unwrap().to_rgb8();
            assert!(shows(&again, wanted), "{orientation} {kind}");
        }
    }
}

#[tokio::test]
async fn a_small_picture_is_not_enlarged_and_may_take_its_own_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "a.jpg", &jpeg(None));
    let picture = Picture::read(&path).await.unwrap();
    let same = picture.recompress(&path, 4_000, 10, PictureFormat::Jpeg).await.unwrap();
    assert_eq!((same.width, same.height), (80, 40));
    assert!(same.size < picture.size);
    let read = Picture::read(&path).await.unwrap();
    assert_eq!((read.width, read.height, read.size), (80, 40, same.size));
    let sharp = picture.recompress(&path, 80, 100, PictureFormat::WebP).await.unwrap();
    assert_eq!(Picture::read(&path).await.unwrap().content_type, "image/webp");
    let coarse = sharp.recompress(&path, 80, 0, PictureFormat::WebP).await.unwrap();
    assert!(coarse.size < sharp.size);
}

#[tokio::test]
async fn what_is_transparent_stays_so_in_webp_and_is_white_in_jpeg() {
    let folder = tempfile::tempdir().unwrap();
    let pixels = RgbaImage::from_pixel(30, 30, Rgba([200, 0, 0, 0]));
    let path = folder.path().join("a.png");
    pixels.save(&path).unwrap();
    let picture = Picture::read(&path).await.unwrap();
    assert_eq!(picture.content_type, "image/png");
    for (format, wanted) in [(PictureFormat::Jpeg, [255, 255]), (PictureFormat::WebP, [0, 0])] {
        let to = folder.path().join("b");
        picture.recompress(&to, 10, 80, format).await.unwrap();
        let again = image::load_from_memory(&std::fs::read(to).unwrap()).unwrap().to_rgba8();
        let [_, green, _, alpha] = again.get_pixel(5, 5).0;
        match format {
            PictureFormat::Jpeg => assert_eq!([green, alpha], wanted),
            PictureFormat::WebP => assert_eq!(alpha, 0),
        }
    }
}

#[tokio::test]
async fn every_known_kind_is_known_by_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    for (format, kind) in [
        (ImageFormat::Jpeg, "image/jpeg"),
        (ImageFormat::Png, "image/png"),
        (ImageFormat::WebP, "image/webp"),
        (ImageFormat::Gif, "image/gif"),
    ] {
        let mut bytes = io::Cursor::new(Vec::new());
        DynamicImage::from(quarters()).write_to(&mut bytes, format).unwrap();
        let path = file(&folder, "a.txt", bytes.get_ref());
        let picture = Picture::read(path).await.unwrap();
        assert_eq!((picture.content_type, picture.width, picture.height), (kind, 80, 40));
        assert!(picture.preview.data.len() < 100 && picture.preview.format == "thumbhash");
    }
}

#[tokio::test]
async fn what_is_no_picture_is_told_from_what_is_damaged_and_from_what_can_not_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, bytes: &[u8]| Picture::read(file(&folder, name, bytes));
    for none in [&b""[..], b"not a picture at all", b"BM6\0\0\0", &[0; 4_000]] {
        assert_eq!(read("none", none).await, Err(PictureError::NoPicture));
    }
    let mut png = io::Cursor::new(Vec::new());
    DynamicImage::from(quarters()).write_to(&mut png, ImageFormat::Png).unwrap();
    let png = png.into_inner();
    for end in [20, png.len() / 2] {
        let cut = read("cut.png", &png[..end]).await;
        assert!(matches!(cut, Err(PictureError::Damaged(_))), "{cut:?}");
    }
    let mut torn = png.clone();
    let middle = torn.len() / 2;
    torn[middle] ^= 0xff;
    assert!(matches!(read("torn.png", &torn).await, Err(PictureError::Damaged(_))));
    let cut = read("cut.jpg", &jpeg(None)[..30]).await;
    assert!(matches!(cut, Err(PictureError::Damaged(_))), "{cut:?}");
    let missing = Picture::read(folder.path().join("missing")).await;
    assert!(matches!(missing, Err(PictureError::Unreadable(_))));
    let no_file = Picture::read(folder.path()).await;
    assert!(matches!(no_file, Err(PictureError::Unreadable(_))));
    let whole = read("whole.png", &png).await.unwrap();
    let nowhere = folder.path().join("no such folder").join("a");
    let unwritable = whole.recompress(nowhere, 10, 80, PictureFormat::Jpeg).await;
    assert!(matches!(unwritable, Err(PictureError::Unwritable(_))));
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

#[tokio::test]
async fn a_small_file_that_unpacks_to_gigabytes_is_refused_before_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut png = io::Cursor::new(Vec::new());
    DynamicImage::from(quarters()).write_to(&mut png, ImageFormat::Png).unwrap();
    let mut png = png.into_inner();
    // Width and height in its head, and the sum that guards them.
    png[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let sum = crc(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    let bomb = Picture::read(file(&folder, "bomb.png", &png)).await;
    assert_eq!(bomb, Err(PictureError::TooLarge));

    let mut bytes = jpeg(None);
    let frame = bytes.windows(2).position(|mark| mark == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&65_000u16.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&65_000u16.to_be_bytes());
    let bomb = Picture::read(file(&folder, "bomb.jpg", &bytes)).await;
    assert_eq!(bomb, Err(PictureError::TooLarge));

    let mut gif = io::Cursor::new(Vec::new());
    DynamicImage::from(quarters()).write_to(&mut gif, ImageFormat::Gif).unwrap();
    let mut gif = gif.into_inner();
    gif[6..8].copy_from_slice(&65_000u16.to_le_bytes());
    gif[8..10].copy_from_slice(&65_000u16.to_le_bytes());
    let bomb = Picture::read(file(&folder, "bomb.gif", &gif)).await;
    assert_eq!(bomb, Err(PictureError::TooLarge));
}

#[test]
fn a_preview_of_another_kind_or_of_nonsense_shows_nothing() {
    let preview = |format: &str, data: &str| Preview { format: format.into(), data: data.into() };
    let mut rng = fastrand::Rng::with_seed(7);
    assert_eq!(preview_pixels(&preview("webp", "AAAA")), None);
    assert_eq!(preview_pixels(&preview("thumbhash", "no Base64")), None);
    for _ in 0..10_000 {
        let hash: Vec<u8> = (0..rng.usize(0..40)).map(|_| rng.u8(..)).collect();
        // Whatever it is, it is no panic and no giant.
        if let Some((width, height, pixels)) =
            preview_pixels(&preview("thumbhash", &STANDARD.encode(hash)))
        {
            assert!(width.max(height) <= 64 && pixels.len() == (width * height * 4) as usize);
        }
    }
}
