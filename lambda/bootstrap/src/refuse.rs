//! Tells the service why a process takes no events, so that whoever deployed it sees more than that it ended.

use lambda_runtime_api_client::{PooledClient, body::Body, build_request};

pub(crate) async fn refuse(words: &str) {
    eprintln!("{words}");
    let error = serde_json::json!({ "errorType": "Afterimage.Configuration", "errorMessage": words, "stackTrace": [] });
    let request = build_request()
        .method("POST")
        .uri("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", "Afterimage.Configuration")
        .body(Body::from(error.to_string()));
    if let Ok(request) = request
        && let Err(error) = PooledClient::builder().build().call(request).await
    {
        eprintln!("the service could not be told: {error}");
    }
}
