//! An upstream server of a test's own making, on loopback: it answers exactly the bytes it is told to, well-formed or not,
//! and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The request target, byte for byte.
    pub target: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
}

impl Asked {
    /// The first header of this name; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// What the server does next with a connection.
#[derive(Debug, Clone)]
pub enum Step {
    /// Sends these bytes at once.
    Send(Vec<u8>),
    /// Does nothing for a while.
    Wait(Duration),
    /// Says nothing any more, and keeps the connection open until the other side closes it.
    Hang,
    /// Closes the connection.
    Close,
    /// Resets the connection: the other side sees an error, not an end.
    Reset,
}

/// Whole answers, framed as they should be.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<Step> {
    let mut bytes = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes)]
}

/// Answers of exactly these bytes.
pub fn raw(bytes: impl AsRef<[u8]>) -> Vec<Step> {
    vec![Step::Send(bytes.as_ref().to_vec())]
}

type Script = Box<dyn Fn(&Asked) -> Vec<Step> + Send + Sync>;

struct State {
    script: Script,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

/// A server that does what its script says. It ends when it is dropped.
pub struct Upstream {
    /// `http://address:port`.
    pub base: String,
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
}

impl Upstream {
    /// Listens on a free port of 127.0.0.1.
    pub fn start(script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), script)
    }

    /// Listens there; for a canary on an address that must never be connected to.
    pub fn at(address: SocketAddr, script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State {
            script: Box::new(script),
            asked: Mutex::default(),
            connections: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let serving = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.stopped.load(SeqCst) {
                    break;
                }
                let connection = serving.connections.fetch_add(1, SeqCst);
                let serving = serving.clone();
                std::thread::spawn(move || serve(&serving, &stream, connection));
            }
        });
        Self { base: format!("http://{address}"), address, state }
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().clone()
    }

    /// Forgets what it was asked.
    pub fn forget(&self) {
        self.lock().clear();
    }

    /// How many connections were opened to it.
    pub fn connections(&self) -> usize {
        self.state.connections.load(SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.state.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.state.stopped.store(true, SeqCst);
        let ip = if self.address.ip().is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { self.address.ip() };
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((ip, self.address.port()));
    }
}

/// Reads requests and plays the script until one side closes.
fn serve(state: &State, stream: &TcpStream, connection: usize) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let asked = read(&mut reader, connection)?;
        state.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
        for step in (state.script)(&asked) {
            match step {
                Step::Send(bytes) => writer.write_all(&bytes).ok()?,
                Step::Wait(duration) => std::thread::sleep(duration),
                Step::Hang => {
                    let _ = reader.read_to_end(&mut Vec::new());
                    return None;
                }
                Step::Close => return None,
                Step::Reset => {
                    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
                    return None;
                }
            }
        }
    }
}

type Headers = Vec<(String, String)>;

/// The method, the target and the headers (names in lower case) of the next request.
pub(crate) fn head(reader: &mut impl BufRead) -> Option<(String, String, Headers)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end_matches("\r\n") {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let mut words = lines.first()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some((method, target, headers))
}

fn read(reader: &mut impl BufRead, connection: usize) -> Option<Asked> {
    let (method, target, headers) = head(reader)?;
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let mut body = Vec::new();
    if let Some(length) = header("content-length") {
        body.resize(length.parse().ok()?, 0);
        reader.read_exact(&mut body).ok()?;
    } else if header("transfer-encoding") == Some("chunked") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let bytes = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; bytes + 2];
            reader.read_exact(&mut chunk).ok()?;
            if bytes == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..bytes]);
        }
    }
    Some(Asked { method, target, headers, body, connection })
}
