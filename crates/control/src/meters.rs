//! What is counted outside of the stories: connections, handshakes, upstream servers. Whoever makes those lends their counters;
//! they are read at each scrape.

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads counters at this moment.
pub type Read<T> = Box<dyn Fn() -> Vec<T> + Send + Sync>;

/// The counters that are lent.
pub struct Meters {
    /// Of each listener.
    pub listeners: Read<Listener>,
    /// Of each upstream server and purpose.
    pub origins: Read<Origin>,
    /// Of each cache in front: its name, and how often its quotas were full by somebody else's doing.
    pub crowded: Read<(String, u64)>,
}

impl Default for Meters {
    fn default() -> Self {
        Self { listeners: Box::new(Vec::new), origins: Box::new(Vec::new), crowded: Box::new(Vec::new) }
    }
}

/// One listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listener {
    /// What it is for.
    pub name: &'static str,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections that may be open at once.
    pub open_max: u64,
    /// Where it speaks TLS.
    pub handshakes: Option<Handshakes>,
}

/// TLS of one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshakes {
    /// Made in full.
    pub full: u64,
    /// Resumed from an earlier connection.
    pub resumed: u64,
    /// Not made, by a word for why.
    pub failed: Vec<(&'static str, u64)>,
    /// Files that changed and could not be shown.
    pub certificates_refused: u64,
    /// When the certificate in use ends, in seconds since 1970; 0 where it never does.
    pub certificate_ends_s: i64,
}

/// One upstream server, for one purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its URL.
    pub url: String,
    /// `originals` or `pass`.
    pub purpose: &'static str,
    /// Requests.
    pub requests: u64,
    /// Requests tried again.
    pub retries: u64,
    /// Requests without answer.
    pub failures: u64,
    /// Requests refused because it is left alone.
    pub left_alone: u64,
    /// ETags that changed over equal bytes.
    pub etag_flaps: u64,
}

/// One metric of several rows, told apart by two labels.
struct Family<'a> {
    name: &'a str,
    help: &'a str,
    kind: MetricType,
    labels: [&'a str; 2],
    rows: Vec<([&'a str; 2], i64)>,
}

impl Family<'_> {
    fn encode(self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Self { name, help, kind, labels: [first, second], rows } = self;
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for ([one, other], value) in rows {
            let labels = [(first, one), (second, other)];
            // A metric of one label has no name for the second.
            let labels = if second.is_empty() { &labels[..1] } else { &labels[..] };
            let row = family.encode_family(&labels)?;
            match kind {
                MetricType::Counter => ConstCounter::new(value.unsigned_abs()).encode(row)?,
                _ => ConstGauge::new(value).encode(row)?,
            }
        }
        Ok(())
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Writes what listeners have counted.
pub(crate) fn listeners(encoder: &mut DescriptorEncoder<'_>, all: &[Listener]) -> Result<(), std::fmt::Error> {
    let each = |value: fn(&Listener) -> u64| all.iter().map(|of| ([of.name, ""], signed(value(of)))).collect();
    let connections: [(_, _, _, Vec<_>); 3] = [
        ("connections", "Connections accepted", MetricType::Counter, each(|of| of.accepted)),
        ("connections_open", "Connections open", MetricType::Gauge, each(|of| of.open)),
        ("connections_max", "Connections that may be open", MetricType::Gauge, each(|of| of.open_max)),
    ];
    for (name, help, kind, rows) in connections {
        Family { name, help, kind, labels: ["listener", ""], rows }.encode(encoder)?;
    }
    let secured = || all.iter().filter_map(|of| Some((of.name, of.handshakes.as_ref()?)));
    Family {
        name: "tls_handshakes",
        help: "TLS handshakes made, in full or resumed",
        kind: MetricType::Counter,
        labels: ["listener", "kind"],
        rows: secured()
            .flat_map(|(name, of)| [([name, "full"], signed(of.full)), ([name, "resumed"], signed(of.resumed))])
            .collect(),
    }
    .encode(encoder)?;
    Family {
        name: "tls_handshakes_failed",
        help: "TLS handshakes not made, by why",
        kind: MetricType::Counter,
        labels: ["listener", "reason"],
        rows: secured()
            .flat_map(|(name, of)| of.failed.iter().map(move |(reason, count)| ([name, *reason], signed(*count))))
            .collect(),
    }
    .encode(encoder)?;
    Family {
        name: "tls_certificates_refused",
        help: "Changed certificate files that could not be shown",
        kind: MetricType::Counter,
        labels: ["listener", ""],
        rows: secured().map(|(name, of)| ([name, ""], signed(of.certificates_refused))).collect(),
    }
    .encode(encoder)?;
    Family {
        name: "tls_certificate_end_seconds",
        help: "When the certificate in use ends, since 1970",
        kind: MetricType::Gauge,
        labels: ["listener", ""],
        rows: secured().map(|(name, of)| ([name, ""], of.certificate_ends_s)).collect(),
    }
    .encode(encoder)
}

/// Writes what upstream servers have counted.
pub(crate) fn origins(encoder: &mut DescriptorEncoder<'_>, all: &[Origin]) -> Result<(), std::fmt::Error> {
    type Value = fn(&Origin) -> u64;
    let counters: [(_, _, Value); 5] = [
        ("origin_requests", "Requests to upstream servers", |of| of.requests),
        ("origin_retries", "Requests to them that were tried again", |of| of.retries),
        ("origin_failures", "Requests to them that got no answer", |of| of.failures),
        ("origin_left_alone", "Requests not sent because the server is left alone for a while", |of| of.left_alone),
        ("origin_etag_flaps", "ETags that changed over equal bytes", |of| of.etag_flaps),
    ];
    for (name, help, value) in counters {
        let rows = all.iter().map(|of| ([of.url.as_str(), of.purpose], signed(value(of)))).collect();
        Family { name, help, kind: MetricType::Counter, labels: ["origin", "purpose"], rows }.encode(encoder)?;
    }
    Ok(())
}
