//! Refuses requests that RFC 9112 forbids and hyper accepts: two programs in a
//! row could parse them as different requests.

use http::uri::Authority;
use http::{HeaderValue, Request, Version, header};

use crate::Problem;

/// Refuses a request without exactly one valid host, or with two different ways
/// to give the length of its body.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host) => {}
        (None, None) if request.version() != Version::HTTP_11 => {}
        (_, _) => {
            return Err(Problem::bad_request("send exactly one Host header with a valid host"));
        }
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let is_chunked = encodings
            .next()
            .is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !is_chunked || encodings.next().is_some() {
            return Err(Problem::bad_request("the only supported Transfer-Encoding is chunked"));
        }
        if request.version() != Version::HTTP_11 {
            return Err(Problem::bad_request("Transfer-Encoding requires HTTP/1.1"));
        }
        if headers.contains_key(header::CONTENT_LENGTH) {
            return Err(Problem::bad_request("send Content-Length or Transfer-Encoding, not both"));
        }
    }
    Ok(())
}

/// A host, optionally with a port. It may be empty, which a client sends that
/// has no name for us.
fn is_host(value: &HeaderValue) -> bool {
    value.is_empty()
        || Authority::try_from(value.as_bytes()).is_ok_and(|found| !found.as_str().contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_can_be_read_in_two_ways_is_refused() {
        type Case<'a> = (Version, &'a [(&'a str, &'a str)], bool);
        let cases: &[Case<'_>] = &[
            (Version::HTTP_11, &[("host", "a")], true),
            (Version::HTTP_10, &[], true),
            (Version::HTTP_11, &[], false),
            (Version::HTTP_11, &[("host", "a"), ("host", "a")], false),
            (Version::HTTP_10, &[("host", "a"), ("host", "b")], false),
            (Version::HTTP_11, &[("host", "a"), ("transfer-encoding", "chunked")], true),
            (Version::HTTP_11, &[("host", "a b")], false),
            (Version::HTTP_11, &[("host", "user@a")], false),
            (Version::HTTP_11, &[("host", "[::1]:8080")], true),
            (Version::HTTP_11, &[("host", "")], true),
            (Version::HTTP_11, &[("host", "a"), ("transfer-encoding", "Chunked")], true),
            (Version::HTTP_11, &[("host", "a"), ("transfer-encoding", "gzip, chunked")], false),
            (
                Version::HTTP_11,
                &[
                    ("host", "a"),
                    ("transfer-encoding", "chunked"),
                    ("transfer-encoding", "chunked"),
                ],
                false,
            ),
            (Version::HTTP_10, &[("transfer-encoding", "chunked")], false),
            (
                Version::HTTP_11,
                &[("host", "a"), ("transfer-encoding", "chunked"), ("content-length", "3")],
                false,
            ),
        ];
        for (version, headers, is_accepted) in cases {
            let mut request = Request::builder().version(*version);
            for (name, value) in *headers {
                request = request.header(*name, *value);
            }
            let request = request.body(()).expect("a request");
            assert_eq!(check(&request).is_ok(), *is_accepted, "{version:?} {headers:?}");
        }
    }
}
