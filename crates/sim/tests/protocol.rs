//! The whole protocol holds in every state it can reach, and breaks where one rule is left out.

use std::time::Instant;

use afterimage_sim::protocol::{Mutation, Protocol};
use stateright::{Checker, HasDiscoveries, Model};

/// Bounds, and how many states they must have at least: fewer means that the model lost behaviour.
fn bounds(window: u8, fill: u8, versions: u8, last_stays: bool) -> Protocol {
    Protocol { mutation: None, window, fill, versions, last_stays, copies: false }
}

/// Functions that write copies. Nothing is kept in memory, so the window is of no account.
fn copies(fill: u8, versions: u8, last_stays: bool) -> Protocol {
    Protocol { copies: true, ..bounds(0, fill, versions, last_stays) }
}

fn holds(protocol: Protocol, states_min: usize) {
    let began = Instant::now();
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    println!("{protocol:?}: {} states in {:?}", checker.unique_state_count(), began.elapsed());
    // Nothing that must never be was found, and everything that should be possible was.
    checker.assert_properties();
    assert!(checker.is_done(), "the check stopped early");
    assert!(checker.unique_state_count() >= states_min, "{} states only", checker.unique_state_count());
}

#[test]
fn the_whole_protocol_holds_for_a_deletion() {
    holds(bounds(1, 1, 1, false), 150_000);
}

#[test]
fn the_whole_protocol_holds_for_a_replacement() {
    holds(bounds(0, 0, 2, true), 600_000);
}

#[test]
fn copies_of_what_was_replaced_or_deleted_do_not_stay() {
    holds(copies(0, 2, false), 20_000);
    holds(copies(1, 1, false), 5_000);
}

#[test]
fn the_whole_protocol_holds_at_larger_bounds() {
    if std::env::var_os("AFTERIMAGE_LONG").is_none() {
        println!("larger bounds are checked with AFTERIMAGE_LONG=1");
        return;
    }
    holds(bounds(3, 3, 1, false), 1_000_000);
    holds(bounds(1, 1, 2, true), 2_500_000);
    holds(bounds(0, 0, 2, false), 1_000_000);
    holds(copies(1, 2, false), 100_000);
    holds(copies(0, 3, false), 100_000);
}

/// Leaves a rule out and wants the property broken.
fn check(mutation: Mutation, property: &'static str) {
    check_in(bounds(1, 1, 2, false), mutation, property);
}

fn check_in(protocol: Protocol, mutation: Mutation, property: &'static str) {
    let checker = Protocol { mutation: Some(mutation), ..protocol }
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AllOf([property].into()))
        .spawn_bfs()
        .join();
    let path = checker.discovery(property).unwrap_or_else(|| panic!("{mutation:?} was not noticed by {property}"));
    let actions = path.into_actions();
    println!("{mutation:?} breaks {property} in {} steps: {actions:?}", actions.len());
}

const S1: &str = "S1: nothing gone for longer than V is served";
const S2: &str = "S2: nothing fenced is served";
const S3: &str = "S3: what a receipt calls clean is clean";

#[test]
fn a_stamp_at_the_end_of_the_fetch_breaks_s1() {
    check(Mutation::StampAtEnd, S1);
}

#[test]
fn serving_stale_on_errors_breaks_s1() {
    check(Mutation::StaleIfError, S1);
}

#[test]
fn taking_a_stored_derivative_for_a_proof_breaks_s1() {
    check(Mutation::StoreReadIsProof, S1);
}

#[test]
fn no_fence_test_breaks_s2() {
    check(Mutation::NoFenceTest, S2);
}

#[test]
fn a_fence_log_that_forgets_breaks_s2() {
    check(Mutation::LogTooShort, S2);
}

#[test]
fn loading_a_derivative_without_asking_breaks_s2() {
    check(Mutation::NoQuestionOnLoad, S2);
}

#[test]
fn not_asking_again_after_storing_breaks_s3() {
    check(Mutation::NoVerify, S3);
}

#[test]
fn sweeping_once_breaks_s3() {
    check(Mutation::NoSecondSweep, S3);
}

#[test]
fn a_copy_that_is_written_behind_the_question_breaks_s3() {
    check_in(copies(1, 2, false), Mutation::CopyBehindQuestion, S3);
}

#[test]
fn a_copy_that_is_not_taken_back_breaks_s3() {
    check_in(copies(1, 2, false), Mutation::CopyNotTakenBack, S3);
}

#[test]
fn copies_that_a_sweep_spares_break_s3() {
    check_in(copies(1, 2, false), Mutation::CopiesSpared, S3);
}
