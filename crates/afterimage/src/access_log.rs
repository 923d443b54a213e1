//! The access log: one line for each answer, written by a thread of its own. Requests never wait for it: a line that finds
//! the queue full is counted, and the log says how many are missing.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use afterimage_setup::{AccessForm, ClientAddress};
use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderName, USER_AGENT};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use serde::Serialize;

/// Lines that wait for the thread, at most: some megabytes.
const QUEUE_MAX: usize = 8192;
/// How much of a target is written, and of a name that the client chose.
const TARGET_BYTES_MAX: usize = 2048;
const NAME_BYTES_MAX: usize = 256;

/// Where lines go. Clones share one queue.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<Open>>);

struct Open {
    form: AccessForm,
    address: ClientAddress,
    lines: SyncSender<String>,
    lost: Arc<AtomicU64>,
}

/// The thread that writes.
pub struct Writer(Receiver<()>);

impl Writer {
    /// Waits until all is written, but not for a reader of standard error that does not read.
    pub fn finish(self, timeout: Duration) {
        let _ = self.0.recv_timeout(timeout);
    }
}

impl AccessLog {
    /// Writes nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Begins to write to standard error. Everything is written once each clone is dropped and [`Writer::finish`] returns.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn start(form: AccessForm, address: ClientAddress) -> std::io::Result<(Self, Option<Writer>)> {
        if form == AccessForm::Off {
            return Ok((Self::off(), None));
        }
        let (lines, queue) = sync_channel(QUEUE_MAX);
        let (done, finished) = sync_channel(1);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = lost.clone();
        std::thread::Builder::new().name("access-log".into()).spawn(move || {
            write_all(&queue, &counted);
            let _ = done.send(());
        })?;
        Ok((Self(Some(Arc::new(Open { form, address, lines, lost }))), Some(Writer(finished))))
    }

    /// What is to be said of a request, while it is there.
    pub fn begin<B>(&self, request: &Request<B>, client: Option<IpAddr>) -> Option<Entry> {
        let open = self.0.clone()?;
        let line = Line {
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            log: "access",
            client: client.and_then(|client| shown(client, open.address)).map(|client| client.to_string()),
            method: cut(request.method().as_str(), NAME_BYTES_MAX),
            target: cut(&request.uri().to_string(), TARGET_BYTES_MAX),
            status: 0,
            bytes: 0,
            ms: 0.0,
            cache: None,
            reason: None,
            host: request.uri().host().map(str::to_owned).or_else(|| text(request.headers(), &HOST)),
            user_agent: text(request.headers(), &USER_AGENT),
        };
        Some(Entry { open, begun: Instant::now(), line })
    }
}

fn write_all(queue: &Receiver<String>, lost: &AtomicU64) {
    while let Ok(mut text) = queue.recv() {
        // One call to the kernel for all that is there.
        text.extend(queue.try_iter().take(64));
        let lost = lost.swap(0, Relaxed);
        // Standard error that is closed is no reason not to serve.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
        if lost > 0 {
            tracing::warn!(lost, "lines of the access log are missing: they came faster than they could be written");
        }
    }
}

/// The address as far as it is to be known.
fn shown(client: IpAddr, address: ClientAddress) -> Option<IpAddr> {
    match (address, client.to_canonical()) {
        (ClientAddress::None, _) => None,
        (ClientAddress::Full, client) => Some(client),
        (ClientAddress::Network, IpAddr::V4(client)) => {
            Some(Ipv4Addr::from_bits(client.to_bits() & (u32::MAX << 8)).into())
        }
        (ClientAddress::Network, IpAddr::V6(client)) => {
            Some(Ipv6Addr::from_bits(client.to_bits() & (u128::MAX << 80)).into())
        }
    }
}

fn cut(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| cut(&String::from_utf8_lossy(value.as_bytes()), NAME_BYTES_MAX))
}

#[derive(Serialize)]
struct Line {
    time: String,
    log: &'static str,
    client: Option<String>,
    method: String,
    target: String,
    status: u16,
    bytes: u64,
    ms: f64,
    cache: Option<String>,
    reason: Option<String>,
    host: Option<String>,
    user_agent: Option<String>,
}

