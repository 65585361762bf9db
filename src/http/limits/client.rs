//! Which address a request comes from, where it passed proxies that can be believed.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use rfc7239::NodeName;

use crate::config::ProxyHeader;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Of an IPv6 address the part that says whose network it is.
const NETWORK_BITS: u32 = 64;

/// An address, or of an IPv6 address its network: whoever has one address there has all of them.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> NETWORK_BITS << NETWORK_BITS).into(),
    }
}

/// The proxies that are believed when they say whose request they hand on. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    networks: Arc<[IpNet]>,
    header: ProxyHeader,
}

impl Proxies {
    pub(crate) fn new(networks: Vec<IpNet>, header: ProxyHeader) -> Proxies {
        Proxies { networks: networks.into(), header }
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The last address on the way of a request that is no trusted proxy's: what comes before it anybody may have written.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let mut passed = passed(headers, self.header).into_iter().rev();
        while self.trusts(client) {
            // A proxy that does not tell stands for its clients.
            match passed.next() {
                Some(Some(before)) => client = before,
                Some(None) | None => break,
            }
        }
        client
    }
}

/// The addresses that a request passed, as its proxies tell it in the one header that they write: another one the client may have
/// written. `None` where one keeps it to itself.
fn passed(headers: &HeaderMap, header: ProxyHeader) -> Vec<Option<IpAddr>> {
    let texts = |name: HeaderName| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
    match header {
        ProxyHeader::Forwarded => texts(header::FORWARDED).flat_map(of_forwarded).collect(),
        ProxyHeader::XForwardedFor => {
            texts(X_FORWARDED_FOR).flat_map(|text| text.split(',')).map(|text| address(text.trim())).collect()
        }
    }
}

/// RFC 7239.
fn of_forwarded(text: &str) -> Vec<Option<IpAddr>> {
    let of_element = |element: Result<rfc7239::Forwarded<'_>, _>| match element.ok()?.forwarded_for?.name {
        NodeName::Ip(address) => Some(address.to_canonical()),
        NodeName::Unknown | NodeName::Obfuscated(_) => None,
    };
    rfc7239::parse(text).map(of_element).collect()
}

/// An address, maybe with a port.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bare = text.trim_start_matches('[').trim_end_matches(']').parse().ok();
    bare.or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Proxies, ProxyHeader};

    fn client(peer: &str, headers: &[(&'static str, &'static str)]) -> String {
        client_of(ProxyHeader::XForwardedFor, peer, headers)
    }

    fn client_of(header: ProxyHeader, peer: &str, headers: &[(&'static str, &'static str)]) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
        let proxies = Proxies::new(networks.into(), header);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        proxies.client(peer.parse::<IpAddr>().expect("an address"), &map).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_as_far_as_they_go() {
        let x = "x-forwarded-for";
        assert_eq!(client("192.0.2.1", &[(x, "198.51.100.7")]), "192.0.2.1", "anybody can write that");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[(x, "198.51.100.7")]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &[(x, "203.0.113.9, 198.51.100.7, 10.0.0.2")]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &[(x, "203.0.113.9"), (x, "198.51.100.7:4711")]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &[(x, "[2001:db8::7]:80")]), "2001:db8::7");
        assert_eq!(client("10.0.0.1", &[(x, "::ffff:198.51.100.7")]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &[(x, "203.0.113.9, nonsense")]), "10.0.0.1", "then the proxy stands for it");
        let f = "forwarded";
        assert_eq!(
            client_of(ProxyHeader::Forwarded, "10.0.0.1", &[(f, "for=198.51.100.7;proto=https, for=10.1.1.1")]),
            "198.51.100.7"
        );
        assert_eq!(client_of(ProxyHeader::Forwarded, "fd00::1", &[(f, "for=\"[2001:db8::7]:4711\"")]), "2001:db8::7");
        assert_eq!(client_of(ProxyHeader::Forwarded, "10.0.0.1", &[(f, "for=203.0.113.9, for=_hidden")]), "10.0.0.1");
        assert_eq!(
            client_of(ProxyHeader::Forwarded, "10.0.0.1", &[(f, "for=198.51.100.7"), (x, "203.0.113.9")]),
            "198.51.100.7"
        );
        assert_eq!(client("10.0.0.1", &[(f, "for=198.51.100.7"), (x, "203.0.113.9")]), "203.0.113.9");
        assert_eq!(client_of(ProxyHeader::Forwarded, "10.0.0.1", &[(f, ";;;=")]), "10.0.0.1");
    }
}
