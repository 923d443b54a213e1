//! The HTTP side: hands out events, takes answers, and says no where the service would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::{Answered, Outcome};
use crate::upstream::head;

/// The longest answer in one piece, and the longest streamed one, as the service has them.
const BUFFERED_MAX: usize = 6 * 1024 * 1024;
const STREAMED_MAX: usize = 200 * 1024 * 1024;

/// An event to hand out.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    pub(super) deadline_ms: u128,
}

/// What was handed out and is not answered.
struct Running {
    id: String,
    begun: Instant,
    first_byte: Option<Duration>,
    /// The bytes of the answer so far.
    body: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Books {
    waiting: Option<Event>,
    running: Option<Running>,
    pub(super) outcome: Option<Outcome>,
    /// When an answer's last byte came.
    pub(super) answered_at: Option<Instant>,
    /// When the runtime asked for the next event; `None` while it works on one.
    pub(super) asked_at: Option<Instant>,
    /// The group of processes that runs, whether it is frozen while it waits for an event, and whether it is just now.
    group: Option<Pid>,
    freezes: bool,
    frozen: bool,
    pub(super) init_error: Option<(String, Value)>,
    /// Reads no further than this into an answer.
    pub(super) hold_at: Option<usize>,
    /// What the runtime did that it must not do.
    pub(super) wrong: Vec<String>,
    /// Connections of a sandbox that is gone hear nothing more.
    pub(super) sandbox: usize,
}

impl Books {
    /// What runs from now on, and whether it is frozen between two events.
    pub(super) fn runs(&mut self, group: Option<Pid>, freezes: bool) {
        (self.group, self.freezes, self.frozen) = (group, freezes, false);
        self.freeze_if_idle();
    }

    fn freeze_if_idle(&mut self) {
        if self.freezes && self.asked_at.is_some() && self.waiting.is_none() {
            self.freeze();
        }
    }

    pub(super) fn freeze(&mut self) {
        self.signal(true);
    }

    pub(super) fn thaw(&mut self) {
        self.signal(false);
    }

