//! Small images that browsers show.

use std::sync::Arc;

/// An image in a format that every browser shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    content_type: &'static str,
    bytes: Arc<[u8]>,
}

/// The largest image, in bytes.
pub const IMAGE_BYTES_MAX: usize = 256 * 1024;

impl Image {
    /// The image with these bytes, the first of which tell its format. The
    /// error says what it must be. SVG is not accepted, because it can have
    /// scripts.
    pub fn of(bytes: Vec<u8>) -> Result<Image, String> {
        let content_type = match bytes.as_slice() {
            [0x89, b'P', b'N', b'G', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            _ => return Err("must be a PNG, JPEG or WebP image".into()),
        };
        if bytes.len() > IMAGE_BYTES_MAX {
            return Err(format!("must have at most {} kB", IMAGE_BYTES_MAX / 1024));
        }
        Ok(Image { content_type, bytes: bytes.into() })
    }

    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_a_known_format_and_a_limited_size() {
        let png = b"\x89PNG\r\n".to_vec();
        assert_eq!(Image::of(png.clone()).expect("a PNG").content_type(), "image/png");
        let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec();
        assert_eq!(Image::of(jpeg).expect("a JPEG").content_type(), "image/jpeg");
        assert!(Image::of(b"<svg onload=alert(1)>".to_vec()).is_err());
        assert!(Image::of(b"\xff\xfe<\0s\0v\0g\0".to_vec()).is_err(), "SVG in UTF-16");
        let long = [png, vec![0; IMAGE_BYTES_MAX]].concat();
        assert!(Image::of(long).expect_err("too long").contains("256 kB"));
    }
}
