//! A connection with TLS or without. The handshake is made by whoever first reads, in the connection's own task: no client
//! keeps the listener waiting, and the time for a first request covers the handshake too.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use super::counts::Reason;
use super::keeper::Keeper;
use crate::connection::Transport;

/// A record of a handshake begins so; no request without TLS does.
const HANDSHAKE: u8 = 22;
/// For whoever speaks HTTP here. It is no redirect: a request that came in the clear has been read by others already.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\
    Content-Length: 48\r\n\r\nThis port speaks TLS; ask it with an https URL.\n";
/// What is read of such a request, so that the answer is not lost to a reset.
const PLAIN_BYTES_MAX: usize = 16 << 10;

pub struct Stream {
    state: State,
    keeper: Option<Arc<Keeper>>,
}

enum State {
    Plain(TcpStream),
    First(TcpStream, TlsAcceptor),
    Refusing(TcpStream),
    Handshake(Box<Accept<TcpStream>>),
    Open(Box<TlsStream<TcpStream>>),
    Failed,
}

impl Stream {
    pub fn plain(tcp: TcpStream) -> Self {
        Self { state: State::Plain(tcp), keeper: None }
    }

    pub fn secured(tcp: TcpStream, acceptor: TlsAcceptor, keeper: Arc<Keeper>) -> Self {
        Self { state: State::First(tcp, acceptor), keeper: Some(keeper) }
    }

    fn failed(&mut self, reason: Reason) {
        self.state = State::Failed;
        if let Some(keeper) = &self.keeper {
            keeper.counts.failed(reason);
        }
    }

    /// Makes the handshake, as far as the client lets it.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.state {
                State::Plain(_) | State::Open(_) => return Poll::Ready(Ok(())),
                State::Failed => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
                State::First(tcp, acceptor) => {
                    let mut first = [0];
                    match ready!(tcp.poll_peek(cx, &mut ReadBuf::new(&mut first))) {
                        Ok(0) | Err(_) => {
                            self.failed(Reason::Closed);
                            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                        }
                        Ok(_) => {}
                    }
                    let is_http = first[0] != HANDSHAKE && first[0].is_ascii_uppercase();
                    let acceptor = acceptor.clone();
                    let State::First(tcp, _) = std::mem::replace(&mut self.state, State::Failed) else { continue };
                    self.state = match is_http {
                        true => State::Refusing(tcp),
                        false => State::Handshake(Box::new(acceptor.accept(tcp))),
                    };
                }
                State::Refusing(tcp) => {
                    ready!(refuse(tcp, cx));
                    self.failed(Reason::PlainHttp);
                    return Poll::Ready(Err(io::Error::other("HTTP without TLS")));
                }
                State::Handshake(accept) => match ready!(Pin::new(accept).poll(cx)) {
                    Ok(stream) => {
                        if let Some(keeper) = &self.keeper {
                            keeper.counts.finished(stream.get_ref().1.handshake_kind());
                        }
                        self.state = State::Open(Box::new(stream));
                    }
                    Err(error) => {
                        self.failed(Reason::of(&error));
                        return Poll::Ready(Err(error));
                    }
                },
            }
        }
    }
}

/// Says what is wrong, once there is room to.
fn refuse(tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<()> {
    // A fresh connection has room for so little.
    let written = ready!(Pin::new(&mut *tcp).poll_write(cx, PLAIN_HTTP));
    let mut unread = [0; PLAIN_BYTES_MAX];
    if written.is_ok() {
        let _ = Pin::new(tcp).poll_read(cx, &mut ReadBuf::new(&mut unread));
    }
    Poll::Ready(())
}

impl Drop for Stream {
    fn drop(&mut self) {
        if matches!(self.state, State::First(..) | State::Refusing(_) | State::Handshake(_)) {
            self.failed(Reason::Timeout);
        }
    }
}

impl Transport for Stream {
    fn give_up(&self) {
        match &self.state {
            State::Plain(tcp) | State::First(tcp, _) | State::Refusing(tcp) => tcp.give_up(),
            State::Handshake(accept) => accept.get_ref().into_iter().for_each(Transport::give_up),
            State::Open(stream) => stream.get_ref().0.give_up(),
            State::Failed => {}
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?;
        match &mut self.state {
            State::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            State::Open(stream) => Pin::new(stream).poll_read(cx, buf),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?;
        match &mut self.state {
            State::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            State::Open(stream) => Pin::new(stream).poll_write(cx, bytes),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?;
        match &mut self.state {
            State::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            State::Open(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Bytes that TLS has sealed and the client has not taken are still here: with them the flush waits.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            State::Open(stream) => Pin::new(stream).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Plain(tcp) | State::First(tcp, _) | State::Refusing(tcp) => Pin::new(tcp).poll_shutdown(cx),
            State::Open(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Handshake(_) | State::Failed => Poll::Ready(Ok(())),
        }
    }
}
