//! A request's body: read up to a limit, and unpacked.
//!
//! Signatures are over the bytes as they came, everything else looks at the unpacked ones. So the two steps are two
//! functions, and whoever verifies does so between them.

use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use crate::Problem;
use tillgate_kernel::json::{Object, tidy};

/// The longest body that is read, in bytes, packed or unpacked. A 3 000-line order is about 800 kB.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How much of a longer one is read and thrown away, in bytes: a sender who is still writing would see its
/// connection break and not the answer.
const DISCARDED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long a body may take to come: with the time for keeping a hook, less than its sender's 5 s.
const BODY_SECONDS_MAX: u64 = 2;

/// Reads a body up to the limit. The flag says whether that was all of it.
pub async fn read_body(mut body: Body) -> Result<(Bytes, bool), Problem> {
    let reading = async {
        let mut whole: Option<Bytes> = None;
        let mut gathered = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Problem::bad_request("the connection broke within the body"))?;
            let Ok(data) = frame.into_data() else { continue };
            // Nearly every hook comes in one piece, which need not be copied.
            if whole.is_none() && gathered.is_empty() {
                whole = Some(data);
            } else {
                if let Some(first) = whole.take() {
                    gathered.extend_from_slice(&first);
                }
                gathered.extend_from_slice(&data);
            }
            if whole.as_ref().map_or(gathered.len(), Bytes::len) > BODY_BYTES_MAX {
                let bytes = whole.unwrap_or_else(|| gathered.freeze());
                discard(&mut body).await;
                return Ok((bytes.slice(..BODY_BYTES_MAX), false));
            }
        }
        Ok((whole.unwrap_or_else(|| gathered.freeze()), true))
    };
    match tokio::time::timeout(Duration::from_secs(BODY_SECONDS_MAX), reading).await {
        Ok(read) => read,
        Err(_) => Err(Problem::request_timeout(format!("the body took longer than {BODY_SECONDS_MAX} s"))),
    }
}

async fn discard(body: &mut Body) {
    let mut left = DISCARDED_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        if length > left {
            return;
        }
        left -= length;
    }
}

/// The JSON in a body as it came, unpacked if it was packed.
pub fn unpack(headers: &HeaderMap, body: &Bytes) -> Result<Bytes, Unusable> {
    let plain = match encoding(headers)? {
        Encoding::Plain => body.clone(),
        Encoding::Gzip => gunzip(body)?,
    };
    // Some senders leave their library's word for forms on JSON, and others say JSON of a form: what counts is what stands there.
    let tidied = tidy(&plain);
    if !tidied.text.starts_with(b"{") && (is_form(headers) || looks_like_form(&tidied.text)) {
        let detail = "the body is a form: send JSON, with Content-Type: application/json";
        return Err(rejection(UnusableKind::UnsupportedForm, detail));
    }
    Ok(plain)
}

/// Reads a whole request of our own API, unpacked.
pub async fn read_plain(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let (bytes, is_whole) = read_body(body).await?;
    if !is_whole {
        return Err(Problem::too_large(format!("a request may have {BODY_BYTES_MAX} bytes")));
    }
    unpack(headers, &bytes).map_err(Problem::from)
}

/// Reads the JSON of a request of our own API.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let read: Result<Object<T>, _> = serde_json::from_slice(&tidy(body).text);
    read.map(|Object(value)| value).map_err(|why| match why.classify() {
        serde_json::error::Category::Data => Problem::validation_failed(why.to_string()),
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => Problem::bad_request(format!("the body is not JSON: {why}")),
    })
}

/// A body of which only the beginning was read.
pub fn too_large() -> Unusable {
    rejection(UnusableKind::TooLarge, &format!("the body is longer than {BODY_BYTES_MAX} bytes"))
}

fn rejection(why: UnusableKind, detail: &str) -> Unusable {
    Unusable { why, detail: detail.to_owned() }
}

/// Why a body cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// What is the matter.
    pub why: UnusableKind,
    /// The same in words, for the sender.
    pub detail: String,
}

/// The kinds of unusable bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnusableKind {
    /// It is not what its headers say.
    Malformed,
    /// It is longer than is read.
    TooLarge,
    /// It is packed in a way, or has a form, that is not read.
    UnsupportedForm,
}

impl From<Unusable> for Problem {
    fn from(body: Unusable) -> Problem {
        match body.why {
            UnusableKind::Malformed => Problem::bad_request(body.detail),
            UnusableKind::TooLarge => Problem::too_large(body.detail),
            UnusableKind::UnsupportedForm => Problem::unsupported_media_type(body.detail),
        }
    }
}

