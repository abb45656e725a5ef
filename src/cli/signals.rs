//! Signals as data. Before work has begun one ends the command at once; from then on the engine decides.

use super::exit::{Exit, Signal};
use super::failure::Failure;
use super::life;
use crate::clock::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, mpsc, watch};

/// What listens. The channel keeps a signal that comes while nobody waits for one.
#[derive(Clone)]
pub struct Signals {
    queue: Arc<Mutex<mpsc::UnboundedReceiver<Signal>>>,
    first: watch::Receiver<Option<Signal>>,
    taken_over: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn listen() -> Result<Self, Failure> {
        let (send, receive) = mpsc::unbounded_channel();
        let (send_first, first) = watch::channel(None);
        spawn(send, send_first)
            .map_err(|error| Failure::new(Exit::Error, format!("failed to listen for signals: {error}")))?;
        Ok(Self { queue: Arc::new(Mutex::new(receive)), first, taken_over: Arc::default() })
    }

    /// The engine's port: each call waits for the next signal. From its first call on, `early` is silent.
    pub fn port(&self) -> Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync> {
        let (queue, taken_over) = (Arc::clone(&self.queue), Arc::clone(&self.taken_over));
        Arc::new(move || {
            taken_over.store(true, Ordering::SeqCst);
            let queue = Arc::clone(&queue);
            Box::pin(async move {
                match queue.lock().await.recv().await {
                    Some(signal) => signal.name().to_owned(),
                    None => std::future::pending().await,
                }
            })
        })
    }

    /// Completes with a signal that comes before the engine has taken over.
    pub async fn early(&self) -> Signal {
        let mut first = self.first.clone();
        loop {
            let signal = *first.borrow_and_update();
            if let Some(signal) = signal
                && !self.taken_over.load(Ordering::SeqCst)
            {
                return signal;
            }
            if first.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// The first signal so far. While somebody is asked it has come since then: the engine ends with one, and asks nothing.
    pub fn first_now(&self) -> Option<Signal> {
        *self.first.borrow()
    }
}

/// Listens on a thread of its own: the command's may be held up by a disk or a terminal.
fn spawn(send: mpsc::UnboundedSender<Signal>, first: watch::Sender<Option<Signal>>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    // From here on no signal ends the process by itself.
    let mut source = {
        let _inside = runtime.enter();
        Source::new()?
    };
    let listen = async move {
        let mut number = 0;
        while let Some(signal) = source.next().await {
            first.send_if_modified(|first| first.is_none() && first.replace(signal).is_none());
            number += 1;
            let came_first = (*first.borrow()).unwrap_or(signal);
            life::end_after(came_first, number);
            if send.send(signal).is_err() {
                return;
            }
        }
    };
    let _thread = std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(listen))?;
    Ok(())
}

/// Where signals come from.
#[cfg(unix)]
struct Source {
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Option<Signal> {
        tokio::select! {
            _ = self.hangup.recv() => Some(Signal::Hangup),
            _ = self.interrupt.recv() => Some(Signal::Interrupt),
            _ = self.terminate.recv() => Some(Signal::Terminate),
        }
    }
}

/// Where signals come from: here there is but one.
#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
impl Source {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Option<Signal> {
        tokio::signal::ctrl_c().await.ok().map(|()| Signal::Interrupt)
    }
}
