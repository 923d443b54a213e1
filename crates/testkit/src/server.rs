//! A built `afterimage`, started the way a person starts it, on free loopback ports and with its state in a folder of its
//! own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Answer, get, pictures};

/// A running server over its own copy of some sample pictures.
pub struct Server {
    binary: PathBuf,
    /// Where pictures are served, `http://address:port`; https where it speaks TLS.
    pub base: String,
    /// Where the operator's routes are.
    pub admin: String,
    /// The originals.
    pub originals: PathBuf,
    /// What the server printed until it was ready.
    pub greeting: String,
    home: TempDir,
    process: Child,
}

impl Server {
    /// Starts `binary` over copies of `names` from the sample pictures.
    pub fn start(binary: &str, names: &[&str], arguments: &[&str]) -> Self {
        let home = TempDir::new().expect("a folder for the test");
        let originals = home.path().join("pictures");
        std::fs::create_dir(&originals).expect("a new folder");
        for name in names {
            std::fs::copy(pictures().join(name), originals.join(name)).expect("a sample picture is copied");
        }
        Self::over(binary, home, originals, arguments)
    }

    /// Starts `binary` over the originals at `url`; [`Server::originals`] is no folder then.
    pub fn of_url(binary: &str, url: &str, arguments: &[&str]) -> Self {
        Self::over(binary, TempDir::new().expect("a folder for the test"), PathBuf::from(url), arguments)
    }

    fn over(binary: &str, home: TempDir, originals: PathBuf, arguments: &[&str]) -> Self {
        let (process, greeting) = launch(binary, home.path(), &originals, arguments);
        let address = |label: &str| {
            let line = greeting.lines().find(|line| line.starts_with(label));
            let url = line.and_then(|line| line.split_whitespace().find(|word| word.contains("://")));
            url.unwrap_or_else(|| panic!("no `{label}` line:\n{greeting}")).trim_end_matches('/').to_owned()
        };
        let (base, admin) = (address("pictures"), address("index page"));
        Self { binary: binary.into(), base, admin, originals, greeting, home, process }
    }

    /// Stops the server (TERM, or KILL) and starts another over the same folders. `between` runs while none does.
    pub fn restart(mut self, kill: bool, arguments: &[&str], between: impl FnOnce(&Path)) -> Self {
        self.stop(kill);
        between(&self.originals);
        let home = std::mem::replace(&mut self.home, TempDir::new().expect("a folder"));
        Self::over(&self.binary.display().to_string(), home, self.originals.clone(), arguments)
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the process.
    pub fn stop(&mut self, kill: bool) -> Option<i32> {
        // One that has ended and was waited for has no id any more: it may be somebody else's.
        if kill {
            let _ = self.process.kill();
        } else if matches!(self.process.try_wait(), Ok(None)) {
            let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        }
        self.process.wait().ok().and_then(|status| status.code())
    }

    /// Asks for a picture.
    pub fn get(&self, target: &str) -> Answer {
        get(&self.base, target)
    }

    /// Asks until the answer is as wanted; panics after ten seconds. Returns how long it took.
    pub fn until(&self, target: &str, wanted: impl Fn(&Answer) -> bool) -> Duration {
        let begun = Instant::now();
        loop {
            let answer = self.get(target);
            if wanted(&answer) {
                return begun.elapsed();
            }
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{target}: still {} {:?}",
                answer.status,
                answer.headers
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs a command of the same binary with the same state.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        run(&self.binary.display().to_string(), self.home.path(), arguments)
    }

    /// The stored derivatives, as paths below their folder.
    pub fn derivatives(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(&self.home.path().join("cache"), &mut found);
        found.retain(|path| path.contains("/-/"));
        found.sort();
        found
    }

    /// The folder that holds originals, cache and state.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn collect(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push(path.display().to_string());
        }
    }
}

fn command<S: AsRef<OsStr>>(binary: &str, home: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AFTERIMAGE_")) {
        command.env_remove(name);
    }
    for (name, folder) in [("XDG_CACHE_HOME", "cache"), ("XDG_STATE_HOME", "state"), ("XDG_RUNTIME_DIR", "run")] {
        let folder = home.join(folder);
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        command.env(name, folder);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command to its end, with its state below `home`.
pub fn run<S: AsRef<OsStr>>(binary: &str, home: &Path, arguments: &[S]) -> Output {
    command(binary, home, arguments).output().expect("the binary runs")
}

/// Starts a server and reads what it prints until it says that it is ready. Whoever gets the process waits for it.
#[allow(clippy::zombie_processes)] // `Server` waits when it stops or is dropped; every way out of here does before.
fn launch(binary: &str, home: &Path, originals: &Path, arguments: &[&str]) -> (Child, String) {
    let folder = originals.display().to_string();
    let mut all = vec!["serve", &folder];
    // Any free port, unless a test has to know it before.
    for listener in ["--listen", "--admin"].into_iter().filter(|listener| !arguments.contains(listener)) {
        all.extend([listener, "127.0.0.1:0"]);
    }
    all.extend(arguments);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(home.join("log")).expect("a log");
    let mut process =
        command(binary, home, &all).stdout(Stdio::piped()).stderr(Stdio::from(log)).spawn().expect("the binary starts");
    let Some(output) = process.stdout.take() else {
        let _ = process.wait();
        panic!("standard output was piped");
    };
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    let mut greeting = String::new();
    loop {
        match receive.recv_timeout(Duration::from_secs(30)) {
            Ok(line) => {
                greeting.push_str(&line);
                greeting.push('\n');
                if line.starts_with("ready") {
                    return (process, greeting);
                }
            }
            Err(_) => {
                let _ = process.kill();
                let _ = process.wait();
                let log = std::fs::read_to_string(home.join("log")).unwrap_or_default();
                panic!("the server did not become ready:\n{greeting}\n{log}");
            }
        }
    }
}
