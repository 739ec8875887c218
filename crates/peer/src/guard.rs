//! Checks addresses that came in a request: the sender may mean a machine that
//! only we can reach. Only addresses on the public internet are called, and
//! those in networks that the operator allows.
//!
//! A host name is checked by the IP addresses that it resolves to at the time
//! of the call, and only those are connected to. A name that was public when
//! the request arrived may be private when it is called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// IPv4 networks that are not the public internet (IANA IPv4 Special-Purpose
/// Address Registry, and multicast).
static SPECIAL_V4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| {
    networks(&[
        "0.0.0.0/8",       // this network
        "10.0.0.0/8",      // private
        "100.64.0.0/10",   // carrier-grade NAT
        "127.0.0.0/8",     // this machine
        "169.254.0.0/16",  // link-local; clouds serve machines' secrets there
        "172.16.0.0/12",   // private
        "192.0.0.0/24",    // IETF protocols
        "192.0.2.0/24",    // documentation
        "192.88.99.0/24",  // 6to4 relays
        "192.168.0.0/16",  // private
        "198.18.0.0/15",   // benchmarks
        "198.51.100.0/24", // documentation
        "203.0.113.0/24",  // documentation
        "224.0.0.0/4",     // multicast
        "240.0.0.0/4",     // reserved, and broadcast
    ])
});

/// The part of IPv6 that is assigned to the public (IANA IPv6 Global Unicast
/// Address Assignments).
static PUBLIC_V6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| networks(&["2000::/3"]));

/// The parts of [`PUBLIC_V6`] with another purpose (IANA IPv6 Special-Purpose
/// Address Registry).
static SPECIAL_V6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| {
    networks(&[
        "2001::/23",     // IETF protocols, including Teredo
        "2001:db8::/32", // documentation
        "2002::/16",     // 6to4: contains an IPv4 address
        "3fff::/20",     // documentation
    ])
});

/// IPv4 addresses as seen from IPv6 networks (RFC 6052): the last four bytes
/// are the IPv4 address.
static TRANSLATED: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| networks(&["64:ff9b::/96"]));

fn networks<N: std::str::FromStr>(list: &[&str]) -> Vec<N> {
    list.iter().filter_map(|network| network.parse().ok()).collect()
}

/// The longest accepted address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 1000;

/// Decides which addresses from requests may be called.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: Arc<[IpNet]>,
}

/// Why an address is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// It is not a valid address, or too long.
    #[error(
        "it must be an address such as https://shop.example/tillgate, of at most \
         {ADDRESS_BYTES_MAX} bytes"
    )]
    NoAddress,
    /// A user name or password in it would appear in lists and logs.
    #[error("it must not contain a user name or a password")]
    Credentials,
    /// Without encryption, others on the network path could read and change the
    /// content.
    #[error(
        "it must begin with https://, unless it is an IP address in one of the gateway's \
         callback_networks"
    )]
    InTheClear,
    /// It is in a private network that only we can reach.
    #[error(
        "{0} is not on the public internet; the gateway's operator can allow its network with \
         callback_networks"
    )]
    NotPublic(IpAddr),
    /// The host name resolves to no address that may be called.
    #[error(
        "{0} is not found on the public internet; if it is a name in the gateway's own network, \
         its operator can allow that with callback_networks"
    )]
    NotFound(String),
}

impl Guard {
    /// Creates a guard that also admits these networks, in addition to the
    /// public internet.
    #[must_use]
    pub fn new(allowed: impl IntoIterator<Item = IpNet>) -> Guard {
        Guard { allowed: allowed.into_iter().collect() }
    }

