//! The way to a receiver: a client that reaches no address inside the operator's network, whatever a name says it is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

/// How long a receiver may take to answer, and of it to take a connection.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(15);
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Connections to one receiver that are kept for the next message, and for how long.
const IDLE_CONNECTIONS: usize = 32;
const IDLE_MAX: Duration = Duration::from_secs(30);
/// The most bytes of a URL.
const URL_BYTES_MAX: usize = 2_000;

/// Networks that nobody on the internet is in (IANA's special-purpose registries), and those through which they can be reached.
const INSIDE: [&str; 29] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/8",
    "4000::/2",
    "8000::/1",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Which addresses may be reached. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Networks of the operator that are opened, over plain HTTP too.
    allowed: Arc<[IpNet]>,
    inside: Arc<[IpNet]>,
}

impl Reach {
    pub fn new(allowed: Vec<IpNet>) -> Reach {
        let inside = INSIDE.iter().filter_map(|network| network.parse().ok()).collect();
        Reach { allowed: allowed.into(), inside }
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.contains(&address))
    }

    /// Whether an address may be reached, with TLS or without.
    fn reaches(&self, address: IpAddr, with_tls: bool) -> bool {
        let is_mapped = matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
        let is_outside = !is_mapped && !self.inside.iter().any(|network| network.contains(&address));
        self.is_allowed(address) || (with_tls && is_outside)
    }

    /// Reads the URL of a webhook, or says what it must be.
    pub fn check(&self, text: &str) -> Result<Url, String> {
        let wanted = "url must be an https URL such as https://example.com/hooks/shopscore";
        let url = Url::parse(text).ok().filter(|url| url.has_host() && text.len() <= URL_BYTES_MAX);
        let url = url.ok_or_else(|| format!("{wanted}, of at most {URL_BYTES_MAX} bytes"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("url must not have a user or a password in it; messages are signed instead".to_owned());
        }
        match url.scheme() {
            "https" => {}
            "http" if !self.allowed.is_empty() => {}
            _ => return Err(format!("{wanted}; plain http is for networks that the operator opens (--webhook-allow)")),
        }
        match literal(&url) {
            Some(address) if !self.reaches(address, url.scheme() == "https") => Err(refused(address)),
            _ => Ok(url),
        }
    }
}

fn refused(address: IpAddr) -> String {
    format!("{address} is no address on the internet; the operator can open its network with --webhook-allow")
}

/// The address that a URL names without a name.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<Ipv4Addr>().map(IpAddr::V4).or_else(|_| bare.parse::<Ipv6Addr>().map(IpAddr::V6)).ok()
}

/// Asks for the addresses of a name.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// As the system answers it.
fn system() -> Lookup {
    Arc::new(|name| async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }.boxed())
}

/// Resolves names for the connector itself, so that no name can change between the check and the connection.
struct OnlyOutside {
    reach: Reach,
    with_tls: bool,
    lookup: Lookup,
}

impl Resolve for OnlyOutside {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, with_tls) = (self.reach.clone(), self.with_tls);
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let found = found.await?;
            let reached: Vec<SocketAddr> =
                found.into_iter().filter(|address| reach.reaches(address.ip(), with_tls)).collect();
            if reached.is_empty() {
                let why = "the name has no address on the internet, or its network is not opened with --webhook-allow";
                return Err(why.into());
            }
            Ok(Box::new(reached.into_iter()) as Addrs)
        })
    }
}

/// The clients that messages are sent with.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    reach: Reach,
    with_tls: Client,
    plain: Client,
}

impl Sender {
    pub(super) fn new(reach: &Reach) -> Result<Sender, reqwest::Error> {
        Sender::with(reach, &system())
    }

