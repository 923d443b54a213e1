//! With every wall up: what a worker does costs its own job, at once, and the next job is answered.

use std::time::{Duration, Instant};

use afterimage_confine::{Cause, Error, Protection};

use crate::{Yard, limits, patient};

/// One act, and what becomes of it.
fn check(yard: &mut Yard, act: &str, cause: Cause) {
    let begun = Instant::now();
    match yard.run_within(act, b"input", Duration::from_millis(if act.starts_with("hang") { 300 } else { 20_000 })) {
        Err(Error::Died(death)) => assert_eq!(death.cause, cause, "{act}: {death}"),
        other => panic!("{act}: {other:?}"),
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{act} took {:?}", begun.elapsed());
    assert_eq!(yard.run("echo").expect("the next is answered").output, b"input", "after {act}");
}

#[test]
fn this_kernel_has_every_wall() {
    // What the other tests here rest on: elsewhere they say so instead of failing in odd ways.
    let report = Yard::new(limits()).place.ready().expect("starts");
    assert_eq!(report.lacking, [], "{report}");
    assert!(Protection::ALL.iter().all(|protection| report.to_string().contains(protection.word())));
}

#[test]
fn crashes_hangs_and_appetite_cost_one_job() {
    let yard = &mut Yard::new(patient());
    check(yard, "crash segv", Cause::Crash);
    check(yard, "crash abort", Cause::Crash);
    check(yard, "crash panic", Cause::Exit);
    check(yard, "crash exit", Cause::Exit);
    check(yard, "hang busy", Cause::Deadline);
    check(yard, "hang quiet", Cause::Deadline);
    check(yard, "eat much", Cause::Memory);
    check(yard, "eat more", Cause::Memory);
    check(yard, &format!("write {}", (1 << 20) + 1), Cause::Output);
    assert_eq!(yard.run(&format!("write {}", 1 << 20)).expect("exactly at the bound").output.len(), 1 << 20);
    let counted = yard.workers.snapshot();
    let of = |cause: Cause| counted.deaths[cause as usize];
    assert_eq!((of(Cause::Crash), of(Cause::Exit), of(Cause::Deadline), of(Cause::Memory)), (2, 2, 2, 2));
    assert_eq!((counted.alive, counted.started), (1, 10));
}

#[test]
fn processor_time_ends_even_if_the_parent_does_not_look() {
    let yard = &mut Yard::new(limits());
    // One second of wall time for a job, two to spare.
    match yard.run_within("hang busy", b"", Duration::from_secs(60)) {
        Err(Error::Died(death)) => assert_eq!(death.cause, Cause::Cpu),
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_sockets_and_processes_are_out_of_reach() {
    let yard = &mut Yard::new(limits());
    for act in [
        "file read",
        "file write",
        "file list",
        "file remove",
        "file environ",
        "socket tcp 9",
        "socket listen 0",
        "socket abstract x",
        "socket udp",
        "process fork",
        "process thread",
        "process exec",
        "process signal",
        "process trace",
        "process limits",
        "memory executable",
    ] {
        check(yard, act, Cause::Forbidden);
    }
    assert_eq!(yard.told("memory plain"), "done", "what is needed is allowed");
    assert!(!std::path::Path::new("/tmp/afterimage-unruly").exists());
}

#[test]
fn the_input_cannot_be_changed_and_nothing_else_is_open() {
    let yard = &mut Yard::new(limits());
    assert_eq!(yard.told("tamper"), "[\"sealed\"]");
    // Three streams and the two files of the job.
    let open = yard.told("descriptors");
    assert_eq!(open.split(',').count(), 5, "{open}");
    // What the worker was given, and not what this test has.
    let environment = yard.told("environment");
    assert_eq!(environment.matches("(").count(), 2, "{environment}");
}

#[test]
fn nonsense_is_not_believed() {
    let yard = &mut Yard::new(limits());
    for act in ["short", "long", "empty", "more", "absurd", "other", "descriptors"] {
        // The second job of a worker, behind the `echo` that followed the one before; the first of the very first.
        let number = if act == "short" { 1 } else { 2 };
        check(yard, &format!("talk {act} {number}"), Cause::Nonsense);
    }
}

#[test]
fn an_answer_too_many_is_never_the_answer_to_the_next_job() {
    let yard = &mut Yard::new(limits());
    assert_eq!(yard.run("talk twice 1").expect("the first").message, b"message");
    // The true answer to that job came too late, and is not one to this.
    match yard.run("echo") {
        Err(Error::Died(death)) => assert_eq!(death.cause, Cause::Nonsense),
        other => panic!("{other:?}"),
    }
    assert!(yard.told("echo").starts_with("5 of "));
}

#[test]
fn last_words_cannot_forge_a_line() {
    match Yard::new(limits()).run("crash forge") {
        Err(Error::Died(death)) => {
            assert!(death.words.contains("everything is lost") && !death.words.contains('\n'), "{death}");
        }
        other => panic!("{other:?}"),
    }
}
