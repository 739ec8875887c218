//! Who sent a request that came through proxies, by `X-Forwarded-For`.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The first address, from the connection's `peer` backwards, that is no trusted proxy's.
///
/// Each proxy adds the address that it saw at the end, so the list is walked from the right, over several header lines, as
/// long as the addresses are those of `trusted` proxies. What stands before the first other one is only what somebody
/// claims. None when the walk comes to something that is no address.
#[must_use]
pub fn sender(trusted: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
    let is_trusted =
        |address: IpAddr| trusted.iter().any(|network| network.contains(&address.to_canonical()));
    let mut sender = peer;
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        // A line that is no text is no list of addresses; it is only looked at if somebody trusted has added it.
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

/// Whether a proxy has passed the request on, by its own word.
#[must_use]
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED_FOR) || headers.contains_key(http::header::FORWARDED)
}

/// `203.0.113.9`, `203.0.113.9:51234`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`, each perhaps in quotes.
fn address_in(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim_matches('"');
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    // Some put brackets around an IPv4 address too.
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
    fn a_peer_that_is_no_proxy_speaks_for_itself_alone() {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("185.71.76.5"));
        let peer: IpAddr = "203.0.113.9".parse().expect("an address");
        assert_eq!(sender(&[], peer, &headers), Some(peer));
    }
}
