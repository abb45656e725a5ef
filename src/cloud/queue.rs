//! Who is next? A first-come-first-served queue of tasks, woken one at a time.
//!
//! It exists because pacing must be fair (the order of asking is the order of starting) and cancel-safe (a waiter that
//! is dropped leaves no hole), and because this layer knows no async runtime.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The queue. Places are taken with [`Queue::enter`].
#[derive(Debug, Default)]
pub struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next_ticket: u64,
    /// By ticket; the waker is known once the waiter has been polled.
    places: BTreeMap<u64, Option<Waker>>,
}

/// A place in the queue. Dropping it leaves the queue, from wherever it is.
#[derive(Debug)]
pub struct Place<'a> {
    queue: &'a Queue,
    ticket: u64,
}

impl Queue {
    /// Takes the last place.
    pub fn enter(&self) -> Place<'_> {
        let mut waiting = self.lock();
        let ticket = waiting.next_ticket;
        waiting.next_ticket += 1;
        waiting.places.insert(ticket, None);
        Place { queue: self, ticket }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every change under the lock is a single insert or remove, so a poisoned queue is still a queue.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Completes when everybody before has left.
    pub async fn first(&self) {
        poll_fn(|cx| {
            let mut waiting = self.queue.lock();
            if waiting.places.first_key_value().is_some_and(|(ticket, _)| *ticket == self.ticket) {
                return Poll::Ready(());
            }
            waiting.places.insert(self.ticket, Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let next = {
            let mut waiting = self.queue.lock();
            waiting.places.remove(&self.ticket);
            waiting.places.first_entry().and_then(|mut first| first.get_mut().take())
        };
        // Outside the lock: a waker may run anything.
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn poll(future: std::pin::Pin<&mut impl Future>, count: &Arc<Count>) -> bool {
        future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(count)))).is_ready()
    }

    #[test]
    fn order_of_entering_is_order_of_leaving() {
        let queue = Queue::default();
        let (a, b, c) = (queue.enter(), queue.enter(), queue.enter());
        let woken = Arc::new(Count::default());
        let mut wait_c = pin!(c.first());
        let mut wait_b = pin!(b.first());
        assert!(!poll(wait_c.as_mut(), &woken));
        assert!(!poll(wait_b.as_mut(), &woken));
        assert!(poll(pin!(a.first()), &woken));
        drop(a);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(!poll(wait_c.as_mut(), &woken), "b is before c");
        assert!(poll(wait_b.as_mut(), &woken));
    }

    #[test]
    fn a_waiter_that_leaves_blocks_nobody() {
        let queue = Queue::default();
        let (a, b, c) = (queue.enter(), queue.enter(), queue.enter());
        let woken = Arc::new(Count::default());
        let mut wait_c = pin!(c.first());
        assert!(!poll(wait_c.as_mut(), &woken));
        drop(b);
        drop(a);
        assert!(woken.0.load(Ordering::SeqCst) >= 1);
        assert!(poll(wait_c.as_mut(), &woken));
    }
}
