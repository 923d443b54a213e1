//! Whoever asks for the next event may be frozen on the spot, and may never wake up: nothing may be left to do, and nothing that was
//! known before counts afterwards.

use afterimage_testkit::bucket::Fault;
use afterimage_testkit::lambda::{Outcome, url_event};
use afterimage_testkit::{colour_of, one_colour};

use crate::world::{MS, World, ask, header};

const TARGET: &str = "/rose.webp/-/w100.webp";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_comes_first_and_the_rest_before_the_next_event() {
    let world = World::new(&["rose.webp"]).await;
    let mut sandbox = world.function.start();
    world.bucket.state().fail("PutObject", Fault::Slow(MS(1500)), 1);
    let answered = sandbox.invoke(&url_event("GET", TARGET, &[]));
    assert_eq!(answered.http().status(), 200);
    assert_eq!(world.stored(), [""; 0], "nobody waited for the bucket: {answered:?}");
    let rest = sandbox.settle();
    assert!(rest > MS(700), "{rest:?}");
    // Frozen from here on: what is not done now is never done.
    assert_eq!(world.stored().len(), 1);
    assert_eq!(world.calls().last().map(String::as_str), Some("HeadObject"), "asked again once stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_of_an_original_that_went_meanwhile_is_taken_back_before_the_next_event() {
    let world = World::new(&["rose.webp"]).await;
    let mut sandbox = world.function.start();
    world.bucket.state().fail("PutObject", Fault::Slow(MS(1500)), 1);
    assert_eq!(ask(&mut sandbox, "GET", TARGET, &[]).status(), 200);
    world.bucket.state().delete_plainly("o/rose.webp");
    sandbox.settle();
    let calls = world.calls();
    assert!(
        calls.iter().any(|call| call == "PutObject") && calls.iter().any(|call| call == "DeleteObjects"),
        "{calls:?}"
    );
    assert_eq!(world.stored(), [""; 0]);
    assert_eq!(ask(&mut sandbox, "GET", TARGET, &[]).status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_proof_outlives_the_event_that_asked_for_it() {
    let world = World::new(&[]).await;
    let colour = |answer: &http::Response<Vec<u8>>| colour_of(answer.body());
    let (red, blue) = ([255, 0, 0], [0, 0, 255]);
    world.bucket.state().write("o/a.png", &one_colour(64, red));
    let mut sandbox = world.function.start();
    assert_eq!(colour(&ask(&mut sandbox, "GET", "/a.png/-/w32.png", &[])), Some(red));
    sandbox.settle();
    // A server asks a bucket once a minute. Frozen here: by the function's own clock, whatever it says, nothing has passed.
    world.bucket.state().write("o/a.png", &one_colour(64, blue));
    assert_eq!(colour(&ask(&mut sandbox, "GET", "/a.png/-/w32.png", &[])), Some(blue), "replaced");
    sandbox.settle();
    world.calls();
    let again = ask(&mut sandbox, "GET", "/a.png/-/w32.png", &[]);
    assert_eq!((colour(&again), header(&again, "cache-status").contains("memory")), (Some(blue), true), "{again:?}");
    sandbox.settle();
    assert_eq!(world.calls(), ["HeadObject"], "in memory, and asked for once");
    world.bucket.state().delete_plainly("o/a.png");
    assert_eq!(ask(&mut sandbox, "GET", "/a.png/-/w32.png", &[]).status(), 404, "deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_in_the_middle_of_an_event_it_still_proves_before_it_answers() {
    let world = World::new(&["rose.webp"]).await;
    let mut sandbox = world.function.start();
    assert_eq!(ask(&mut sandbox, "GET", TARGET, &[]).status(), 200);
    world.bucket.state().fail("HeadObject", Fault::Slow(MS(300)), 1);
    let invocation = sandbox.send(&url_event("GET", TARGET, &[]));
    invocation.pause(MS(1000));
    let Outcome::Answered(answered) = invocation.outcome() else { panic!("no answer") };
    assert_eq!(answered.http().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_takes_too_long_is_answered_in_time() {
    let world = World::new(&["rose.webp"]).await;
    let mut sandbox = world.function.clone().timeout(MS(2000)).start();
    world.bucket.state().fail("HeadObject", Fault::Silence, 9);
    let answer = ask(&mut sandbox, "GET", TARGET, &[]);
    assert_eq!((answer.status().as_u16(), header(&answer, "cache-control")), (503, "no-store"), "{answer:?}");
    assert_eq!(header(&answer, "retry-after"), "5");
}
