//! Finds the sender of a request that came through proxies, from
//! `X-Forwarded-For`.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The first address, going back from the connection's `peer`, that does not
/// belong to a trusted proxy.
///
/// Each proxy appends the address that it saw, so the list is read from the
/// right, over several header lines, as long as the addresses belong to
/// `trusted` proxies. What is to the left of the first other address is only a
/// claim. `None` if an entry is not an address.
#[must_use]
pub fn sender(trusted: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
    let is_trusted =
        |address: IpAddr| trusted.iter().any(|network| network.contains(&address.to_canonical()));
    let mut sender = peer;
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        // A line that is not text contains no addresses. It is read only if a
        // trusted proxy has added it.
        let mut entries = line.to_str().unwrap_or("?").rsplit(',').map(str::trim);
        while is_trusted(sender) {
            match entries.next() {
                Some("") => {}
                Some(entry) => sender = address_in(entry)?,
                None => break,
            }
        }
    }
    Some(sender)
}

/// Whether the request's headers say that a proxy has forwarded it.
#[must_use]
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED_FOR) || headers.contains_key(http::header::FORWARDED)
}

/// Parses `203.0.113.9`, `203.0.113.9:51234`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:443`, each also in quotes.
fn address_in(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim_matches('"');
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    // Some proxies put brackets around an IPv4 address, too.
    let bracketed_with_port = || {
        let (address, port) = entry.strip_prefix('[')?.split_once("]:")?;
        port.parse::<u16>().ok()?;
        address.parse().ok()
    };
    bare.parse().ok().or_else(with_port).or_else(bracketed_with_port)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn walked(lines: &[&str]) -> Option<String> {
        let trusted: Vec<IpNet> = ["127.0.0.0/8", "10.0.0.0/8", "2001:db8:aaaa::/48"]
            .iter()
            .map(|network| network.parse().expect("a network"))
            .collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).expect("a header"));
        }
        let peer = "127.0.0.1".parse().expect("an address");
        sender(&trusted, peer, &headers).map(|address| address.to_string())
    }

    #[test]
    fn the_first_address_from_the_right_that_is_no_proxys_is_the_senders() {
        for (lines, address) in [
            (&["185.71.76.5"][..], "185.71.76.5"),
            (&["185.71.76.5:51234"], "185.71.76.5"),
            (&["[2a02:5180::1]:443"], "2a02:5180::1"),
            (&["[2a02:5180::1]"], "2a02:5180::1"),
            (&["\"[2a02:5180::1]:443\""], "2a02:5180::1"),
            (&["2a02:5180::1"], "2a02:5180::1"),
            (&["185.71.76.5, 10.0.0.5"], "185.71.76.5"),
            (&["185.71.76.5:80 , 10.0.0.5:8080,10.0.0.6"], "185.71.76.5"),
            (&["1.2.3.4, 185.71.76.5, 10.0.0.5"], "185.71.76.5"),
            (&["185.71.76.5", "10.0.0.5"], "185.71.76.5"),
            (&["1.2.3.4", "185.71.76.5", "10.0.0.5, 10.0.0.6"], "185.71.76.5"),
            (&["185.71.76.5, [2001:db8:aaaa::1]:443"], "185.71.76.5"),
            (&["nonsense, 185.71.76.5"], "185.71.76.5"),
            (&["185.71.76.5, "], "185.71.76.5"),
            (&["10.0.0.4, 10.0.0.5"], "10.0.0.4"),
            (&["::ffff:10.0.0.5"], "::ffff:10.0.0.5"),
            (&[], "127.0.0.1"),
            (&[""], "127.0.0.1"),
        ] {
            assert_eq!(walked(lines).as_deref(), Some(address), "{lines:?}");
        }
        for lines in [
            &["nonsense"][..],
            &["185.71.76.5, unknown, 10.0.0.5"],
            &["[185.71.76.5", "10.0.0.5"],
            &["1.2.3.4:99999"],
        ] {
            assert_eq!(walked(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn the_header_of_a_peer_that_is_no_proxy_is_ignored() {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("185.71.76.5"));
        let peer: IpAddr = "203.0.113.9".parse().expect("an address");
        assert_eq!(sender(&[], peer, &headers), Some(peer));
    }
}
