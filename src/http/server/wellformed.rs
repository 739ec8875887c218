//! What RFC 9112 wants refused and hyper lets pass: requests that two programs in a row could read as different ones.

use http::{Request, Version, header};

use crate::http::problem::Problem;

/// Refuses a request that does not say for which host it is, or says two lengths of its body.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    let headers = request.headers();
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Err(Problem::bad_request("send one Host header"));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        if request.version() != Version::HTTP_11 {
            return Err(Problem::bad_request("Transfer-Encoding is for HTTP/1.1"));
        }
        if headers.contains_key(header::CONTENT_LENGTH) {
            return Err(Problem::bad_request("send Content-Length or Transfer-Encoding, not both"));
        }
    }
    Ok(())
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
            (Version::HTTP_10, &[("transfer-encoding", "chunked")], false),
            (
                Version::HTTP_11,
                &[("host", "a"), ("transfer-encoding", "chunked"), ("content-length", "3")],
                false,
            ),
        ];
        for (version, headers, is_taken) in cases {
            let mut request = Request::builder().version(*version);
            for (name, value) in *headers {
                request = request.header(*name, *value);
            }
            let request = request.body(()).expect("a request");
            assert_eq!(check(&request).is_ok(), *is_taken, "{version:?} {headers:?}");
        }
    }
}
