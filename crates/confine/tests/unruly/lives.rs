//! How long a worker lives, and what follows it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use afterimage_confine::{Command, Error, Job, Limits, Workers};

use crate::{RealClock, WORKER, Yard, limits};

/// The process that answered.
fn who(yard: &mut Yard) -> u32 {
    yard.told("echo").rsplit(' ').next().expect("a number").parse().expect("a number")
}

fn is_alive(process: u32) -> bool {
    // A zombie is no process any more, only its exit status.
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn until_gone(process: u32) {
    let begun = Instant::now();
    while is_alive(process) {
        assert!(begun.elapsed() < Duration::from_secs(10), "process {process} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_worker_is_replaced_after_its_share() {
    let yard = &mut Yard::new(Limits { jobs_max: 3, ..limits() });
    let mut rested = || {
        let process = who(yard);
        yard.place.rest();
        process
    };
    let processes: Vec<u32> = (0..7).map(|_| rested()).collect();
    assert!(processes[0] == processes[2] && processes[3] == processes[5], "{processes:?}");
    assert!(processes[2] != processes[3] && processes[5] != processes[6], "{processes:?}");
    assert!(!is_alive(processes[0]));
    assert_eq!(yard.workers.snapshot().replaced, 2);
}

#[test]
fn a_worker_that_died_idle_costs_no_job() {
    let yard = &mut Yard::new(limits());
    let process = who(yard);
    rustix::process::kill_process(pid(process), rustix::process::Signal::KILL).expect("killed");
    std::thread::sleep(Duration::from_millis(50));
    assert_ne!(who(yard), process);
}

fn pid(process: u32) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(process as i32).expect("a process")
}

#[test]
fn whoever_stops_waiting_ends_the_job_and_its_worker() {
    let yard = &mut Yard::new(limits());
    let process = who(yard);
    let asked = AtomicU32::new(0);
    let deadline = yard.clock.now().after(Duration::from_secs(60));
    let job = Job { message: b"hang quiet", input: b"", memory_bytes: 0, deadline };
    let stop = || asked.fetch_add(1, Ordering::Relaxed) > 2;
    assert_eq!(yard.place.run(&job, &stop), Err(Error::Stopped));
    assert!(!is_alive(process));
    assert_ne!(who(yard), process);
}

#[test]
fn one_that_keeps_dying_comes_back_ever_later() {
    let yard = &mut Yard::new(Limits { pause_max: Duration::from_millis(100), ..limits() });
    let mut took = |act: &str| {
        let begun = Instant::now();
        let _ = yard.run(act);
        begun.elapsed()
    };
    took("crash segv");
    let deaths: Vec<Duration> = (0..5).map(|_| took("crash segv")).collect();
    // Pauses of 0, 20, 40, 80 and 100 ms before these.
    assert!(deaths[3] >= Duration::from_millis(80) && deaths[4] >= Duration::from_millis(100), "{deaths:?}");
    took("echo");
    took("crash segv");
    // After a success the first death costs no pause; a start takes some milliseconds, more on a busy machine.
    assert!(took("echo") < deaths[4] + Duration::from_millis(100));
}

#[test]
fn what_cannot_be_started_is_an_error_that_says_why() {
    let clock = std::sync::Arc::new(RealClock(Instant::now()));
    let check = |program: &str, arguments: &[&str], words: &str| {
        let arguments = arguments.iter().map(Into::into).collect();
        let command = Command { program: program.into(), arguments, environment: Vec::new() };
        let limits = Limits { start_time_max: Duration::from_millis(300), ..limits() };
        let workers = Workers::new(command, limits, clock.clone());
        match workers.place().ready() {
            Err(Error::NotStarted(why)) => assert!(why.contains(words), "{program}: {why}"),
            other => panic!("{program}: {other:?}"),
        }
        assert_eq!(workers.snapshot().failed, 1);
    };
    check("/nowhere/at/all", &[], "/nowhere/at/all");
    check("/bin/true", &[], "before its first word");
    check("/bin/sleep", &["60"], "no word of it");
}

/// Does nothing unless it is told to be a parent that is about to die.
#[test]
fn parent() {
    if std::env::var(WORKER).as_deref() != Ok("parent") {
        return;
    }
    let mut yard = Yard::new(limits());
    println!("worker={}", who(&mut yard));
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_worker_dies_with_its_parent() {
    let mut parent = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["lives::parent", "--exact", "--nocapture"])
        .env(WORKER, "parent")
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let lines = BufReader::new(parent.stdout.take().expect("piped")).lines();
    let process = lines
        .map_while(Result::ok)
        .find_map(|line| line.split("worker=").nth(1).and_then(|rest| rest.trim().parse().ok()))
        .expect("a worker");
    assert!(is_alive(process));
    parent.kill().expect("killed");
    let _ = parent.wait();
    until_gone(process);
}
