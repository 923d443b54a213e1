//! The process: started with the environment that the service gives, frozen between two events, killed at its deadline.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

use super::api::{Api, Books, Event};
use super::{Answered, Outcome};

/// How long the service waits for a process to ask for its first event.
const INIT_MAX: Duration = Duration::from_secs(10);

/// A function as it was deployed.
#[derive(Debug, Clone)]
pub struct Function {
    binary: PathBuf,
    environment: Vec<(String, String)>,
    files: Vec<(String, Vec<u8>)>,
    timeout: Duration,
    freezes: bool,
}

/// Why a process took no events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It said so, with this error type and body.
    Error(String, Value),
    /// It ended without a word.
    Exited,
    /// It was not ready in time.
    Silent,
}

/// The binary to be tried: the one that was built for the tests, or the one that was packed of the same function, where
/// `LAMBDA_UNPACKED` names the folder that packages were unpacked into (`make lambda-test`).
pub fn bootstrap(built: &str) -> PathBuf {
    let Some(folder) = std::env::var_os("LAMBDA_UNPACKED") else { return built.into() };
    let name = Path::new(built).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let packed = Path::new(&folder).join(name.trim_start_matches("afterimage-")).join("bootstrap");
    assert!(packed.is_file(), "{}: there is no such file", packed.display());
    packed
}

impl Function {
    /// The function whose [`bootstrap`] this binary is; 30 seconds for an event.
    pub fn new(built: &str) -> Self {
        let timeout = Duration::from_secs(30);
        Self { binary: bootstrap(built), environment: Vec::new(), files: Vec::new(), timeout, freezes: true }
    }

    /// With an environment variable more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a file beside the bootstrap.
    #[must_use]
    pub fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        self.files.push((name.to_owned(), bytes.to_vec()));
        self
    }

    /// With another time for an event.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Lets the process run between two events, as the service may or may not.
    #[must_use]
    pub fn never_frozen(mut self) -> Self {
        self.freezes = false;
        self
    }

    /// Starts a sandbox and waits until it asks for an event. Panics, with its log, when it does not.
    pub fn start(&self) -> Sandbox {
        self.try_start().unwrap_or_else(|(refused, log)| panic!("the function did not start: {refused:?}\n{log}"))
    }

    /// Starts a sandbox and waits until it asks for an event.
    ///
    /// # Errors
    /// Why it does not, and its log.
    pub fn try_start(&self) -> Result<Sandbox, (Refused, String)> {
        let (home, api) = (TempDir::new().expect("a folder for the test"), Api::start());
        let root = home.path().join("task");
        std::fs::create_dir(&root).expect("a new folder");
        std::os::unix::fs::symlink(&self.binary, root.join("bootstrap")).expect("a new link");
        for (name, bytes) in &self.files {
            std::fs::write(root.join(name), bytes).expect("a new file");
        }
        let began = Instant::now();
        let process = self.launch(home.path(), &api);
        let init = Duration::ZERO;
        let mut sandbox = Sandbox { function: self.clone(), api, process, home, init, events: AtomicUsize::new(0) };
        sandbox.ready(began).map_err(|refused| (refused, sandbox.log()))?;
        Ok(sandbox)
    }

    fn launch(&self, home: &Path, api: &Api) -> Child {
        let (root, log) = (home.join("task"), home.join("log"));
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let root_text = root.display().to_string();
        let process = Command::new(root.join("bootstrap"))
            .env_clear()
            .envs([
                ("_HANDLER", "bootstrap"),
                ("LAMBDA_TASK_ROOT", &root_text),
                ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
                ("AWS_LAMBDA_RUNTIME_API", &api.address.to_string()),
                ("AWS_LAMBDA_FUNCTION_NAME", "double"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
                ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/double"),
                ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/03/12/[$LATEST]0123456789abcdef"),
                ("AWS_REGION", "eu-central-1"),
                ("AWS_DEFAULT_REGION", "eu-central-1"),
                ("AWS_ACCESS_KEY_ID", "ASIADOUBLE"),
                ("AWS_SECRET_ACCESS_KEY", "secret-of-the-double"),
                ("AWS_SESSION_TOKEN", "token-of-the-double"),
                ("LANG", "en_US.UTF-8"),
                ("TZ", ":UTC"),
                ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
            ])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&root)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        api.change(|books| books.runs(group_of(&process), self.freezes));
        process
    }
}

/// One process of a function. It ends when this is dropped.
pub struct Sandbox {
    function: Function,
    api: Arc<Api>,
    process: Child,
    home: TempDir,
    /// From the start of the process to its asking for the first event.
    pub init: Duration,
    events: AtomicUsize,
}

impl Sandbox {
    /// Hands out an event and waits for its answer. Panics, with the log, when there is none.
    pub fn invoke(&mut self, event: &Value) -> Answered {
        match self.send(event).outcome() {
            Outcome::Answered(answered) => answered,
            other => panic!("no answer but {other:?}\n{}", self.log()),
        }
    }

    /// [`Sandbox::invoke`] with the event of a function URL.
    pub fn get(&mut self, target: &str) -> http::Response<Vec<u8>> {
        self.invoke(&super::url_event("GET", target, &[])).http()
    }

