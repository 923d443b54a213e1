//! Rare events beside a future that is polled all the time. A connection's task is woken for every request; its deadline
//! and the word to finish hardly ever come, and asking both each time costs a lock and a timer's look.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is polled only once it was woken itself. It belongs to one task from its first poll on.
pub struct Aside<F> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
    waker: Waker,
}

struct Woken {
    is_woken: AtomicBool,
    task: OnceLock<Waker>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the task: it looks here when it wakes.
        self.is_woken.store(true, Ordering::Release);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}

impl<F: Future> Aside<F> {
    pub fn new(future: F) -> Self {
        let woken = Arc::new(Woken { is_woken: AtomicBool::new(true), task: OnceLock::new() });
        Self { future: Box::pin(future), waker: woken.clone().into(), woken }
    }

    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        if !self.woken.is_woken.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let task = self.woken.task.get_or_init(|| cx.waker().clone());
        debug_assert!(task.will_wake(cx.waker()), "it was polled by two tasks");
        self.woken.is_woken.swap(false, Ordering::Acquire);
        self.future.as_mut().poll(&mut Context::from_waker(&self.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn it_is_polled_at_first_and_when_it_was_woken() {
        let counted = Arc::new(Counted(AtomicUsize::new(0)));
        let waker = Waker::from(counted.clone());
        let mut cx = Context::from_waker(&waker);
        let (tell, mut told) = tokio::sync::oneshot::channel::<u32>();
        let polls = AtomicUsize::new(0);
        let mut aside = Aside::new(std::future::poll_fn(|cx| {
            polls.fetch_add(1, Ordering::SeqCst);
            Pin::new(&mut told).poll(cx)
        }));
        for _ in 0..3 {
            assert!(aside.poll(&mut cx).is_pending());
        }
        assert_eq!((polls.load(Ordering::SeqCst), counted.0.load(Ordering::SeqCst)), (1, 0));
        tell.send(7).unwrap();
        assert_eq!(counted.0.load(Ordering::SeqCst), 1);
        assert_eq!(aside.poll(&mut cx), Poll::Ready(Ok(7)));
    }
}
