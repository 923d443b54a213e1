//! The function that CloudFront has for its origin: takes the events of a function URL one by one, lets the edge answer them, and
//! streams what it answers. Nothing is decided here.

mod answer;
mod notices;
mod request;
mod settle;
mod start;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use afterimage_edge::{Door, Edge};
use afterimage_lambda::Ended;
use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};

use crate::answer::Streamed;
use crate::settle::Settling;

/// Image buffers fragment glibc's heap, and a process that grows is killed for it here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is kept of the time for an event, for the answer to be said in.
const MARGIN: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    // One event at a time, and renders have threads of their own: more threads would only have to be started.
    let threads = tokio::runtime::Builder::new_current_thread();
    afterimage_lambda::start("docs/operating/lambda-render.md", threads, async || {
        let (edge, notices, door) = start::start().map_err(Ended::Refused)?;
        let settling = Settling { edge: edge.clone(), notices };
        let handler = service_fn(move |event| answer_one(edge.clone(), door, event));
        Runtime::new(handler).layer(settling).run().await.map_err(Ended::Unheard)
    })
}

/// Answers one event, before its time is over.
async fn answer_one(
    edge: Arc<Edge>,
    door: Door,
    event: LambdaEvent<LambdaFunctionUrlRequest>,
) -> Result<Streamed, Error> {
    let end = UNIX_EPOCH + Duration::from_millis(event.context.deadline);
    let left = end.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(MARGIN);
    let response = match request::read(event.payload) {
        Ok(request) => tokio::time::timeout(left, edge.handle(door, &request)).await,
        Err(words) => Ok(answer::bad_request(words)),
    };
    Ok(answer::stream(response.unwrap_or_else(|_| answer::too_late())))
}