    /// Whether an address may be called, as far as this can be decided without
    /// resolving a name.
    pub fn admit(&self, url: &str) -> Result<Url, NotAdmitted> {
        let parsed =
            Url::parse(url).ok().filter(|parsed| ["http", "https"].contains(&parsed.scheme()));
        // In the form in which it will be stored and checked again.
        let parsed = parsed.filter(|parsed| parsed.as_str().len() <= ADDRESS_BYTES_MAX);
        let parsed = parsed.ok_or(NotAdmitted::NoAddress)?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(NotAdmitted::Credentials);
        }
        // IP addresses are parsed as by the code that connects: 127.1,
        // 0x7f000001 and [::ffff:7f00:1] are the same.
        let host = parsed.host_str().unwrap_or_default();
        let number: Option<IpAddr> =
            host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        match number {
            Some(ip) if self.admits(ip) => {}
            Some(ip) => return Err(NotAdmitted::NotPublic(ip)),
            None => {}
        }
        // In the operator's own networks there may be no certificates.
        let is_at_home = number.is_some_and(|ip| self.allows(ip));
        if parsed.scheme() != "https" && !is_at_home {
            return Err(NotAdmitted::InTheClear);
        }
        Ok(parsed)
    }

    fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.allowed.iter().any(|network| network.contains(&ip))
    }

    fn admits(&self, ip: IpAddr) -> bool {
        self.allows(ip)
            || match ip.to_canonical() {
                IpAddr::V4(ip) => is_public_v4(ip),
                IpAddr::V6(ip) => is_public_v6(ip),
            }
    }

    /// The addresses of a resolved name that may be called.
    fn sift(&self, name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, NotAdmitted> {
        let (admitted, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|address| self.admits(address.ip()));
        if !admitted.is_empty() {
            return Ok(admitted);
        }
        if let Some(other) = others.first() {
            // Only for the operator: the sender must not learn which internal
            // names exist, nor their addresses.
            let address = other.ip();
            tracing::warn!(
                name,
                %address,
                "a host name from a request resolves to no public address and is not called"
            );
        }
        Err(NotAdmitted::NotFound(name.to_owned()))
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|network| network.contains(&ip))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if TRANSLATED.iter().any(|network| network.contains(&ip)) {
        let [.., a, b, c, d] = ip.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let lies_in = |networks: &[Ipv6Net]| networks.iter().any(|network| network.contains(&ip));
    lies_in(&PUBLIC_V6) && !lies_in(&SPECIAL_V6)
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map(Iterator::collect);
            let found: Vec<SocketAddr> = found.unwrap_or_else(|why| {
                tracing::warn!(
                    name = name.as_str(),
                    error = %why,
                    "a host name from a request could not be resolved"
                );
                Vec::new()
            });
            let addresses: Addrs = Box::new(guard.sift(name.as_str(), found)?.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_home() -> Guard {
        Guard::new(
            ["127.0.0.0/8", "10.1.0.0/16"]
                .iter()
                .map(|network| network.parse().expect("a network")),
        )
    }

    #[test]
    fn every_network_of_the_lists_is_parsed() {
        assert_eq!(
            (SPECIAL_V4.len(), PUBLIC_V6.len(), SPECIAL_V6.len(), TRANSLATED.len()),
            (15, 1, 4, 1)
        );
    }

    #[test]
    fn only_public_addresses_are_admitted() {
        let guard = Guard::default();
        for ip in [
            "1.1.1.1",
            "172.15.255.255",
            "172.32.0.0",
            "100.63.255.255",
            "192.167.0.1",
            "223.255.255.255",
        ] {
            assert!(guard.admit(&format!("https://{ip}/x")).is_ok(), "{ip}");
        }
        for ip in
            ["[2606:4700:4700::1111]", "[2a00:1450::1]", "[64:ff9b::101:101]", "[::ffff:1.1.1.1]"]
        {
            assert!(guard.admit(&format!("https://{ip}/x")).is_ok(), "{ip}");
        }
        for ip in [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2001:0:1::1]",
            "[3fff::1]",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "198.51.100.1",
            "203.0.113.1",
            "240.0.0.1",
            "[2001:db8::1]",
            "[::7f00:1]",
        ] {
            let refused = guard.admit(&format!("https://{ip}/x"));
            assert!(matches!(refused, Err(NotAdmitted::NotPublic(_))), "{ip}: {refused:?}");
        }
    }

    #[test]
    fn an_address_must_be_complete_and_encrypted() {
        let guard = at_home();
        assert_eq!(guard.admit("http://shop.example/x"), Err(NotAdmitted::InTheClear));
        assert_eq!(guard.admit("http://1.1.1.1/x"), Err(NotAdmitted::InTheClear));
        assert_eq!(guard.admit("https://a:b@shop.example/"), Err(NotAdmitted::Credentials));
        assert_eq!(guard.admit("https://a@shop.example/"), Err(NotAdmitted::Credentials));
        for none in [
            "",
            "shop.example",
            "ftp://shop.example/",
            "file:///etc/passwd",
            "https://",
            "https:///x",
        ] {
            let refused = guard.admit(none);
            assert!(
                refused.is_err() || refused.is_ok_and(|url| url.host_str() == Some("x")),
                "{none}"
            );
        }
        let long = format!("https://shop.example/{}", "x".repeat(ADDRESS_BYTES_MAX));
        assert_eq!(guard.admit(&long), Err(NotAdmitted::NoAddress));
        // An admitted address is also admitted in its stored form.
        let grows = |signs| format!("https://shop.example/{}", "ы".repeat(signs));
        let kept = guard.admit(&grows(160)).expect("admitted");
        assert!(guard.admit(kept.as_str()).is_ok());
        assert_eq!(guard.admit(&grows(400)), Err(NotAdmitted::NoAddress));
        // In the operator's own networks.
        assert!(
            guard.admit("http://127.0.0.1:8080/x").is_ok()
                && guard.admit("http://10.1.2.3/x").is_ok()
        );
        assert!(guard.admit("http://[::ffff:127.0.0.1]/x").is_ok());
        assert!(matches!(guard.admit("http://10.2.0.1/x"), Err(NotAdmitted::NotPublic(_))));
    }

    /// If a caller forgot to check, the call itself is stopped. Nobody listens
    /// on port 9, and the caller must not find that out.
    #[tokio::test]
    async fn a_guarded_client_does_not_connect() {
        use std::time::Duration;

        use http::{HeaderMap, Method};

        use crate::{Client, Failure};

        let client =
            Client::guarded(Duration::from_secs(3), 1000, Guard::default()).expect("a client");
        for (url, says) in [
            ("https://127.0.0.1:9/", "the address is not called: 127.0.0.1 is not"),
            ("https://localhost:9/", "localhost is not found on the public internet"),
            ("http://shop.example/", "https://"),
        ] {
            let called = client.call(Method::GET, url, HeaderMap::new(), Vec::new()).await;
            let Err(Failure::NotSent(why)) = called else { panic!("{url}: {called:?}") };
            assert!(why.contains(says), "{url}: {why}");
        }
        let client = Client::guarded(Duration::from_secs(3), 1000, at_home()).expect("a client");
        let called =
            client.call(Method::GET, "http://127.0.0.1:9/", HeaderMap::new(), Vec::new()).await;
        assert!(matches!(called, Err(Failure::NotSent(why)) if why.contains("refused")));
    }

    #[test]
    fn a_name_is_checked_by_the_addresses_it_resolves_to() {
        let found = |ips: &[&str]| -> Vec<SocketAddr> {
            ips.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), 0)).collect()
        };
        let sift = |guard: &Guard, ips: &[&str]| {
            let sifted = guard.sift("shop.example", found(ips));
            sifted.map(|sifted| {
                sifted.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>()
            })
        };
        assert_eq!(
            sift(&Guard::default(), &["10.0.0.1", "1.1.1.1", "::1"]),
            Ok(vec!["1.1.1.1".to_owned()])
        );
        assert_eq!(sift(&at_home(), &["127.0.0.1", "10.0.0.1"]), Ok(vec!["127.0.0.1".to_owned()]));
        for private in [&["10.0.0.1", "::1"][..], &[]] {
            let refused = sift(&Guard::default(), private).expect_err("refused").to_string();
            assert!(
                refused.starts_with("shop.example is not found on the public internet"),
                "{refused}"
            );
        }
    }
}
