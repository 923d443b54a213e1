//! Where an origin is: scheme, host and port, read strictly. A host that two readers could understand differently is refused
//! here, so that nothing behind ever has to guess.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderValue;

/// The longest name in the DNS, in bytes.
const NAME_BYTES_MAX: usize = 253;

/// A host as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// A name, in lower case, to be resolved.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// One server to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) tls: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

impl Endpoint {
    /// What stands in `Host`: the port only where it is not the scheme's own.
    pub(crate) fn host_header(&self) -> Option<HeaderValue> {
        let usual = if self.tls { 443 } else { 80 };
        let text = if self.port == usual { self.host.to_string() } else { format!("{}:{}", self.host, self.port) };
        HeaderValue::try_from(text).ok()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// An absolute URL: its server, and its path with query, which begins with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) endpoint: Endpoint,
    pub(crate) target: String,
}

impl Url {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// A remedy, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("write http://host/path/ or https://host/path/")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err("only http and https can be asked".to_owned()),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if target.contains('#') {
            return Err("leave out the fragment after #".to_owned());
        }
        if !is_target(target) {
            return Err("percent-encode everything in the path but visible ASCII; no backslashes".to_owned());
        }
        let endpoint = parse_authority(authority, tls)?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { endpoint, target })
    }

    /// Where a `Location` leads from here (RFC 3986, 5.2).
    ///
    /// # Errors
    /// Why not, in words. Paths with dot segments are refused: nobody needs them in a `Location`.
    pub(crate) fn join(&self, location: &str) -> Result<Self, String> {
        // Where it leads is decided by what we send, and a fragment is never sent.
        let location = location.split('#').next().unwrap_or_default();
        let url = if location.contains("://") && !location.starts_with(['/', '?']) {
            Self::parse(location)?
        } else if let Some(rest) = location.strip_prefix("//") {
            Self::parse(&format!("{}://{rest}", if self.endpoint.tls { "https" } else { "http" }))?
        } else {
            let path = self.target.split('?').next().unwrap_or("/");
            let target = match location.chars().next() {
                None => self.target.clone(),
                Some('/') => location.to_owned(),
                Some('?') => format!("{path}{location}"),
                Some(_) => format!("{}{location}", &path[..=path.rfind('/').unwrap_or(0)]),
            };
            if !is_target(&target) {
                return Err("its path is not visible ASCII".to_owned());
            }
            Self { endpoint: self.endpoint.clone(), target }
        };
        if has_dot_segments(&url.target) { Err("its path has dot segments".to_owned()) } else { Ok(url) }
    }
}

/// Whether a request line can carry it and every reader splits it alike.
fn is_target(target: &str) -> bool {
    target.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'<' | b'>' | b'"' | b'#'))
}

/// Whether a segment of the path is `.` or `..`, however it is spelled: a server behind may decode it and climb. A slash
/// or backslash in percent-encoding can hide a segment, so it separates here too.
pub(crate) fn has_dot_segments(target: &str) -> bool {
    let mut path = target.split('?').next().unwrap_or_default().to_ascii_lowercase();
    loop {
        let climbs = path.split(['/', '\\']).any(|segment| {
            // Some servers cut path parameters off a segment before they look at it: `..;a=b`.
            matches!(segment.split(';').next().unwrap_or_default(), "." | "..")
        });
        // Servers behind servers decode more than once; each round makes the path shorter, so this ends.
        let decoded = decode(&path);
        if climbs || decoded == path {
            return climbs;
        }
        path = decoded;
    }
}

fn decode(path: &str) -> String {
    path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\").replace("%3b", ";").replace("%25", "%")
}

fn parse_authority(authority: &str, tls: bool) -> Result<Endpoint, String> {
    if authority.contains('@') {
        return Err("leave out user and password before @; use source.headers for credentials".to_owned());
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or("the bracket of the address is not closed")?;
            let address: Ipv6Addr = address.parse().map_err(|_| format!("`{address}` is no IPv6 address"))?;
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or("write [address]:port")?) };
            (Host::Address(IpAddr::V6(address)), port)
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            (parse_host(host)?, port)
        }
    };
    let port = match port {
        None => {
            if tls {
                443
            } else {
                80
            }
        }
        Some(port) if (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().ok().filter(|port| *port != 0).ok_or("a port is 1 to 65535")?
        }
        Some(_) => return Err("a port is 1 to 65535".to_owned()),
    };
    Ok(Endpoint { tls, host, port })
}

/// A name, or an IPv4 address in the one spelling that everybody reads alike.
pub(crate) fn parse_host(text: &str) -> Result<Host, String> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(IpAddr::V4(address)));
    }
    let name = text.to_ascii_lowercase();
    let labels_fit = name.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    });
    if name.ends_with('.') {
        return Err("write the host without the dot at its end".to_owned());
    }
    if name.len() > NAME_BYTES_MAX || !labels_fit {
        return Err("the host is no name of letters, digits and hyphens (write others in punycode)".to_owned());
    }
    // The resolver of the system reads 2130706433, 0x7f.1 and 0177.0.0.1 as addresses; so would a person be fooled.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hexadecimal =
        last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if last.bytes().all(|byte| byte.is_ascii_digit()) || is_hexadecimal {
        return Err("write an IPv4 address as four decimal numbers without leading zeros".to_owned());
    }
    Ok(Host::Name(name))
}
