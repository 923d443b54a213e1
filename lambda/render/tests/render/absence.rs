//! Gone is what the bucket says of this key, of a bucket that tells; a derivative is no proof of anything.

use afterimage_testkit::bucket::{Fault, S3ErrorCode};

use crate::world::{World, ask, header};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_a_404_with_its_tag_and_a_short_life() {
    let world = World::new(&["rose.webp"]).await;
    let mut sandbox = world.function.start();
    let gone = ask(&mut sandbox, "GET", "/p/gone.jpg/-/w320.webp", &[]);
    assert_eq!(gone.status(), 404);
    assert_eq!(header(&gone, "cache-control"), "public, max-age=10, s-maxage=10");
    assert_eq!(header(&gone, "content-type"), "application/problem+json");
    let tags = header(&gone, "cache-tag").to_owned();
    // What an upload of that key invalidates.
    world.bucket.state().write("o/p/gone.jpg", &afterimage_testkit::picture("rose.webp"));
    let there = ask(&mut sandbox, "GET", "/p/gone.jpg/-/w320.webp", &[]);
    assert_eq!((there.status().as_u16(), header(&there, "cache-tag")), (200, &*tags));
    assert!(!tags.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forbidden_is_not_gone() {
    let world = World::new(&["rose.webp"]).await;
    let mut sandbox = world.function.start();
    world.bucket.state().hides_absence = true;
    for target in ["/lost.jpg", "/lost.jpg/-/w320.webp"] {
        let answer = ask(&mut sandbox, "GET", target, &[]);
        assert_eq!((answer.status().as_u16(), header(&answer, "cache-control")), (503, "no-store"), "{target}");
    }
    world.bucket.state().hides_absence = false;
    assert_eq!(ask(&mut sandbox, "GET", "/lost.jpg", &[]).status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_404_of_a_bucket_that_may_not_be_listed_proves_nothing() {
    let world = World::new(&[]).await;
    let mut sandbox = world.function.start();
    world.bucket.state().fail("ListObjectsV2", Fault::Code(S3ErrorCode::AccessDenied), 1);
    assert_eq!(ask(&mut sandbox, "GET", "/gone.jpg", &[]).status(), 503);
    assert_eq!(ask(&mut sandbox, "GET", "/gone.jpg", &[]).status(), 404, "it may be listed now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_served_of_an_original_that_is_gone_or_unprovable() {
    let world = World::new(&["rose.webp"]).await;
    let target = "/rose.webp/-/w100.webp";
    let mut warm = world.function.start();
    assert_eq!(ask(&mut warm, "GET", target, &[]).status(), 200);
    warm.settle();
    assert_eq!(world.stored().len(), 1);
    // The first has it in memory, the second finds it in the bucket.
    let mut cold = world.function.start();
    world.bucket.state().fail("HeadObject", Fault::Code(S3ErrorCode::InternalError), 4);
    for sandbox in [&mut warm, &mut cold] {
        let answer = ask(sandbox, "GET", target, &[]);
        assert_eq!((answer.status().as_u16(), header(&answer, "cache-control")), (503, "no-store"), "{answer:?}");
    }
    world.bucket.state().delete_plainly("o/rose.webp");
    for sandbox in [&mut warm, &mut cold] {
        let answer = ask(sandbox, "GET", target, &[]);
        assert_eq!(answer.status(), 404);
        assert_eq!(afterimage_testkit::size_of(answer.body()), None, "no picture");
    }
    assert_eq!(world.stored().len(), 1, "what is left is the write story's");
    assert!(warm.log().contains("reconciler"), "{}", warm.log());
}