impl Line {
    /// The words that our own member of Cache-Status says: it is the last.
    fn note(&mut self, headers: &HeaderMap) {
        let status = headers.get_all("cache-status").iter().next_back().and_then(|value| value.to_str().ok());
        for word in status.unwrap_or_default().split(';').map(str::trim) {
            match word.split_once('=') {
                None if word == "hit" => self.cache = Some(word.to_owned()),
                Some(("fwd", why)) => self.cache = Some(why.to_owned()),
                Some(("detail", why)) => self.reason = Some(why.to_owned()),
                _ => {}
            }
        }
    }

    fn json(&self) -> String {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What a client chose is quoted, and its control characters escaped: nobody writes lines of their own.
    fn plain(&self) -> String {
        let quoted = |text: &Option<String>| text.as_ref().map_or("-".to_owned(), |text| format!("{text:?}"));
        let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "-".to_owned());
        let mut text = format!("{} access {} {} ", self.time, word(&self.client), self.method);
        // Into a string, which never fails.
        let _ = writeln!(
            text,
            "{:?} {} {} {:.3}ms {} {} {} {}",
            self.target,
            self.status,
            self.bytes,
            self.ms,
            word(&self.cache),
            word(&self.reason),
            quoted(&self.host),
            quoted(&self.user_agent),
        );
        text
    }
}

/// One line in the making. It is written when it is dropped.
pub struct Entry {
    open: Arc<Open>,
    begun: Instant,
    line: Line,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.line.ms = (self.begun.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        let text = if self.open.form == AccessForm::Json { self.line.json() } else { self.line.plain() };
        if self.open.lines.try_send(text).is_err() {
            self.open.lost.fetch_add(1, Relaxed);
        }
    }
}

/// A body whose bytes are counted; with its end the answer is logged.
pub struct Logged<B> {
    body: B,
    entry: Option<Box<Entry>>,
}

impl<B> Logged<B> {
    /// An answer as it goes out, with what is to be said of it.
    pub fn answer(response: Response<B>, entry: Option<Entry>) -> Response<Self> {
        let (parts, body) = response.into_parts();
        let entry = entry.map(|mut entry| {
            entry.line.status = parts.status.as_u16();
            entry.line.note(&parts.headers);
            Box::new(entry)
        });
        Response::from_parts(parts, Self { body, entry })
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Logged<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(entry)) = (&polled, &mut self.entry) {
            entry.line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_networks_unless_told_otherwise() {
        for (client, network, full) in [
            ("192.0.2.77", "192.0.2.0", "192.0.2.77"),
            ("::ffff:192.0.2.77", "192.0.2.0", "192.0.2.77"),
            ("2001:db8:1:2:3::4", "2001:db8:1::", "2001:db8:1:2:3::4"),
        ] {
            let client = client.parse().unwrap();
            assert_eq!(shown(client, ClientAddress::Network), network.parse().ok());
            assert_eq!(shown(client, ClientAddress::Full), full.parse().ok());
            assert_eq!(shown(client, ClientAddress::None), None);
        }
    }

    #[test]
    fn a_full_queue_loses_lines_and_counts_them() {
        let (lines, queue) = sync_channel(1);
        let lost = Arc::new(AtomicU64::new(0));
        let open = Open { form: AccessForm::Text, address: ClientAddress::None, lines, lost: lost.clone() };
        let log = AccessLog(Some(Arc::new(open)));
        let mut request = Request::new(());
        // No client can send it; the line stays one all the same.
        request.headers_mut().insert(USER_AGENT, http::HeaderValue::from_bytes(b"a\"\t\xff").unwrap());
        for _ in 0..3 {
            drop(Logged::answer(Response::new(()), log.begin(&request, None)));
        }
        assert_eq!(lost.load(Relaxed), 2);
        let line = queue.recv().unwrap();
        assert!(line.contains(" access - GET \"/\" 200 0 ") && line.ends_with(" - \"a\\\"\\t\u{fffd}\"\n"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}
