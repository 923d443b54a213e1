//! Keeps the function awake behind its answer: what was made is stored, its original asked for once more, and what was noticed said,
//! before the next event is asked for. Whoever asks for it says that it is done, and may be frozen on the spot, for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use afterimage_edge::Edge;
use lambda_runtime::tower::{Layer, Service};
use lambda_runtime::{Error, LambdaInvocation};

use crate::notices::Notices;

/// The longest that saying what was noticed may take: the next event waits for it.
const SAY_MAX: Duration = Duration::from_secs(2);

/// Wraps what takes an event and sends its answer.
#[derive(Clone)]
pub struct Settling {
    /// What answers.
    pub edge: Arc<Edge>,
    /// What it noticed.
    pub notices: Arc<Notices>,
}

impl<S> Layer<S> for Settling {
    type Service = Settles<S>;

    fn layer(&self, inner: S) -> Settles<S> {
        Settles { inner, rest: self.clone() }
    }
}

/// The answer first, then the rest.
pub struct Settles<S> {
    inner: S,
    rest: Settling,
}

impl<S> Service<LambdaInvocation> for Settles<S>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
    S::Future: 'static,
{
    type Response = ();
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let deadline = invocation.context.deadline();
        let sending = self.inner.call(invocation);
        let Settling { edge, notices } = self.rest.clone();
        Box::pin(async move {
            let sent = sending.await;
            // Whether or not anybody heard the answer.
            edge.settled().await;
            // Last: what is noticed while something settles is said too.
            let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
            notices.say(SAY_MAX.min(left / 2)).await;
            sent
        })
    }
}
