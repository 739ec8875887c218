//! Pictures of products: one width, without metadata, kept by their content.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Fingerprint, Kind, Partition, Unreadable};

/// The longest side of a picture that is shown, in pixels.
pub const SIDE_PIXELS_MAX: u32 = 640;

/// The longest picture that is kept, in bytes.
pub const KEPT_BYTES_MAX: usize = 256 * 1024;

/// The longest side of a picture that is read, in pixels, and the most memory
/// that it may take, in bytes.
const READ_PIXELS_MAX: u32 = 12_000;
const READ_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Of JPEG, in per cent: the first that makes it short enough.
const QUALITIES: [u8; 3] = [80, 55, 30];

/// Why a picture is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("it is no JPEG, PNG or WebP")]
    UnknownFormat,
    #[error("it cannot be read: {0}")]
    Damaged(String),
    #[error("it is too large")]
    TooLarge,
    #[error("it is not as `encode` makes pictures")]
    NotEncoded,
}

/// Makes a picture ready to be shown: upright, at most [`SIDE_PIXELS_MAX`] wide
/// and high, on white, as JPEG without metadata.
///
/// # Errors
/// When it is no picture, damaged, or too large.
pub fn encode(source: &[u8]) -> Result<Vec<u8>, Unusable> {
    let damaged = |why: image::ImageError| Unusable::Damaged(why.to_string());
    let format = image::guess_format(source).map_err(|_| Unusable::UnknownFormat)?;
    if !matches!(format, ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP) {
        return Err(Unusable::UnknownFormat);
    }
    let mut reader = ImageReader::with_format(Cursor::new(source), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(READ_PIXELS_MAX);
    limits.max_image_height = Some(READ_PIXELS_MAX);
    limits.max_alloc = Some(READ_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    // The reader's limits do not count the picture itself.
    if decoder.total_bytes() > READ_BYTES_MAX {
        return Err(Unusable::TooLarge);
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    // Before it is made smaller: what is clear has a colour of its own.
    let mut picture = match picture.color().has_alpha() {
        true => DynamicImage::ImageRgb8(on_white(&picture)),
        false => picture,
    };
    if picture.width() > SIDE_PIXELS_MAX || picture.height() > SIDE_PIXELS_MAX {
        picture = picture.resize(SIDE_PIXELS_MAX, SIDE_PIXELS_MAX, FilterType::Triangle);
    }
    picture.apply_orientation(orientation);
    let picture = picture.to_rgb8();
    for quality in QUALITIES {
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
        picture.write_with_encoder(encoder).map_err(damaged)?;
        if bytes.len() <= KEPT_BYTES_MAX {
            return Ok(bytes);
        }
    }
    Err(Unusable::TooLarge)
}

/// What shines through is white.
fn on_white(picture: &DynamicImage) -> RgbImage {
    let picture = picture.to_rgba8();
    let mut white = RgbImage::new(picture.width(), picture.height());
    for (seen, pixel) in white.pixels_mut().zip(picture.pixels()) {
        let [red, green, blue, opacity] = pixel.0.map(u32::from);
        let mixed = |colour: u32| {
            let sum = colour * opacity + 255 * (255 - opacity);
            u8::try_from(sum / 255).unwrap_or(u8::MAX)
        };
        *seen = Rgb([mixed(red), mixed(green), mixed(blue)]);
    }
    white
}

/// A picture's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// A JPEG.
    pub bytes: Bytes,
}

impl Picture {
    /// The picture in the bytes that [`encode`] has made.
    ///
    /// # Errors
    /// When they are others.
    pub fn of(bytes: Bytes) -> Result<Picture, Unusable> {
        if bytes.len() > KEPT_BYTES_MAX {
            return Err(Unusable::NotEncoded);
        }
        let reader = ImageReader::with_format(Cursor::new(&bytes), ImageFormat::Jpeg);
        let (width, height) = reader.into_dimensions().map_err(|_| Unusable::NotEncoded)?;
        let is_small = width <= SIDE_PIXELS_MAX && height <= SIDE_PIXELS_MAX;
        if is_small { Ok(Picture { bytes }) } else { Err(Unusable::NotEncoded) }
    }

    /// By what it is found: the same content is the same picture.
    #[must_use]
    pub fn id(&self) -> Fingerprint {
        Fingerprint::of(&[b"picture", &self.bytes])
    }

    #[must_use]
    pub const fn key_of(id: Fingerprint) -> DocKey {
        DocKey { partition: Partition::of_name(id), kind: Picture::KIND, id: id.get() }
    }
}

impl Document for Picture {
    const KIND: Kind = Kind::new(34, "pictures");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Picture, Unreadable> {
        document::decode(schema, bytes)
    }
}

/// Which picture a product shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownPicture {
    /// The address in the feed that it was fetched from.
    pub source: String,
    pub id: Fingerprint,
}

impl ShownPicture {
    /// Its address in the shop.
    #[must_use]
    pub fn address(&self) -> String {
        format!("/pictures/{}.jpg", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32, pixel: [u8; 4]) -> Vec<u8> {
        let picture = image::RgbaImage::from_pixel(width, height, image::Rgba(pixel));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).expect("written");
        bytes.into_inner()
    }

    #[test]
    fn a_picture_becomes_a_small_jpeg_on_white() {
        let jpeg = encode(&png(2000, 500, [255, 0, 0, 255])).expect("a picture");
        let picture = image::load_from_memory(&jpeg).expect("a JPEG");
        assert_eq!((picture.width(), picture.height()), (640, 160));
        let kept = Picture::of(jpeg.clone().into()).expect("encoded");
        assert_eq!(kept.id(), Picture::of(jpeg.into()).expect("the same").id());
        let clear = encode(&png(3, 3, [0, 0, 0, 0])).expect("a picture");
        let pixel = image::load_from_memory(&clear).expect("a JPEG").to_rgb8().get_pixel(1, 1).0;
        assert!(pixel.iter().all(|part| *part > 250), "{pixel:?}");
    }

    #[test]
    fn a_picture_full_of_detail_is_made_short_enough() {
        let mut seed = 1_u32;
        let noise = image::RgbImage::from_fn(640, 640, |_, _| {
            let mut next = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            };
            Rgb([next(), next(), next()])
        });
        let mut bytes = Cursor::new(Vec::new());
        noise.write_to(&mut bytes, ImageFormat::Png).expect("written");
        let jpeg = encode(&bytes.into_inner()).expect("a picture");
        assert!(Picture::of(jpeg.into()).is_ok());
    }

    #[test]
    fn what_is_no_picture_is_refused_and_not_kept() {
        assert_eq!(encode(b"<svg onload='x'/>"), Err(Unusable::UnknownFormat));
        assert_eq!(encode(b""), Err(Unusable::UnknownFormat));
        assert_eq!(encode(b"GIF89a\x01\x00\x01\x00"), Err(Unusable::UnknownFormat));
        let whole = png(50, 50, [1, 2, 3, 255]);
        assert!(matches!(encode(&whole[..whole.len() / 2]), Err(Unusable::Damaged(_))));
        // The header claims more than there may be.
        let mut bomb = png(10, 10, [1, 2, 3, 255]);
        bomb[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
        assert!(matches!(encode(&bomb), Err(Unusable::Damaged(_))));
        // A small file that would take a gigabyte.
        let wide = png(12_000, 8_000, [1, 2, 3, 255]);
        assert_eq!(encode(&wide), Err(Unusable::TooLarge));
        assert_eq!(Picture::of(whole.into()), Err(Unusable::NotEncoded), "a PNG");
        assert_eq!(Picture::of(Bytes::from_static(b"\xff\xd8\xff")), Err(Unusable::NotEncoded));
    }
}
