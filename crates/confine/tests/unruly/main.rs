//! Workers that do what no worker should. Each is this very program, started again as a test that does nothing unless it is told
//! to: it crashes, hangs, takes what it can get, and talks nonsense. What holds is asked from outside.

mod acts;
mod contained;
mod lacking;
mod lives;

use std::sync::Arc;
use std::time::{Duration, Instant};

use afterimage_confine::{Answer, Command, Error, Job, Limits, Place, Workers};
use afterimage_identity::{Clock, Stamp};

/// Tells this program that it is a worker, and what its kernel is to lack.
const WORKER: &str = "AFTERIMAGE_UNRULY";

/// The machine's clock: deadlines here are real ones.
struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Stamp {
        Stamp(self.0.elapsed().as_nanos() as u64)
    }

    fn wall(&self) -> std::time::SystemTime {
        std::time::SystemTime::now()
    }
}

/// Does nothing unless it was started as a worker.
#[test]
fn worker() {
    let Ok(lacking) = std::env::var(WORKER) else { return };
    lacking::take_away(&lacking);
    if let Err(error) = afterimage_confine::serve(&mut |message, input| acts::act(message, input)) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn command(lacking: &str) -> Command {
    let arguments = ["worker", "--exact", "--nocapture", "--test-threads=1"].map(Into::into).to_vec();
    // Tests run in a thread of their own, whose heap glibc would shrink after looking into a file; a worker is its main thread.
    let one_heap = ("GLIBC_TUNABLES".into(), "glibc.malloc.arena_max=1".into());
    let environment = vec![(WORKER.into(), lacking.into()), one_heap];
    Command { program: "/proc/self/exe".into(), arguments, environment }
}

/// Small bounds, so that reaching them is quick.
fn limits() -> Limits {
    Limits {
        memory_bytes_max: 64 << 20,
        output_bytes_max: 1 << 20,
        job_time_max: Duration::from_secs(1),
        ..Limits::default()
    }
}

/// Processor time enough that memory ends first, on a slow machine too.
fn patient() -> Limits {
    Limits { job_time_max: Duration::from_secs(20), ..limits() }
}

struct Yard {
    clock: Arc<dyn Clock>,
    workers: Arc<Workers>,
    place: Place,
}

impl Yard {
    fn new(limits: Limits) -> Self {
        Self::lacking("", limits)
    }

    fn lacking(lacking: &str, limits: Limits) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RealClock(Instant::now()));
        let workers = Workers::new(command(lacking), limits, clock.clone());
        let place = workers.place();
        Self { clock, workers, place }
    }

    fn run_within(&mut self, message: &str, input: &[u8], within: Duration) -> Result<Answer, Error> {
        let deadline = self.clock.now().after(within);
        let job = Job { message: message.as_bytes(), input, memory_bytes: 32 << 20, deadline };
        self.place.run(&job, &|| false)
    }

    fn run(&mut self, message: &str) -> Result<Answer, Error> {
        self.run_within(message, b"input", Duration::from_secs(20))
    }

    /// What an act says of how it went.
    fn told(&mut self, message: &str) -> String {
        let answer = self.run(message).unwrap_or_else(|error| panic!("{message}: {error}"));
        String::from_utf8(answer.message).expect("text")
    }
}
