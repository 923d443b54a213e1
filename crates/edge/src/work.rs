//! What requests have begun and nobody waits for: fills that store what they made, renewals, fetches into the cache. It is counted,
//! so that whoever must not go to sleep over it can wait until it is over.

use std::future::Future;

use tokio::sync::watch;

/// The tasks under way.
#[derive(Debug)]
pub(crate) struct Work(watch::Sender<usize>);

impl Default for Work {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Work {
    /// Begins a task that goes on when its viewer goes away.
    pub(crate) fn begin(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.send_modify(|tasks| *tasks += 1);
        let counted = Counted(self.0.clone());
        tokio::spawn(async move {
            let _counted = counted;
            task.await;
        });
    }

    /// Resolves when none is under way.
    pub(crate) async fn over(&self) {
        // It cannot fail: the sender is ours.
        let _ = self.0.subscribe().wait_for(|tasks| *tasks == 0).await;
    }
}

/// One of them; a panic ends it too.
struct Counted(watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|tasks| *tasks -= 1);
    }
}
