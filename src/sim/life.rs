//! Processes: alive until their count of effects runs out, on a disk that may be full.

use super::disk::Gate;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// One process: alive until its count of effects runs out.
pub struct Life {
    dead: AtomicBool,
    left: AtomicI64,
    full: AtomicI64,
    waker: Mutex<Option<Waker>>,
}

impl Life {
    /// Dies at effect number `effects`.
    pub fn new(effects: Option<u64>) -> Arc<Self> {
        let left = effects.and_then(|effects| i64::try_from(effects).ok()).unwrap_or(i64::MAX);
        Arc::new(Self {
            dead: AtomicBool::new(false),
            left: AtomicI64::new(left),
            full: AtomicI64::new(i64::MAX),
            waker: Mutex::default(),
        })
    }

    /// The disk is full after `writes` more writes.
    pub fn fill_disk_after(&self, writes: u64) {
        self.full.store(i64::try_from(writes).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Counts an effect. False if the process does not live to see it done.
    pub(super) fn survives(&self) -> bool {
        if self.is_dead() {
            return false;
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return true;
        }
        self.dead.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
        false
    }
}

/// Completes when a process dies.
pub struct Death(pub Arc<Life>);

impl Future for Death {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.is_dead() {
            return Poll::Ready(());
        }
        *self.0.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        Poll::Pending
    }
}

/// The gate of a disk that outlives its processes: the life in it changes.
#[derive(Default)]
pub struct LifeGate(Mutex<Option<Arc<Life>>>);

impl LifeGate {
    /// The next process begins.
    pub fn enter(&self, life: &Arc<Life>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(life));
    }
}

impl Gate for LifeGate {
    fn pass(&self, operation: &'static str) -> io::Result<()> {
        let life = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(life) = life else { return Ok(()) };
        if !life.survives() {
            return Err(io::Error::other("the process is dead"));
        }
        let writes = matches!(operation, "write" | "append");
        if writes && life.full.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}
