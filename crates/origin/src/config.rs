//! An origin's settings, and what is wrong with them.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::address::{Addresses, Cidr};
use crate::breaker::BreakerConfig;
use crate::endpoint::{Host, Url, has_dot_segments, parse_host};
use crate::headers;

/// A setting that cannot work, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The setting's name here, such as `url`.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What to do.
    pub remedy: String,
}

/// What bounds one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the wish for a connection until it stands: name, TCP and TLS.
    pub connect: Duration,
    /// From the request's last byte until the answer's headers are there.
    pub first_byte: Duration,
    /// Between two parts of an answer's body, while nobody but the origin is waited for.
    pub idle: Duration,
    /// The whole exchange.
    pub total: Duration,
    /// Bytes of an answer's body; `None` does not bound a body that is passed through.
    pub body_bytes_max: Option<u64>,
    /// Bytes of an answer's headers.
    pub header_bytes_max: usize,
    /// Lines of an answer's headers.
    pub header_lines_max: usize,
    /// Connections in use at once.
    pub connections_max: usize,
    /// How long a request waits for one of them.
    pub connection_wait: Duration,
    /// Connections kept open while unused.
    pub idle_connections_max: usize,
    /// How long an unused one is kept.
    pub idle_connection_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            first_byte: Duration::from_secs(15),
            idle: Duration::from_secs(10),
            total: Duration::from_secs(60),
            body_bytes_max: None,
            header_bytes_max: 32 << 10,
            header_lines_max: 128,
            connections_max: 64,
            connection_wait: Duration::from_secs(5),
            idle_connections_max: 16,
            // Servers and the balancers before them close after 60 s or more; a connection that both sides close at the
            // same moment costs a request.
            idle_connection_age: Duration::from_secs(30),
        }
    }
}

/// The settings of one origin.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where it is: `https://host/path/`. Every request is sent below that path.
    pub url: String,
    /// What `Host` says instead of the URL's host.
    pub host: Option<String>,
    /// Headers sent with every request, in place of any of the same name: credentials, for example.
    pub headers: Vec<(String, String)>,
    /// Ranges of addresses that may be connected to beside public ones: `10.0.0.0/8`.
    pub allow: Vec<String>,
    /// Ports that may be connected to beside 80, 443 and the URL's own.
    pub ports: Vec<u16>,
    /// Hosts that a redirect may lead to when an original is read: `cdn.example`, without port. The URL's own host has to be
    /// listed too.
    pub redirect_hosts: Vec<String>,
    /// How many redirects are followed one after the other.
    pub redirects_max: usize,
    /// Bounds.
    pub limits: Limits,
    /// When the origin is left alone.
    pub breaker: BreakerConfig,
}

/// A configuration that was read and can work.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The URL; its target is the base path without slash at the end.
    pub(crate) base: Url,
    pub(crate) host: HeaderValue,
    pub(crate) headers: HeaderMap,
    pub(crate) addresses: Addresses,
    pub(crate) ports: Vec<u16>,
    pub(crate) redirect_hosts: Vec<Host>,
    pub(crate) redirects_max: usize,
    pub(crate) limits: Limits,
}

/// The host that a URL names, in lower case, as redirects and credentials are matched by it.
pub fn host_of(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.endpoint.host.to_string())
}

impl Config {
    /// Everything that cannot work, with its remedy.
    pub fn mistakes(&self) -> Vec<Mistake> {
        self.check().err().unwrap_or_default()
    }

    /// Reads it.
    ///
    /// # Errors
    /// Every mistake, with its remedy.
    pub(crate) fn check(&self) -> Result<Checked, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut wrong = |key, value: &str, remedy: String| {
            mistakes.push(Mistake { key, value: value.to_owned(), remedy });
        };
        let mut allow = Vec::new();
        for text in &self.allow {
            match text.parse::<Cidr>() {
                Ok(range) => allow.push(range),
                Err(remedy) => wrong("allow", text, remedy),
            }
        }
        let addresses = Addresses { allow };
        let base = match check_url(&self.url, &addresses) {
            Ok(url) => Some(url),
            Err(remedy) => {
                wrong("url", &self.url, remedy);
                None
            }
        };
        let host = match &self.host {
            None => base.as_ref().and_then(|base| base.endpoint.host_header()),
            Some(text) => {
                let (name, port) = text.rsplit_once(':').unwrap_or((text, "80"));
                let fits = parse_host(name).is_ok() && port.parse::<u16>().is_ok();
                if !fits {
                    wrong("host", text, "write host or host:port".to_owned());
                }
                HeaderValue::from_str(text).ok()
            }
        };
        let mut fixed = HeaderMap::new();
        for (name, value) in &self.headers {
            match (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str())) {
                (Ok(name), Ok(mut value)) if headers::may_be_fixed(&name) => {
                    value.set_sensitive(true);
                    fixed.append(name, value);
                }
                // The value may be a secret: it is not repeated.
                _ => wrong(
                    "headers",
                    name,
                    "write \"Name: value\" in visible ASCII; not a header that frames or routes".to_owned(),
                ),
            }
        }
        let mut redirect_hosts = Vec::new();
        for text in &self.redirect_hosts {
            match Url::parse(&format!("http://{text}")) {
                Ok(url) if url.endpoint.port == 80 && url.target == "/" => redirect_hosts.push(url.endpoint.host),
                Ok(_) => wrong("redirect_hosts", text, "write the host alone".to_owned()),
                Err(remedy) => wrong("redirect_hosts", text, remedy),
            }
        }
        if self.limits.connections_max == 0 {
            wrong("connections_max", "0", "allow at least one connection".to_owned());
        }
        match (base, host) {
            (Some(base), Some(host)) if mistakes.is_empty() => Ok(Checked {
                ports: [&[80, 443, base.endpoint.port], self.ports.as_slice()].concat(),
                base,
                host,
                headers: fixed,
                addresses,
                redirect_hosts,
                redirects_max: self.redirects_max,
                limits: self.limits.clone(),
            }),
            _ => Err(mistakes),
        }
    }
}

/// The base: its path ends in a slash, which is taken off; an address in it is one that may be connected to.
fn check_url(text: &str, addresses: &Addresses) -> Result<Url, String> {
    let mut url = Url::parse(text)?;
    if url.endpoint.tls && !cfg!(feature = "tls") {
        return Err("this build speaks no TLS; build it with the feature `tls`".to_owned());
    }
    if url.target.contains('?') {
        return Err("leave out the query".to_owned());
    }
    if has_dot_segments(&url.target) {
        return Err("leave out dot segments".to_owned());
    }
    if !url.target.ends_with('/') {
        return Err(format!("end the path with a slash: {text}/"));
    }
    if let Host::Address(address) = url.endpoint.host {
        addresses.check(address).map_err(|forbidden| {
            format!("{forbidden}; allow it: allow = [\"{address}/{}\"]", if address.is_ipv4() { 32 } else { 128 })
        })?;
    }
    url.target.pop();
    Ok(url)
}
