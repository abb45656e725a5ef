//! Connections that can end in the middle of an answer: axum's listener over TCP or TLS, with a hand on every stream.

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many connections may wait for their turn.
const BACKLOG: usize = 64;

/// How many more bytes a connection may send.
#[derive(Clone, Debug)]
pub struct Wire(Arc<AtomicU64>);

impl Wire {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// No limit again: a new request begins.
    pub fn open(&self) {
        self.0.store(u64::MAX, Ordering::Relaxed);
    }

    /// Ends the connection after `bytes` more bytes; 0 for at once.
    pub fn cut_after(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Connections>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        stream.io().wire.clone()
    }
}

/// Accepts connections, and shakes hands with each in a task of its own.
pub struct Connections {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    ready: mpsc::Receiver<(Stream, SocketAddr)>,
    done: mpsc::Sender<(Stream, SocketAddr)>,
    handshakes: JoinSet<()>,
}

impl Connections {
    /// From a listener; with `tls`, only TLS is spoken.
    pub fn new(listener: TcpListener, tls: Option<TlsAcceptor>) -> Self {
        let (done, ready) = mpsc::channel(BACKLOG);
        Self { listener, tls, ready, done, handshakes: JoinSet::new() }
    }

    fn shake_hands(&mut self, tls: TlsAcceptor, socket: TcpStream, from: SocketAddr) {
        while self.handshakes.try_join_next().is_some() {}
        let done = self.done.clone();
        self.handshakes.spawn(async move {
            // Whoever does not speak TLS, or not soon, is let go.
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(socket)).await {
                let stream = Stream { inner: Inner::Tls(Box::new(stream)), wire: Wire::new() };
                let _listener_gone = done.send((stream, from)).await;
            }
        });
    }
}

impl Listener for Connections {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        loop {
            tokio::select! {
                Some(ready) = self.ready.recv() => return ready,
                accepted = self.listener.accept() => match (accepted, self.tls.clone()) {
                    (Ok((socket, from)), None) => {
                        let _best_effort = socket.set_nodelay(true);
                        return (Stream { inner: Inner::Plain(socket), wire: Wire::new() }, from);
                    }
                    (Ok((socket, from)), Some(tls)) => {
                        let _best_effort = socket.set_nodelay(true);
                        self.shake_hands(tls, socket, from);
                    }
                    (Err(error), _) => {
                        // Out of file handles, most likely: others will close theirs.
                        tracing::warn!("cannot accept a connection: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection.
pub struct Stream {
    inner: Inner,
    wire: Wire,
}

enum Inner {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let left = self.wire.0.load(Ordering::Relaxed);
        if left == 0 {
            // What was let through must not wait in a buffer for more to come.
            let flushed = match &mut self.inner {
                Inner::Plain(stream) => Pin::new(stream).poll_flush(cx),
                Inner::Tls(stream) => Pin::new(stream).poll_flush(cx),
            };
            return flushed.map(|_| Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut on demand")));
        }
        let part = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        let written = match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_write(cx, part),
            Inner::Tls(stream) => Pin::new(stream).poll_write(cx, part),
        };
        if let (Poll::Ready(Ok(count)), true) = (&written, left != u64::MAX) {
            self.wire.0.store(left.saturating_sub(*count as u64), Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
