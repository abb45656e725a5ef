//! Virtual time: runs a future to its end in one thread, jumping from one timer to the next.
//!
//! Everything in the engine waits through `Clock` or for another future of the same run, so nothing else is needed, and the
//! same seed gives the same run.

use crate::clock::{BoxFuture, Clock};
use crate::model::Timestamp;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Timers after which a run counts as turning in circles. A schedule of one apply needs a few thousand.
const STEPS_MAX: u32 = 400_000;

/// Virtual time, and who waits for it.
#[derive(Default)]
struct Time {
    now: i64,
    number: u64,
    timers: BTreeMap<(i64, u64), Waker>,
}

/// A clock that moves only when everybody waits.
#[derive(Clone)]
pub struct VirtualClock(Arc<Mutex<Time>>);

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl VirtualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Time { now: start.0, ..Time::default() })))
    }

    fn time(&self) -> std::sync::MutexGuard<'_, Time> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass while nothing runs.
    pub fn advance(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let mut time = self.time();
        time.now = time.now.saturating_add(millis);
    }

    /// Runs a future. `None` if it waits for what never comes, or turns in circles.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        for _ in 0..STEPS_MAX {
            let mut polls = 0;
            while flag.0.swap(false, Ordering::AcqRel) {
                polls += 1;
                if polls > STEPS_MAX {
                    return None;
                }
                if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                    // What is left over belongs to this run and must not wake the next.
                    self.time().timers.clear();
                    return Some(value);
                }
            }
            let mut time = self.time();
            let ((at, _), waker) = time.timers.pop_first()?;
            time.now = time.now.max(at);
            drop(time);
            waker.wake();
        }
        None
    }
}

struct Sleep {
    clock: VirtualClock,
    until: i64,
    key: Option<(i64, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut time = clock.time();
        if time.now >= self.until {
            return Poll::Ready(());
        }
        if let Some(key) = self.key {
            time.timers.remove(&key);
        }
        time.number += 1;
        let key = (self.until, time.number);
        time.timers.insert(key, context.waker().clone());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.clock.time().timers.remove(&key);
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.time().now)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        // Rounded up: a sleep that ends before its time would never end for one who waits in a loop.
        let millis = i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
        let until = self.time().now.saturating_add(millis);
        Box::pin(Sleep { clock: self.clone(), until, key: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_passes_at_once_and_in_order() {
        let clock = VirtualClock::new(Timestamp(0));
        let order = Mutex::new(Vec::new());
        let step = |name: &'static str, secs| {
            let (clock, order) = (clock.clone(), &order);
            async move {
                clock.sleep(Duration::from_secs(secs)).await;
                order.lock().unwrap().push((name, clock.now().as_secs()));
            }
        };
        clock.run(futures_util::future::join3(step("b", 3600), step("a", 1), step("c", 7200))).unwrap();
        assert_eq!(order.into_inner().unwrap(), [("a", 1), ("b", 3600), ("c", 7200)]);
        assert!(clock.run(std::future::pending::<()>()).is_none());
    }
}
