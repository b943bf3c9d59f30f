//! A listener that limits open connections and closes those that keep the server waiting.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

use super::ServerLimits;

pub(super) struct LimitedListener {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    limits: ServerLimits,
}

impl LimitedListener {
    pub(super) fn new(listener: TcpListener, limits: ServerLimits) -> Self {
        Self { listener, permits: Arc::new(Semaphore::new(limits.max_connections)), limits }
    }
}

impl Listener for LimitedListener {
    type Io = GuardedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let permits = Arc::clone(&self.permits);
        let permit = match permits.acquire_owned().await {
            Ok(permit) => permit,
            // The semaphore is never closed.
            Err(_) => std::future::pending().await,
        };
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Small frames would otherwise be held back and sent together.
        let _ = stream.set_nodelay(true);
        (GuardedStream::new(stream, permit, self.limits), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        TcpListener::local_addr(&self.listener)
    }
}

/// Whether a connection is waiting for a request or serving one. The handler sets it, and the connection's
/// stream times out only while it waits.
#[derive(Clone, Default)]
pub(super) struct ConnectionPhase {
    is_serving: Arc<AtomicBool>,
    served_count: Arc<AtomicU64>,
}

/// Marks the connection as serving a request until it is dropped.
pub(super) struct ServingGuard(ConnectionPhase);

impl ConnectionPhase {
    pub(super) fn start_serving(self) -> ServingGuard {
        self.is_serving.store(true, Ordering::Release);
        ServingGuard(self)
    }
}

impl Drop for ServingGuard {
    fn drop(&mut self) {
        self.0.served_count.fetch_add(1, Ordering::Release);
        self.0.is_serving.store(false, Ordering::Release);
    }
}

impl Connected<IncomingStream<'_, LimitedListener>> for ConnectionPhase {
    fn connect_info(stream: IncomingStream<'_, LimitedListener>) -> Self {
        stream.io().phase.clone()
    }
}

/// A connection that ends if the next request does not arrive in time. It occupies one of the listener's
/// places until it is dropped.
pub(super) struct GuardedStream {
    stream: TcpStream,
    phase: ConnectionPhase,
    deadline: Pin<Box<Sleep>>,
    /// Whether part of the next request arrived.
    has_begun: bool,
    /// The number of served requests when the wait began.
    served_before: u64,
    read_timeout: Duration,
    idle_timeout: Duration,
    _permit: OwnedSemaphorePermit,
}

impl GuardedStream {
    fn new(stream: TcpStream, permit: OwnedSemaphorePermit, limits: ServerLimits) -> Self {
        Self {
            stream,
            phase: ConnectionPhase::default(),
            deadline: Box::pin(sleep(limits.idle_timeout)),
            has_begun: false,
            served_before: 0,
            read_timeout: limits.read_timeout,
            idle_timeout: limits.idle_timeout,
            _permit: permit,
        }
    }

    fn restart_deadline(&mut self, timeout: Duration) {
        self.deadline.as_mut().reset(Instant::now() + timeout);
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let served = self.phase.served_count.load(Ordering::Acquire);
        if served != self.served_before {
            (self.served_before, self.has_begun) = (served, false);
            let timeout = self.idle_timeout;
            self.restart_deadline(timeout);
        }
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            if !self.has_begun {
                self.has_begun = true;
                let timeout = self.read_timeout;
                self.restart_deadline(timeout);
            }
            return Poll::Ready(result);
        }
        if self.phase.is_serving.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
