//! How a command reaches the state: through the process that holds it, or, when nobody does, by opening it itself. Either
//! way it speaks to the same routes.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tower::ServiceExt;

use crate::exit::Exit;

/// The routes of [`afterimage_control`], near or far.
pub enum Client {
    /// In the process that serves.
    Socket(PathBuf),
    /// In this process, which holds the state itself.
    Here(Router),
}

impl Client {
    /// Whether a server answers at this socket.
    pub async fn is_alive(socket: &Path) -> bool {
        UnixStream::connect(socket).await.is_ok()
    }

    /// Sends a request and reads a JSON answer.
    ///
    /// # Errors
    /// When nobody answers, or the answer is a refusal.
    pub async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: String) -> Result<T, Exit> {
        let (status, answer) = self.send(method, path, body).await?;
        if !status.is_success() {
            let words = String::from_utf8_lossy(&answer).trim().to_owned();
            return Err(if status.is_client_error() { Exit::Refused(words) } else { Exit::Failed(words) });
        }
        serde_json::from_slice(&answer).map_err(|error| {
            Exit::Failed(format!("the server's answer is not understood: {error}; is it another version?"))
        })
    }

    async fn send(&self, method: Method, path: &str, body: String) -> Result<(StatusCode, Bytes), Exit> {
        let request = |uri: String| {
            Request::builder()
                .method(method.clone())
                .uri(uri)
                .header("host", "localhost")
                .header("content-type", "application/json")
        };
        let malformed = |error: http::Error| Exit::Usage(error.to_string());
        match self {
            Self::Here(router) => {
                let request = request(path.to_owned()).body(Body::from(body)).map_err(malformed)?;
                let response = match router.clone().oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                let status = response.status();
                let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
                Ok((status, body.map_err(|error| Exit::Failed(error.to_string()))?))
            }
            Self::Socket(socket) => {
                let lost = |error: &dyn std::fmt::Display| {
                    Exit::State(format!("the server at {} does not answer: {error}", socket.display()))
                };
                let stream = UnixStream::connect(socket).await.map_err(|error| lost(&error))?;
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
                let driver = tokio::spawn(connection);
                let request = request(path.to_owned()).body(Full::new(Bytes::from(body))).map_err(malformed)?;
                let response = sender.send_request(request).await.map_err(|error| lost(&error))?;
                let status = response.status();
                let body = response.into_body().collect().await.map_err(|error| lost(&error))?.to_bytes();
                driver.abort();
                Ok((status, body))
            }
        }
    }
}
