//! A journal that cannot be written. Alone in its process: the limit that makes it so is the whole process's.

mod world;

use afterimage_identity::{FoundBy, Happened, Take};
use afterimage_purge::Taker;
use world::{World, event};

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_is_not_taken() {
    let world = World::new(&[]);
    world.derive("a.jpg", "old", "r1").await;
    let running = world.run();
    let removed = event("a.jpg", Happened::Removed, FoundBy::Event);
    // Nothing can be appended to a journal that is too long for its file system; here, its limit for this process.
    let before = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    let none = rustix::process::Rlimit { current: Some(0), ..before };
    // The kernel would end a process that is not asked to ignore it.
    let ignored = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(25)).unwrap();
    rustix::process::setrlimit(rustix::process::Resource::Fsize, none).unwrap();
    let taken = Taker::new(running.purger.clone()).take(vec![removed]).await;
    rustix::process::setrlimit(rustix::process::Resource::Fsize, before).unwrap();
    drop(ignored);
    assert!(taken[0].is_err());
    running.purger.settle().await;
    assert!(world.stored().await.is_empty(), "it is carried out all the same");
}
