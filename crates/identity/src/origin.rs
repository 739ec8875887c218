//! Where a request of a browser comes from: changes are taken from our own
//! pages only.

/// What a browser says about the page that sends a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sender<'a> {
    /// The header `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// The header `Origin`.
    pub origin: Option<&'a str>,
}

impl Sender<'_> {
    /// Whether another site's page sends it. `own` is our address as browsers
    /// write it, such as `https://shop.example`.
    ///
    /// A program that is no browser sends neither header; it has no cookies of
    /// a person who does not know of it.
    #[must_use]
    pub fn is_another_site(&self, own: &str) -> bool {
        match (self.fetch_site, self.origin) {
            (Some("same-origin" | "none"), None) => false,
            (Some("same-origin"), Some(_)) => false,
            (_, Some(origin)) => !origin.eq_ignore_ascii_case(own),
            (Some(_), None) => true,
            (None, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_programs_send_changes() {
        let cases = [
            (None, None, false),
            (Some("same-origin"), None, false),
            (Some("same-origin"), Some("https://shop.example"), false),
            (Some("none"), None, false),
            (None, Some("https://shop.example"), false),
            (None, Some("HTTPS://SHOP.EXAMPLE"), false),
            (None, Some("null"), true),
            (None, Some("https://shop.example.evil.example"), true),
            (None, Some("http://shop.example"), true),
            (Some("cross-site"), None, true),
            (Some("same-site"), None, true),
            (Some("cross-site"), Some("https://evil.example"), true),
            (Some("none"), Some("https://evil.example"), true),
        ];
        for (fetch_site, origin, is_another) in cases {
            let sender = Sender { fetch_site, origin };
            assert_eq!(sender.is_another_site("https://shop.example"), is_another, "{sender:?}");
        }
    }
}