    fn signal(&mut self, frozen: bool) {
        // The whole group: what it started is frozen with it. A process that has ended takes no signal.
        if let Some(group) = self.group.filter(|_| self.frozen != frozen) {
            let _ = kill_process_group(group, if frozen { Signal::STOP } else { Signal::CONT });
            self.frozen = frozen;
        }
    }
}

/// The double's HTTP server. Its threads end with the test.
pub(super) struct Api {
    pub(super) address: SocketAddr,
    books: Mutex<Books>,
    changed: Condvar,
}

impl Api {
    pub(super) fn start() -> Arc<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        // Answers shall wait in the function, not in the system's buffers, when nobody reads them.
        rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 64 * 1024).expect("a smaller buffer");
        let address = listener.local_addr().expect("a bound socket has an address");
        let api = Arc::new(Self { address, books: Mutex::default(), changed: Condvar::new() });
        let serving = Arc::downgrade(&api);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(api) = serving.upgrade() else { break };
                std::thread::spawn(move || api.serve(&stream));
            }
        });
        api
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the books and wakes whoever waits for a change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        let changed = change(&mut self.books());
        self.changed.notify_all();
        changed
    }

    /// Waits until `wanted` has something to say, at most until then. Looks up in between, as a process ends without a word.
    pub(super) fn until<T>(&self, end: Instant, mut wanted: impl FnMut(&mut Books) -> Option<T>) -> Option<T> {
        let mut books = self.books();
        loop {
            if let Some(found) = wanted(&mut books) {
                return Some(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let (again, _) = self
                .changed
                .wait_timeout(books, left.min(Duration::from_millis(20)))
                .unwrap_or_else(PoisonError::into_inner);
            books = again;
        }
    }

    pub(super) fn hand_out(&self, event: Event) {
        self.change(|books| {
            assert!(books.waiting.is_none() && books.running.is_none(), "a sandbox works on one event at a time");
            (books.outcome, books.answered_at) = (None, None);
            books.thaw();
            books.waiting = Some(event);
        });
    }

    /// Forgets the process: a new sandbox begins.
    pub(super) fn clear(&self) {
        self.change(|books| *books = Books { sandbox: books.sandbox + 1, ..Books::default() });
    }

    /// The bytes of the answer that have come.
    pub(super) fn so_far(&self) -> usize {
        self.books().running.as_ref().map_or(0, |running| running.body.len())
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let sandbox = self.books().sandbox;
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let (method, target, headers) = head(&mut reader)?;
            let request = Request { headers, reader: &mut reader };
            let path = target.strip_prefix("/2018-06-01/runtime/").unwrap_or_default();
            let (status, extra, body) = match (method.as_str(), path, path.strip_prefix("invocation/")) {
                ("GET", "invocation/next", _) => self.next(sandbox)?,
                ("POST", "init/error", _) => {
                    let (kind, body) = request.error()?;
                    self.change(|books| books.init_error = Some((kind, body)));
                    accepted()
                }
                ("POST", _, Some(rest)) => match rest.split_once('/')? {
                    (id, "response") => self.response(id, request)?,
                    (id, "error") => self.error(id, request)?,
                    _ => refused(404, "no such route"),
                },
                _ => refused(404, "no such route"),
            };
            let head = format!(
                "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{extra}\r\n",
                body.len()
            );
            let mut writer = stream;
            writer.write_all(&[head.as_bytes(), &body].concat()).ok()?;
        }
    }

    /// The long poll: as long as it takes.
    fn next(&self, sandbox: usize) -> Option<Reply> {
        self.change(|books| {
            books.asked_at = Some(Instant::now());
            if let Some(running) = &books.running {
                books.wrong.push(format!("asked for the next event before {} was answered", running.id));
            }
            books.freeze_if_idle();
        });
        let far = Instant::now() + Duration::from_secs(24 * 3600);
        let taken = self.until(far, |books| match books.waiting.take() {
            _ if books.sandbox != sandbox => Some(None),
            Some(event) => {
                let (id, begun) = (event.id.clone(), Instant::now());
                books.running = Some(Running { id, begun, first_byte: None, body: Vec::new() });
                books.asked_at = None;
                Some(Some(event))
            }
            None => None,
        });
        let event = taken??;
        let headers = [
            ("Aws-Request-Id", event.id.as_str()),
            ("Deadline-Ms", &event.deadline_ms.to_string()),
            ("Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:111122223333:function:double"),
            ("Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"),
            ("Invocation-Id", &format!("of-{}", event.id)),
        ];
        let headers = headers.map(|(name, value)| format!("Lambda-Runtime-{name}: {value}\r\n")).concat();
        Some((200, headers, event.body))
    }

    fn response(&self, id: &str, request: Request<'_>) -> Option<Reply> {
        if let Some(refusal) = self.refusal(id, &request) {
            return Some(refusal);
        }
        let streamed = request.header("lambda-runtime-function-response-mode") == "streaming";
        let content_type = request.header("content-type").to_owned();
        let max = if streamed { STREAMED_MAX } else { BUFFERED_MAX };
        let whole = request.body(|bytes| self.take(bytes));
        let Some(running) = self.change(|books| books.running.take()) else {
            return Some(refused(400, "no such event"));
        };
        let (status, outcome) = match whole {
            None => (None, Outcome::Cut(running.body)),
            Some(()) if running.body.len() > max => {
                (Some(413), Outcome::Failed { kind: "Function.ResponseSizeTooLarge".into(), body: Value::Null })
            }
            Some(()) => {
                let last_byte = running.begun.elapsed();
                let first_byte = running.first_byte.unwrap_or(last_byte);
                let body = running.body;
                (Some(202), Outcome::Answered(Answered { streamed, content_type, body, first_byte, last_byte }))
            }
        };
        self.change(|books| (books.outcome, books.answered_at) = (Some(outcome), Some(Instant::now())));
        Some(if status? == 202 { accepted() } else { refused(413, "the response is too large") })
    }

    fn error(&self, id: &str, request: Request<'_>) -> Option<Reply> {
        if let Some(refusal) = self.refusal(id, &request) {
            return Some(refusal);
        }
        let (kind, body) = request.error()?;
        self.change(|books| {
            books.running = None;
            (books.outcome, books.answered_at) = (Some(Outcome::Failed { kind, body }), Some(Instant::now()));
        });
        Some(accepted())
    }

    /// Takes a piece of the answer, once it may be read.
    fn take(&self, bytes: &[u8]) -> Option<()> {
        let far = Instant::now() + Duration::from_secs(24 * 3600);
        let sandbox = self.books().sandbox;
        self.until(far, |books| {
            let begun =
                books.running.as_ref().is_none_or(|running| books.hold_at.is_none_or(|at| running.body.len() < at));
            (begun || books.sandbox != sandbox).then_some(())
        })?;
        self.change(|books| {
            let running = books.running.as_mut()?;
            running.first_byte.get_or_insert_with(|| running.begun.elapsed());
            running.body.extend_from_slice(bytes);
            Some(())
        })
    }

    fn refusal(&self, id: &str, request: &Request<'_>) -> Option<Reply> {
        let mut books = self.books();
        let echoed = request.header("lambda-runtime-invocation-id");
        if books.running.as_ref().is_none_or(|running| running.id != id) {
            books.wrong.push(format!("answered {id}, which was not handed out"));
            return Some(refused(400, "no such event"));
        }
        (!echoed.is_empty() && echoed != format!("of-{id}")).then(|| refused(410, "another invocation"))
    }
}

type Reply = (u16, String, Vec<u8>);

fn accepted() -> Reply {
    (202, String::new(), br#"{"status":"OK"}"#.to_vec())
}

fn refused(status: u16, why: &str) -> Reply {
    (
        status,
        String::new(),
        serde_json::json!({ "errorMessage": why, "errorType": "InvalidRequest" }).to_string().into_bytes(),
    )
}

struct Request<'a> {
    headers: Vec<(String, String)>,
    reader: &'a mut BufReader<TcpStream>,
}

impl Request<'_> {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn error(self) -> Option<(String, Value)> {
        let kind = self.header("lambda-runtime-function-error-type").to_owned();
        let mut body = Vec::new();
        self.body(|bytes| {
            body.extend_from_slice(bytes);
            Some(())
        })?;
        Some((kind, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// Reads the body piece by piece; `None` when it ends before its end.
    fn body(self, mut take: impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
        let mut piece = vec![0; 16 * 1024];
        let chunked = self.header("transfer-encoding") == "chunked";
        let mut announced = Some(self.header("content-length").parse().unwrap_or(0));
        loop {
            let mut left = match announced.take() {
                Some(bytes) if !chunked => bytes,
                None if !chunked => return Some(()),
                _ => {
                    let mut line = String::new();
                    self.reader.read_line(&mut line).ok()?;
                    usize::from_str_radix(line.trim(), 16).ok()?
                }
            };
            if chunked && left == 0 {
                // Trailers, to the empty line.
                let mut line = String::new();
                while self.reader.read_line(&mut line).ok()? > 2 {
                    line.clear();
                }
                return Some(());
            }
            while left > 0 {
                let wanted = left.min(piece.len());
                let read = self.reader.read(&mut piece[..wanted]).ok().filter(|read| *read > 0)?;
                take(&piece[..read])?;
                left -= read;
            }
            if chunked {
                self.reader.read_exact(&mut [0; 2]).ok()?;
            }
        }
    }
}
