//! Keeps the function awake behind its answer: what was made is stored, and its original asked for once more, before the next event is
//! asked for. Whoever asks for it says that it is done, and may be frozen on the spot, for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use afterimage_edge::Edge;
use lambda_runtime::tower::{Layer, Service};
use lambda_runtime::{Error, LambdaInvocation};

/// Wraps what takes an event and sends its answer.
#[derive(Clone)]
pub struct Settling(pub Arc<Edge>);

impl<S> Layer<S> for Settling {
    type Service = Settles<S>;

    fn layer(&self, inner: S) -> Settles<S> {
        Settles { inner, edge: self.0.clone() }
    }
}

/// The answer first, then the rest.
pub struct Settles<S> {
    inner: S,
    edge: Arc<Edge>,
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
        let sending = self.inner.call(invocation);
        let edge = self.edge.clone();
        Box::pin(async move {
            let sent = sending.await;
            // Whether or not anybody heard the answer.
            edge.settled().await;
            sent
        })
    }
}