    /// Hands out an event. Panics when the process does not ask for one.
    pub fn send(&mut self, event: &Value) -> Invocation<'_> {
        self.wait_for_next();
        let number = self.events.fetch_add(1, SeqCst);
        let id = format!("8476a536-e9f4-11e8-9739-{number:012x}");
        let deadline = SystemTime::now() + self.function.timeout;
        let deadline_ms = deadline.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let (body, end) = (event.to_string().into_bytes(), Instant::now() + self.function.timeout);
        self.api.hand_out(Event { id, body, deadline_ms });
        Invocation { sandbox: self, end }
    }

    /// Waits until the process asks for the next event, which ends an invocation. How long that took since the last byte of
    /// the answer before.
    pub fn settle(&mut self) -> Duration {
        self.wait_for_next();
        let books = self.api.books();
        let since = books.asked_at.zip(books.answered_at);
        since.map_or(Duration::ZERO, |(asked, answered)| asked.saturating_duration_since(answered))
    }

    /// Ends the process at once, and starts another of the same function in its place.
    pub fn replace(&mut self) {
        self.kill();
        self.api.clear();
        let began = Instant::now();
        self.process = self.function.launch(self.home.path(), &self.api);
        if let Err(refused) = self.ready(began) {
            panic!("the function did not start again: {refused:?}\n{}", self.log());
        }
    }

    /// Ends the process at once, and what it started.
    pub fn kill(&mut self) {
        // One that has ended and was waited for has no id any more: it may be somebody else's.
        if let (Ok(None), Some(group)) = (self.process.try_wait(), group_of(&self.process)) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.process.wait();
        self.api.change(|books| books.runs(None, false));
    }

    /// Stops the process where it stands, until [`Sandbox::thaw`].
    pub fn freeze(&self) {
        self.api.change(Books::freeze);
    }

    /// Lets the process go on.
    pub fn thaw(&self) {
        self.api.change(Books::thaw);
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// The folder of the bootstrap, which the service lets nobody write to.
    pub fn root(&self) -> std::path::PathBuf {
        self.home.path().join("task")
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Reads no more than about this many bytes of the answers that come, `None` all.
    pub fn hold_at(&self, bytes: Option<usize>) {
        self.api.change(|books| books.hold_at = bytes);
    }

    fn ready(&mut self, began: Instant) -> Result<(), Refused> {
        enum Heard {
            Asked(Instant),
            Error(String, Value),
            Ended,
        }
        let (api, process) = (self.api.clone(), &mut self.process);
        let heard = api.until(began + INIT_MAX, |books| {
            let asked = books.asked_at.map(Heard::Asked);
            let error = || books.init_error.take().map(|(kind, body)| Heard::Error(kind, body));
            asked.or_else(error).or_else(|| matches!(process.try_wait(), Ok(Some(_))).then_some(Heard::Ended))
        });
        match heard {
            Some(Heard::Asked(at)) => {
                self.init = at.duration_since(began);
                Ok(())
            }
            Some(Heard::Error(kind, body)) => Err(Refused::Error(kind, body)),
            Some(Heard::Ended) => Err(Refused::Exited),
            None => Err(Refused::Silent),
        }
    }

    fn wait_for_next(&mut self) {
        let (api, process) = (self.api.clone(), &mut self.process);
        let asked = api.until(Instant::now() + self.function.timeout, |books| {
            let gone = || matches!(process.try_wait(), Ok(Some(_))).then_some(false);
            books.asked_at.map(|_| true).or_else(gone)
        });
        let wrong = self.api.books().wrong.clone();
        assert!(
            asked == Some(true) && wrong.is_empty(),
            "no question for an event: {asked:?} {wrong:?}\n{}",
            self.log()
        );
    }
}

fn group_of(process: &Child) -> Option<Pid> {
    i32::try_from(process.id()).ok().and_then(Pid::from_raw)
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill();
        self.api.clear();
    }
}

/// An event that was handed out.
pub struct Invocation<'a> {
    sandbox: &'a mut Sandbox,
    end: Instant,
}

impl Invocation<'_> {
    /// Waits for what comes of it; at the deadline the process is killed. The next event goes to a new process then.
    pub fn outcome(self) -> Outcome {
        let (api, process) = (self.sandbox.api.clone(), &mut self.sandbox.process);
        let mut ended = None;
        let outcome = api.until(self.end, |books| {
            // What was sent before the end may still be on its way.
            let mut gone =
                || matches!(process.try_wait(), Ok(Some(_))).then(|| *ended.get_or_insert_with(Instant::now));
            let late = |at: Instant| (at.elapsed() > Duration::from_millis(500)).then_some(Outcome::Exited);
            books.outcome.take().or_else(|| gone().and_then(late))
        });
        outcome.unwrap_or_else(|| {
            self.sandbox.kill();
            Outcome::TimedOut
        })
    }

    /// Waits until this many bytes of the answer came.
    pub fn came(&self, bytes: usize) {
        let api = &self.sandbox.api;
        while api.so_far() < bytes {
            assert!(Instant::now() < self.end, "only {} bytes came", api.so_far());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends the process at once, in the middle of its work.
    pub fn kill(self) -> Outcome {
        self.sandbox.kill();
        self.sandbox.hold_at(None);
        self.outcome()
    }

    /// Stops the process for a while in the middle of its work.
    pub fn pause(&self, duration: Duration) {
        self.sandbox.freeze();
        std::thread::sleep(duration);
        self.sandbox.thaw();
    }
}
