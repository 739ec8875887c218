//! Reads a request's body up to a limit, and decompresses it.
//!
//! Signatures cover the bytes as they arrived; everything else uses the
//! decompressed ones. So these are two functions, and a signature is verified
//! between them.

use std::io::Read;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use crate::Problem;
use crate::deadline::{Elapsed, within};
use crate::fields::{Faults, Fields};
use tillgate_kernel::json::{Object, tidy};

/// The longest body that is read, in bytes, both compressed and decompressed.
/// An order of 3 000 lines has about 800 kB.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How much of a longer body is read and discarded, in bytes. Otherwise a
/// sender who is still writing would see its connection break instead of the
/// answer.
const DISCARDED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long a body may take to arrive. Together with the time for storing a
/// hook, it is less than the sender's timeout of 5 s.
const BODY_SECONDS_MAX: u64 = 2;

/// Reads a body up to the limit. The flag says whether the body is complete.
pub async fn read_body<B>(mut body: B) -> Result<(Bytes, bool), Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let reading = async {
        let mut whole: Option<Bytes> = None;
        let mut gathered = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                Problem::bad_request("the connection broke while the body was sent")
            })?;
            let Ok(data) = frame.into_data() else { continue };
            // Nearly every hook arrives in one piece, which need not be copied.
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
    match within(Duration::from_secs(BODY_SECONDS_MAX), reading).await {
        Ok(read) => read,
        Err(Elapsed) => {
            Err(Problem::request_timeout(format!("the body took longer than {BODY_SECONDS_MAX} s")))
        }
    }
}

async fn discard<B: Body<Data = Bytes> + Unpin>(body: &mut B) {
    let mut left = DISCARDED_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        if length > left {
            return;
        }
        left -= length;
    }
}

/// The JSON of a body as it arrived, decompressed if necessary.
pub fn unpack(headers: &HeaderMap, body: &Bytes) -> Result<Bytes, Unusable> {
    let plain = match encoding(headers)? {
        Encoding::Plain => body.clone(),
        Encoding::Gzip => gunzip(body)?,
    };
    // Some senders send JSON with the Content-Type of a form, and others a form
    // with the Content-Type of JSON. The content decides.
    if plain.trim_ascii_start().starts_with(b"{") {
        return Ok(plain);
    }
    let tidied = tidy(&plain);
    if !tidied.text.is_empty()
        && !tidied.text.starts_with(b"{")
        && (is_form(headers) || looks_like_form(&tidied.text))
    {
        let detail = "the body is a form: send JSON, with Content-Type: application/json";
        return Err(rejection(UnusableKind::UnsupportedForm, detail));
    }
    Ok(plain)
}

/// Reads the whole body of a request to our own API, decompressed.
pub async fn read_plain<B>(headers: &HeaderMap, body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (bytes, is_whole) = read_body(body).await?;
    if !is_whole {
        return Err(Problem::too_large(format!(
            "a request may have at most {BODY_BYTES_MAX} bytes"
        )));
    }
    unpack(headers, &bytes).map_err(Problem::from)
}

/// Parses the JSON of a request to our own API.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let read: Result<Object<T>, _> = serde_json::from_slice(&tidy(body).text);
    read.map(|Object(value)| value).map_err(|why| match why.classify() {
        serde_json::error::Category::Data => Problem::validation_failed(why.to_string()),
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => {
            Problem::bad_request(format!("the body is not JSON: {why}"))
        }
    })
}

/// Reads a request with the fields of `fields`. The problem has all faults of
/// its fields.
pub fn read_fields<T: DeserializeOwned>(body: &[u8], fields: Fields) -> Result<T, Problem> {
    if let Ok(value) = serde_json::from_slice(&tidy(body).text) {
        let mut faults = Faults::new();
        faults.find(&value, fields);
        faults.check()?;
    }
    read_json(body)
}

/// The error for a body of which only the beginning was read.
pub fn too_large() -> Unusable {
    rejection(UnusableKind::TooLarge, &format!("the body is longer than {BODY_BYTES_MAX} bytes"))
}

fn rejection(why: UnusableKind, detail: &str) -> Unusable {
    Unusable { why, detail: detail.to_owned() }
}

/// Why a body cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    pub why: UnusableKind,
    /// A description for the sender.
    pub detail: String,
}

/// The kinds of unusable bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnusableKind {
    /// Its content does not match its headers.
    Malformed,
    /// It is longer than [`BODY_BYTES_MAX`].
    TooLarge,
    /// It has an unsupported compression or format.
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
                    let detail = format!(
                        "Content-Encoding: {shown} is not supported: send gzip, once, or none"
                    );
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
            let detail =
                format!("Content-Encoding says gzip, but the body cannot be decompressed: {why}");
            Err(rejection(UnusableKind::Malformed, &detail))
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind =
        headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "application/x-www-form-urlencoded" | "multipart/form-data")
}

/// Whether it begins like a form: with `name=value`, or with the boundary of a
/// multipart form.
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
    fn a_compressed_body_is_decompressed_up_to_the_limit() {
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
        for broken in
            [&b"{}"[..], b"", &gzip(b"{}")[..12], &[gzip(b"{}").as_ref(), b"rest"].concat()]
        {
            let (why, detail) = refused(&gzipped, &Bytes::copy_from_slice(broken));
            assert_eq!(why, UnusableKind::Malformed, "{detail}");
        }
    }

    #[test]
    fn an_unsupported_encoding_or_format_is_named() {
        let body = gzip(b"{}");
        for name in ["br", "deflate", "zstd", "gzip, gzip", "aws-chunked"] {
            let (why, detail) = refused(&[(header::CONTENT_ENCODING, name)], &body);
            assert!(
                why == UnusableKind::UnsupportedForm && detail.contains("send gzip"),
                "{name}: {detail}"
            );
        }
        for kind in [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "Application/X-WWW-Form-UrlEncoded; charset=utf-8",
        ] {
            let (why, detail) = refused(
                &[(header::CONTENT_TYPE, kind)],
                &Bytes::from_static(b"event_type=order.created"),
            );
            assert!(
                why == UnusableKind::UnsupportedForm && detail.contains("application/json"),
                "{kind}: {detail}"
            );
        }
        // curl's -d sends this Content-Type with any content.
        let form = headers(&[(header::CONTENT_TYPE, "application/x-www-form-urlencoded")]);
        assert_eq!(unpack(&form, &Bytes::from_static(b"\xef\xbb\xbf {}")).expect("JSON").len(), 6);
    }
}