    fn with(reach: &Reach, lookup: &Lookup) -> Result<Sender, reqwest::Error> {
        // Fails where it was done before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = |with_tls: bool| {
            Client::builder()
                .no_proxy()
                .redirect(Policy::none())
                .https_only(with_tls)
                .timeout(ANSWER_MAX)
                .connect_timeout(CONNECT_MAX)
                .pool_max_idle_per_host(IDLE_CONNECTIONS)
                .pool_idle_timeout(IDLE_MAX)
                .user_agent(concat!("shopscore/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Arc::new(OnlyOutside { reach: reach.clone(), with_tls, lookup: Arc::clone(lookup) }))
                .build()
        };
        Ok(Sender { reach: reach.clone(), with_tls: client(true)?, plain: client(false)? })
    }

    /// The client for a URL, which is checked again: what is opened may have changed since it was stored.
    pub(super) fn client(&self, url: &str) -> Result<(&Client, Url), String> {
        let url = self.reach.check(url)?;
        Ok((if url.scheme() == "https" { &self.with_tls } else { &self.plain }, url))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};
    use std::sync::{Arc, Mutex};

    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{Lookup, Reach, Sender};

    /// Answers one request after the other, and says which address it did so on.
    async fn answer_all(listener: TcpListener, answered: Arc<Mutex<Vec<IpAddr>>>) {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let address = stream.local_addr().expect("an address").ip();
            answered.lock().expect("no panic").push(address);
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
        }
    }

    #[tokio::test]
    async fn a_name_that_changes_between_check_and_connection_reaches_nothing_inside() {
        let open = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = open.local_addr().expect("an address").port();
        let closed = TcpListener::bind(("127.0.0.2", port)).await.expect("the same port of another address");
        let answered = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(answer_all(open, Arc::clone(&answered)));
        tokio::spawn(answer_all(closed, Arc::clone(&answered)));
        let names: Arc<Mutex<Vec<&str>>> = Arc::default();
        let lookup: Lookup = {
            let names = Arc::clone(&names);
            Arc::new(move |_| {
                let now = names.lock().expect("no panic").clone();
                let found = now.into_iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), 0)).collect();
                async move { Ok(found) }.boxed()
            })
        };
        let reach = Reach::new(vec!["127.0.0.1/32".parse().expect("a network")]);
        let sender = Sender::with(&reach, &lookup).expect("a client");
        let url = format!("http://hooks.example.com:{port}/");
        for (says, arrives) in [
            (&["127.0.0.1"][..], true),
            (&["127.0.0.2"][..], false),
            (&["::ffff:127.0.0.2", "169.254.169.254", "10.0.0.1", "::1"][..], false),
            // Of several addresses those that are opened are left.
            (&["127.0.0.2", "127.0.0.1"][..], true),
            (&[][..], false),
        ] {
            let (client, checked) = sender.client(&url).expect("a name passes the check, whatever it says");
            *names.lock().expect("no panic") = says.to_vec();
            let sent = client.post(checked).send().await;
            assert_eq!(sent.is_ok(), arrives, "{says:?}: {sent:?}");
        }
        let reached: Vec<String> = answered.lock().expect("no panic").iter().map(ToString::to_string).collect();
        assert_eq!(reached, ["127.0.0.1", "127.0.0.1"]);
    }

    #[test]
    fn no_address_of_the_operators_network_is_reached_unless_it_is_opened() {
        let closed = Reach::new(Vec::new());
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.18.0.1",
            "[::1]",
            "[::]",
            "[::ffff:8.8.8.8]",
            "[::ffff:127.0.0.1]",
            "[fd00::1]",
            "[fe80::1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[::127.0.0.1]",
            // Other ways to write 127.0.0.1 that URL parsers know.
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
        ] {
            assert!(closed.check(&format!("https://{inside}/hook")).is_err(), "{inside}");
        }
        for outside in ["8.8.8.8", "[2606:4700::1111]", "example.com", "example.com:8443"] {
            assert!(closed.check(&format!("https://{outside}/hook")).is_ok(), "{outside}");
        }
        for wrong in
            ["http://example.com/", "ftp://example.com/", "https://", "example.com", "https://a:b@example.com/"]
        {
            assert!(closed.check(wrong).is_err(), "{wrong}");
        }
        assert!(closed.check(&format!("https://example.com/{}", "x".repeat(2_000))).is_err());
        let open = Reach::new(vec!["10.0.0.0/8".parse().expect("a network")]);
        assert!(open.check("http://10.1.2.3:8080/").is_ok() && open.check("https://10.1.2.3/").is_ok());
        assert!(open.check("http://127.0.0.1/").is_err() && open.check("http://8.8.8.8/").is_err());
    }
}
