//! hyper's deadline for a request's head, on the timer that a connection has anyway. A timer of hyper's own is made and
//! thrown away with every request; here that is one number written and erased, and the connection's next look at its
//! deadlines sees it: [`Seen::verdict`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use crate::connection::Seen;

/// Tells a connection until when the head that it waits for has to be there.
pub struct HeadTimer(pub Arc<Seen>);

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.0.head_until(deadline);
        Box::pin(Awaited(self.0.clone()))
    }

    fn reset(&self, _: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        self.0.head_until(deadline);
    }
}

/// A head that is waited for. It never tells hyper that time is up: whoever watches the connection cuts it then.
struct Awaited(Arc<Seen>);

impl Future for Awaited {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Awaited {}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.head_came();
    }
}
