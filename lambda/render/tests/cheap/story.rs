//! What the CDN gets, from whom, and until when.

use std::time::{Duration, Instant};

use afterimage_testkit::bucket::{Fault, Version};
use afterimage_testkit::lambda::url_event;
use afterimage_testkit::{colour_of, one_colour, picture, size_of};
use serde_json::json;

use crate::writing::{World, record};

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const URL: &str = "/a.png?w=100&fm=png";
const COPY: &str = "d/a.png/-/w100.png";

/// With one original of one colour, and its picture asked for.
async fn with_red() -> World {
    let mut world = World::new().await;
    world.bucket.state().write("o/a.png", &one_colour(200, RED));
    assert_eq!(colour_of(&world.get(URL).body), Some(RED));
    assert_eq!((world.cdn.calls, world.stored()), (1, vec!["derivative", "copy"]));
    world
}

fn copy(world: &World) -> Version {
    world.bucket.state().current(COPY).expect("a copy")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_function_makes_it_once_and_the_bucket_answers_from_then_on() {
    let mut world = World::new().await;
    world.bucket.state().write("o/p/museum.jpg", &picture("museum.jpg"));
    let made = world.get("/p/museum.jpg?w=320&fm=webp");
    assert_eq!((made.status, size_of(&made.body)), (200, Some(("webp", 320, 240))));
    assert_eq!((world.cdn.calls, world.cdn.found), (1, 0));
    for (found, url) in [(1, "/p/museum.jpg?w=320&fm=webp"), (2, "/p/museum.jpg?fm=webp&w=320")] {
        world.cdn.elsewhere();
        let read = world.get(url);
        assert_eq!((world.cdn.calls, world.cdn.found), (1, found), "the bucket alone answers {url}");
        assert_eq!((read.status, &read.body), (200, &made.body));
        for name in ["content-type", "cache-control", "x-amz-meta-cache-tag"] {
            assert_eq!((read.header(name), read.header(name).is_empty()), (made.header(name), false), "{name}");
        }
    }
    let calls = world.bucket.state().calls.clone();
    let asked = ["HeadObject", "GetObject", "GetObject", "PutObject", "PutObject", "HeadObject"];
    assert_eq!(calls, asked, "asked, looked for, read, stored twice, asked again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_copy_is_written_from_what_is_stored() {
    let mut world = with_red().await;
    world.bucket.state().delete_plainly(COPY);
    world.bucket.state().calls.clear();
    for (calls, found) in [(2, 0), (2, 1), (2, 2)] {
        world.cdn.elsewhere();
        assert_eq!(colour_of(&world.get(URL).body), Some(RED));
        assert_eq!((world.cdn.calls, world.cdn.found), (calls, found));
    }
    let calls = world.bucket.state().calls.clone();
    assert_eq!(calls, ["HeadObject", "GetObject", "PutObject", "HeadObject"], "nothing is made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_is_gone_from_bucket_and_cdn() {
    let mut world = with_red().await;
    world.bucket.state().delete_plainly("o/a.png");
    world.cdn.elsewhere();
    assert_eq!(world.get(URL).status, 200, "the bucket asks nobody: this is what is cheaper");
    world.purge(record("ObjectRemoved:Delete", "a.png")).await;
    assert_eq!(world.stored(), [""; 0]);
    // A tag for what carries one, a path for the original itself, which its owner gave none.
    let told = world.told();
    assert!(told.len() == 2 && told.iter().any(|item| item.starts_with('#')), "{told:?}");
    assert!(told.contains(&"/a.png".to_owned()), "{told:?}");
    let gone = world.get(URL);
    assert_eq!((gone.status, world.cdn.calls), (404, 2));
    assert!(!gone.header("x-amz-meta-cache-tag").is_empty(), "an upload has to reach it");
    world.later().await;
    assert_eq!(world.told().len(), 4, "told again once no fill can be under way");
    assert_eq!((world.get(URL).status, world.stored()), (404, vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_replaced_is_shown_anew_and_its_copy_with_it() {
    let mut world = with_red().await;
    world.bucket.state().write("o/a.png", &one_colour(200, BLUE));
    world.purge(record("ObjectCreated:Put", "a.png")).await;
    assert_eq!(colour_of(&world.get(URL).body), Some(BLUE));
    assert_eq!((world.cdn.calls, world.stored()), (2, vec!["derivative", "copy"]));
    world.later().await;
    // The second sweep takes every copy, the right one too: the next one who asks has it again.
    assert_eq!(world.stored(), ["derivative"]);
    for calls in [3, 3] {
        world.cdn.elsewhere();
        assert_eq!((colour_of(&world.get(URL).body), world.cdn.calls), (Some(BLUE), calls));
    }
}

/// Its time is over between its last write and its question; and the event is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_function_left_is_the_reconcilers() {
    let mut world = World::new().await;
    world.bucket.state().write("o/a.png", &one_colour(200, RED));
    tokio::task::block_in_place(|| {
        world.bucket.state().fail("PutObject", Fault::Slow(Duration::from_millis(700)), 1);
        let made = world.cdn.render.invoke(&url_event("GET", "/a.png/-/w100.png", &[])).http();
        assert_eq!(made.status(), 200);
        world.bucket.state().fail("HeadObject", Fault::Silence, 1);
        let begun = Instant::now();
        while world.stored() != ["derivative", "copy"] {
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", world.stored());
            std::thread::sleep(Duration::from_millis(5));
        }
        world.bucket.state().write("o/a.png", &one_colour(200, BLUE));
        world.cdn.render.replace();
    });
    world.bucket.state().faults.clear();
    assert_eq!(colour_of(&world.get(URL).body), Some(RED), "until somebody looks");
    assert_eq!(world.cdn.calls, 0, "nobody asked the function, which would have known");
    let reported = world.reconcile().await;
    assert_eq!((&reported["report"]["changed"], &reported["report"]["held"]), (&json!(1), &json!(false)), "{reported}");
    assert_eq!(world.stored(), [""; 0]);
    assert_eq!(colour_of(&world.get(URL).body), Some(BLUE), "CloudFront was told");
    world.later().await;
    assert_eq!(colour_of(&world.get(URL).body), Some(BLUE));
}

/// A write that the network held up until every sweep was over: the derivative is current, and its copy is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_an_old_version_beside_a_current_derivative_is_the_reconcilers() {
    let mut world = with_red().await;
    let old = copy(&world);
    world.bucket.state().write("o/a.png", &one_colour(200, BLUE));
    world.purge(record("ObjectCreated:Put", "a.png")).await;
    world.later().await;
    assert_eq!(colour_of(&world.get(URL).body), Some(BLUE));
    let right = world.reconcile().await;
    assert_eq!((&right["report"]["changed"], &right["report"]["asked"]), (&json!(0), &json!(1)), "{right}");
    assert_eq!(right["report"]["copies"], json!(1), "seen by its listing, without a question: {right}");
    world.bucket.state().put(COPY, old.body, old.content_type, old.metadata);
    world.bucket.state().objects.get_mut(COPY).unwrap()[0].cache_control = old.cache_control;
    world.cdn.elsewhere();
    assert_eq!(colour_of(&world.get(URL).body), Some(RED));
    let reported = world.reconcile().await;
    assert_eq!((&reported["report"]["changed"], &reported["report"]["asked"]), (&json!(1), &json!(2)), "{reported}");
    assert_eq!(world.stored(), ["derivative"]);
    assert_eq!(colour_of(&world.get(URL).body), Some(BLUE), "CloudFront was told");
}
