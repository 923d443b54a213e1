//! Doing many things at once, but not too many.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What `work` makes of each item, in their order, at most `at_once` of them at a time. Dropped, it stops them all.
pub(crate) async fn each<T, R, W>(items: Vec<T>, at_once: usize, work: impl Fn(T) -> W) -> Vec<R>
where
    R: Send + 'static,
    W: Future<Output = R> + Send + 'static,
{
    let turns = Arc::new(Semaphore::new(at_once.max(1)));
    let mut running = JoinSet::new();
    for (at, item) in items.into_iter().enumerate() {
        let (work, turns) = (work(item), turns.clone());
        running.spawn(async move {
            // It is never closed.
            let _turn = turns.acquire_owned().await;
            (at, work.await)
        });
    }
    let mut done: Vec<(usize, R)> = Vec::with_capacity(running.len());
    while let Some(finished) = running.join_next().await {
        match finished {
            Ok(result) => done.push(result),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
