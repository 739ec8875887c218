use super::*;

#[test]
fn a_site_says_how_long_to_wait_in_seconds_or_by_a_date() {
    let now = "2026-11-28T07:00:00Z".parse().expect("a time");
    let retry_after = |text: &str| {
        let value = HeaderValue::from_str(text).expect("a header");
        retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, value)]), now)
            .map(|retry_after| retry_after.as_secs())
    };
    assert_eq!(
        (retry_after("120"), retry_after(" 0 "), retry_after("Sat, 28 Nov 2026 07:02:00 GMT")),
        (Some(120), Some(0), Some(120))
    );
    assert_eq!(
        (retry_after("Saturday, 28-Nov-26 07:02:00 GMT"), retry_after("Sat Nov 28 07:02:00 2026")),
        (Some(120), Some(120))
    );
    let hour = WISH_MAX.as_secs();
    assert!(retry_after("18446744073709551616").is_some_and(|retry_after| retry_after >= hour));
    assert!(
        retry_after("Fri, 31 Dec 9999 23:59:59 GMT").is_some_and(|retry_after| retry_after >= hour)
    );
    assert_eq!(
        (retry_after("Sat, 28 Nov 2026 06:00:00 GMT"), retry_after("soon"), retry_after("-1")),
        (Some(0), None, None)
    );
}

#[test]
fn a_secret_without_its_prefix_is_none() {
    assert_eq!(webhook_key(&Secret::new("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")), None);
    assert_eq!(webhook_key(&Secret::new("whsec_%%%")), None);
}
