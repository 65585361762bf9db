//! Problem documents for requests that no handler ever sees.
//!
//! Where a request's line or headers cannot be read, the HTTP library answers by itself: a status without a body, after which
//! it closes the connection. [`WithProblems`] stands between the library and the socket and puts a problem in its place.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::http::problem::{Kind, Problem};

/// A connection whose bare answers become problem documents.
pub(super) struct WithProblems<C> {
    connection: C,
    /// What is left to be written of a problem that took an answer's place.
    pending: Vec<u8>,
    /// After such a problem: how long what the client still sends is read. A connection that is closed over unread bytes takes
    /// the answer along.
    lingers: Option<Pin<Box<Sleep>>>,
}

/// How long a client may go on sending after its request was refused.
const LINGER_MAX: Duration = Duration::from_secs(1);

impl<C> WithProblems<C> {
    pub(super) fn new(connection: C) -> WithProblems<C> {
        WithProblems { connection, pending: Vec::new(), lingers: None }
    }
}

/// The problem in place of an answer of the library's own, if this is one. Every answer of ours with such a status has a body.
fn in_place_of(answer: &[u8]) -> Option<Problem> {
    let status = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let is_bare = || answer.windows(b"content-length: 0\r\n".len()).any(|part| part == b"content-length: 0\r\n");
    let problem = match status {
        b"400" => Problem::new(Kind::InvalidParameter, "the request line or a header is not valid HTTP/1.1"),
        b"414" | b"431" => Problem::head_too_large(),
        _ => return None,
    };
    is_bare().then_some(problem)
}

pub(super) fn written(problem: &Problem) -> Vec<u8> {
    let status: StatusCode = problem.status();
    let body = serde_json::to_vec(&problem.body(status, "", false)).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-language: en\r\n\
         x-content-type-options: nosniff\r\nx-request-id: {:032x}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        rand::random::<u128>(),
        body.len()
    );
    [head.into_bytes(), body].concat()
}

impl<C: AsyncWrite + Unpin> WithProblems<C> {
    fn poll_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let count = ready!(Pin::new(&mut self.connection).poll_write(context, &self.pending))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for WithProblems<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WithProblems<C> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(context))?;
        if let Some(problem) = in_place_of(bytes) {
            self.pending = written(&problem);
            self.lingers = Some(Box::pin(sleep(LINGER_MAX)));
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(context))?;
        // A bare answer is all in one piece.
        match slices {
            [only] if in_place_of(only).is_some() => self.poll_write(context, only),
            _ => Pin::new(&mut self.connection).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(context))?;
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(context))?;
        ready!(Pin::new(&mut self.connection).poll_shutdown(context))?;
        while let Some(end) = &mut self.lingers {
            let mut bytes = [MaybeUninit::uninit(); 4 * 1024];
            let mut read = ReadBuf::uninit(&mut bytes);
            let is_over = end.as_mut().poll(context).is_ready()
                || ready!(Pin::new(&mut self.connection).poll_read(context, &mut read)).is_err()
                || read.filled().is_empty();
            if is_over {
                self.lingers = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}