enum Encoding {
    Plain,
    Gzip,
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Unusable> {
    let mut packed = false;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for name in value.to_str().unwrap_or("?").split(',').map(str::trim) {
            match name.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" if !packed => packed = true,
                _ => {
                    let shown: String = name.chars().take(40).collect();
                    let detail =
                        format!("Content-Encoding: {shown} is not taken: send gzip, once, or no encoding");
                    return Err(rejection(UnusableKind::UnsupportedForm, &detail));
                }
            }
        }
    }
    Ok(if packed { Encoding::Gzip } else { Encoding::Plain })
}

fn gunzip(packed: &[u8]) -> Result<Bytes, Unusable> {
    let mut plain = Vec::new();
    let most = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX);
    let read = MultiGzDecoder::new(packed).take(most + 1).read_to_end(&mut plain);
    if plain.len() > BODY_BYTES_MAX {
        let detail = format!("unpacked, the body is longer than {BODY_BYTES_MAX} bytes");
        return Err(rejection(UnusableKind::TooLarge, &detail));
    }
    match read {
        Ok(_) => Ok(plain.into()),
        Err(why) => {
            let detail = format!("the body is no gzip, as Content-Encoding says it is: {why}");
            Err(rejection(UnusableKind::Malformed, &detail))
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "application/x-www-form-urlencoded" | "multipart/form-data")
}

/// `name=value`, as forms begin, or the first boundary of one in parts.
fn looks_like_form(text: &[u8]) -> bool {
    let is_part_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-+%[]".contains(byte);
    let name = text.iter().take_while(|byte| is_part_of_name(byte)).count();
    (name > 0 && text.get(name) == Some(&b'=')) || text.starts_with(b"--")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn gzip(plain: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).expect("memory");
        encoder.finish().expect("memory").into()
    }

    fn headers(given: &[(HeaderName, &'static str)]) -> HeaderMap {
        given.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn refused(given: &[(HeaderName, &'static str)], body: &Bytes) -> (UnusableKind, String) {
        let rejection = unpack(&headers(given), body).expect_err("refused");
        (rejection.why, rejection.detail)
    }

    #[test]
    fn what_is_packed_is_unpacked_up_to_the_limit() {
        for name in ["gzip", "GZIP", "x-gzip", "identity, gzip"] {
            let plain = unpack(&headers(&[(header::CONTENT_ENCODING, name)]), &gzip(b"{}"));
            assert_eq!(plain.expect("unpacked").as_ref(), b"{}", "{name}");
        }
        let joined: Bytes = [gzip(b"{"), gzip(b"}")].concat().into();
        let gzipped = [(header::CONTENT_ENCODING, "gzip")];
        assert_eq!(unpack(&headers(&gzipped), &joined).expect("unpacked").as_ref(), b"{}");
        let most = gzip(&vec![b' '; BODY_BYTES_MAX]);
        assert_eq!(unpack(&headers(&gzipped), &most).expect("unpacked").len(), BODY_BYTES_MAX);
        let bomb = gzip(&vec![b' '; BODY_BYTES_MAX + 1]);
        assert!(bomb.len() < 10_000);
        assert_eq!(refused(&gzipped, &bomb).0, UnusableKind::TooLarge);
        for broken in [&b"{}"[..], b"", &gzip(b"{}")[..12], &[gzip(b"{}").as_ref(), b"rest"].concat()] {
            let (why, detail) = refused(&gzipped, &Bytes::copy_from_slice(broken));
            assert_eq!(why, UnusableKind::Malformed, "{detail}");
        }
    }

    #[test]
    fn what_is_not_taken_is_named() {
        let body = gzip(b"{}");
        for name in ["br", "deflate", "zstd", "gzip, gzip", "aws-chunked"] {
            let (why, detail) = refused(&[(header::CONTENT_ENCODING, name)], &body);
            assert!(why == UnusableKind::UnsupportedForm && detail.contains("send gzip"), "{name}: {detail}");
        }
        for kind in [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "Application/X-WWW-Form-UrlEncoded; charset=utf-8",
        ] {
            let (why, detail) =
                refused(&[(header::CONTENT_TYPE, kind)], &Bytes::from_static(b"event_type=order.created"));
            assert!(
                why == UnusableKind::UnsupportedForm && detail.contains("application/json"),
                "{kind}: {detail}"
            );
        }
        // curl's -d says so of whatever it sends.
        let form = headers(&[(header::CONTENT_TYPE, "application/x-www-form-urlencoded")]);
        assert_eq!(unpack(&form, &Bytes::from_static(b"\xef\xbb\xbf {}")).expect("JSON").len(), 6);
    }
}
