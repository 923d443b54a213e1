//! How a render learns that nobody waits for it any more. It must never read a clock itself: the caller owns time.

/// Asked between the steps of a render and inside its long loops.
pub trait Stop: Sync {
    /// Whether the render should end now with [`Error::Expired`](crate::Error::Expired). Cheap: it is asked often.
    fn expired(&self) -> bool;
}

impl<F: Fn() -> bool + Sync> Stop for F {
    fn expired(&self) -> bool {
        self()
    }
}

/// A [`Stop`] that never comes, for tools and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Never;

impl Stop for Never {
    fn expired(&self) -> bool {
        false
    }
}

/// Fails once `stop` has expired, so that a step can say `check(stop)?`.
pub(crate) fn check(stop: &dyn Stop) -> Result<(), crate::Error> {
    if stop.expired() { Err(crate::Error::Expired) } else { Ok(()) }
}
