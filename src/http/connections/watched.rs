//! A socket that notes what comes and goes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::heads::Heads;

pub(super) struct Watched<C> {
    connection: C,
    activity: Arc<Activity>,
    heads: Heads,
}

impl<C> Watched<C> {
    pub(super) fn new(connection: C, activity: Arc<Activity>) -> Watched<C> {
        Watched { connection, activity, heads: Heads::new() }
    }

    fn note<T>(&self, written: &Poll<io::Result<T>>) {
        self.activity.note_stall(written.is_pending());
        if matches!(written, Poll::Ready(Ok(_))) {
            self.activity.note_taken();
        }
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Watched<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { connection, activity, heads } = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(connection).poll_read(context, buffer);
        let came = &buffer.filled()[before..];
        if !came.is_empty() {
            activity.note_head(heads.take(came, activity.is_idle()));
        }
        read
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Watched<C> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write(context, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write_vectored(context, slices);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}
